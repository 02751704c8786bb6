#include "guest/lib/vmx.h"

#include "guest/lib/console.h"
#include "guest/lib/memory.h"
#include "vmx/msr.h"

#define CPUID_1_ECX_VMX BIT(5)

extern const char vm_exit_rip[];
extern u64 vm_saved_stack;

u64 vmx_flags_before = ARITHMETIC_FLAGS;

bool vmx_present(void)
{
	return cpuid(1).ecx & CPUID_1_ECX_VMX;
}

bool vmx_prepare(void)
{
	u64 control = rdmsr(MSR_IA32_FEATURE_CONTROL);

	if (!(control & FEATURE_CONTROL_LOCK)) {
		control |= FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
		wrmsr(MSR_IA32_FEATURE_CONTROL, control);
	}
	if (!(control & FEATURE_CONTROL_VMX))
		return false;
	write_cr0((read_cr0() | rdmsr(MSR_IA32_VMX_CR0_FIXED0)) & rdmsr(MSR_IA32_VMX_CR0_FIXED1));
	write_cr4((read_cr4() | rdmsr(MSR_IA32_VMX_CR4_FIXED0)) & rdmsr(MSR_IA32_VMX_CR4_FIXED1));
	return true;
}

void *vmcs_alloc(void)
{
	u32 *region = page_alloc();
	*region = rdmsr(MSR_IA32_VMX_BASIC) & VMX_BASIC_REVISION;
	return region;
}

static void must(struct trap t, const char *what, u64 operand)
{
	if (t.vector == NO_EXCEPTION && !(t.rflags & (RFLAGS_CF | RFLAGS_ZF)))
		return;
	print("FAIL %s 0x%lx: exception %d, rflags 0x%lx\n", what, operand, t.vector, t.rflags);
	power_off();
}

void vmx_on(void)
{
	u64 region = (u64)vmcs_alloc();
	must(vmxon(&region), "VMXON", region);
}

/* The capability MSR of a control word; the TRUE_ one where there is one. */
static u64 control_msr(enum control_word word)
{
	static const u32 plain[CONTROL_WORDS] = {
		[PIN] = MSR_IA32_VMX_PINBASED_CTLS,     [PROC] = MSR_IA32_VMX_PROCBASED_CTLS,
		[PROC2] = MSR_IA32_VMX_PROCBASED_CTLS2, [EXIT] = MSR_IA32_VMX_EXIT_CTLS,
		[ENTRY] = MSR_IA32_VMX_ENTRY_CTLS,
	};
	static const u32 precise[CONTROL_WORDS] = {
		[PIN] = MSR_IA32_VMX_TRUE_PINBASED_CTLS, [PROC] = MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
		[PROC2] = MSR_IA32_VMX_PROCBASED_CTLS2,  [EXIT] = MSR_IA32_VMX_TRUE_EXIT_CTLS,
		[ENTRY] = MSR_IA32_VMX_TRUE_ENTRY_CTLS,
	};
	if (!plain[word] || (word == PROC2 && !vmx_allows(PROC, PROC_ACTIVATE_SECONDARY)))
		return 0;
	return rdmsr(rdmsr(MSR_IA32_VMX_BASIC) & VMX_BASIC_TRUE_CONTROLS ? precise[word] : plain[word]);
}

u32 vmx_controls(enum control_word word, u32 wanted)
{
	return wanted | (u32)control_msr(word);
}

bool vmx_allows(enum control_word word, u32 controls)
{
	return !(controls & ~(u32)(control_msr(word) >> 32));
}

u64 vmcs_get(enum vmcs_field field)
{
	u64 value = 0;
	must(vmread(field, &value), "VMREAD of field", field);
	return value;
}

void vmcs_set(enum vmcs_field field, u64 value)
{
	must(vmwrite(field, value), "VMWRITE of field", field);
}

void vmcs_set_all(const struct vmcs_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		vmcs_set(values[i].field, values[i].value);
}

void vmcs_load(void *region)
{
	must(vmclear(&region), "VMCLEAR", (u64)region);
	must(vmptrld(&region), "VMPTRLD", (u64)region);
}

void vmcs_set_host(void)
{
	VMCS_SET({VMCS_HOST_CR0, read_cr0()}, {VMCS_HOST_CR3, read_cr3()}, {VMCS_HOST_CR4, read_cr4()},
		 {VMCS_HOST_ES_SELECTOR, read_es()}, {VMCS_HOST_CS_SELECTOR, read_cs()},
		 {VMCS_HOST_SS_SELECTOR, read_ss()}, {VMCS_HOST_DS_SELECTOR, read_ds()},
		 {VMCS_HOST_FS_SELECTOR, read_fs()}, {VMCS_HOST_GS_SELECTOR, read_gs()},
		 {VMCS_HOST_TR_SELECTOR, read_tr()}, {VMCS_HOST_FS_BASE, rdmsr(MSR_IA32_FS_BASE)},
		 {VMCS_HOST_GS_BASE, rdmsr(MSR_IA32_GS_BASE)}, {VMCS_HOST_TR_BASE, trap_tss_base()},
		 {VMCS_HOST_GDTR_BASE, read_gdtr().base}, {VMCS_HOST_IDTR_BASE, read_idtr().base},
		 {VMCS_HOST_SYSENTER_CS, rdmsr(MSR_IA32_SYSENTER_CS)},
		 {VMCS_HOST_SYSENTER_ESP, rdmsr(MSR_IA32_SYSENTER_ESP)},
		 {VMCS_HOST_SYSENTER_EIP, rdmsr(MSR_IA32_SYSENTER_EIP)},
		 {VMCS_HOST_RSP, (u64)&vm_saved_stack}, {VMCS_HOST_RIP, (u64)vm_exit_rip});
}

static void exit_read(struct vm_exit *e)
{
	*e = (struct vm_exit){
		.reason = (u32)vmcs_get(VMCS_EXIT_REASON),
		.length = (u32)vmcs_get(VMCS_EXIT_INSTRUCTION_LENGTH),
		.insn_info = (u32)vmcs_get(VMCS_EXIT_INSTRUCTION_INFO),
		.interruption = (u32)vmcs_get(VMCS_EXIT_INTERRUPTION_INFO),
		.interruption_error = (u32)vmcs_get(VMCS_EXIT_INTERRUPTION_ERROR_CODE),
		.vectoring = (u32)vmcs_get(VMCS_IDT_VECTORING_INFO),
		.vectoring_error = (u32)vmcs_get(VMCS_IDT_VECTORING_ERROR_CODE),
		.qualification = vmcs_get(VMCS_EXIT_QUALIFICATION),
		.linear = vmcs_get(VMCS_GUEST_LINEAR_ADDRESS),
		.rip = vmcs_get(VMCS_GUEST_RIP),
		.rsp = vmcs_get(VMCS_GUEST_RSP),
		.rflags = vmcs_get(VMCS_GUEST_RFLAGS),
	};
	if (vmx_allows(PROC2, PROC2_ENABLE_EPT))
		e->physical = vmcs_get(VMCS_GUEST_PHYSICAL_ADDRESS);
}

const struct vm_exit *vm_enter(struct l2 *l2)
{
	u64 failed = vm_enter_raw(l2->gpr, l2->launched);

	exit_read(&l2->exit);
	l2->exit.failed = failed;
	if (!failed && !(l2->exit.reason & EXIT_REASON_ENTRY_FAILURE))
		l2->launched = true;
	return &l2->exit;
}

void vm_skip_instruction(const struct l2 *l2)
{
	vmcs_set(VMCS_GUEST_RIP, l2->exit.rip + l2->exit.length);
}
