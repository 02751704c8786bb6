#include "vmm/vcpu.h"

#include "vmm/apic.h"
#include "vmm/layout.h"
#include "vmm/console.h"
#include "vmm/ept02.h"
#include "vmm/event.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"
#include "vmm/msr.h"
#include "vmm/nested_run.h"
#include "vmm/option.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"
#include "vmx/entry.h"
#include "vmx/msr.h"

struct field_value {
	enum vmcs_field field;
	u64 value;
};

/* SDM: volume 3A, "Processor State After Reset", table "IA-32 and Intel 64 Processor States". */
#define RESET_DATA_SEGMENT(name) \
	{VMCS_GUEST_##name##_SELECTOR, 0}, {VMCS_GUEST_##name##_BASE, 0}, \
		{VMCS_GUEST_##name##_LIMIT, 0xffff}, \
	{ \
		VMCS_GUEST_##name##_AR, 0x93 \
	}
static const struct field_value reset_state[] = {
	RESET_DATA_SEGMENT(ES),
	RESET_DATA_SEGMENT(SS),
	RESET_DATA_SEGMENT(DS),
	RESET_DATA_SEGMENT(FS),
	RESET_DATA_SEGMENT(GS),
	{VMCS_GUEST_CS_SELECTOR, 0xf000},
	{VMCS_GUEST_CS_BASE, 0xffff0000},
	{VMCS_GUEST_CS_LIMIT, 0xffff},
	{VMCS_GUEST_CS_AR, 0x9b},
	{VMCS_GUEST_LDTR_SELECTOR, 0},
	{VMCS_GUEST_LDTR_BASE, 0},
	{VMCS_GUEST_LDTR_LIMIT, 0xffff},
	{VMCS_GUEST_LDTR_AR, 0x82},
	{VMCS_GUEST_TR_SELECTOR, 0},
	{VMCS_GUEST_TR_BASE, 0},
	{VMCS_GUEST_TR_LIMIT, 0xffff},
	{VMCS_GUEST_TR_AR, 0x8b},
	{VMCS_GUEST_GDTR_BASE, 0},
	{VMCS_GUEST_GDTR_LIMIT, 0xffff},
	{VMCS_GUEST_IDTR_BASE, 0},
	{VMCS_GUEST_IDTR_LIMIT, 0xffff},
	{VMCS_GUEST_CR3, 0},
	{VMCS_GUEST_DR7, DR7_INIT},
	{VMCS_GUEST_RSP, 0},
	{VMCS_GUEST_RIP, 0xfff0},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED1},
	{VMCS_GUEST_INTERRUPTIBILITY, 0},
	{VMCS_GUEST_ACTIVITY_STATE, ACTIVE},
	{VMCS_GUEST_PENDING_DEBUG, 0},
	{VMCS_GUEST_IA32_DEBUGCTL, 0},
	{VMCS_GUEST_SYSENTER_CS, 0},
	{VMCS_GUEST_SYSENTER_ESP, 0},
	{VMCS_GUEST_SYSENTER_EIP, 0},
	{VMCS_GUEST_IA32_EFER, 0},
	{VMCS_ENTRY_INTERRUPTION_INFO, 0},
};

static void write_all(struct vcpu *v, const struct field_value *row, size_t count)
{
	for (size_t i = 0; i < count; i++)
		vcpu_write(v, row[i].field, row[i].value);
}

void vcpu_reset(struct vcpu *v)
{
	u64 fixed = v->machine->hw.cr0_fixed0 & ~(CR0_PE | CR0_PG);

	write_all(v, reset_state, ARRAY_LEN(reset_state));
	vcpu_write(v, VMCS_GUEST_CR0, CR0_ET | CR0_CD | CR0_NW | fixed);
	vcpu_write(v, VMCS_CR0_READ_SHADOW, CR0_ET | CR0_CD | CR0_NW);
	vcpu_write(v, VMCS_GUEST_CR4, v->machine->hw.cr4_fixed0);
	vcpu_write(v, VMCS_CR4_READ_SHADOW, 0);
	vcpu_write(v, VMCS_ENTRY_CONTROLS,
		   vcpu_read(v, VMCS_ENTRY_CONTROLS) & ~(u64)ENTRY_IA32E_MODE_GUEST);
	memset(v->gpr, 0, sizeof(v->gpr));
	v->gpr[RDX] = cpu_cpuid(1, 0).eax;
}

void vcpu_init_signal(struct vcpu *v)
{
	log_line("L1 got an INIT signal");
	vcpu_reset(v);
	apic_reset(v);
}

void vcpu_sipi(struct vcpu *v, u8 vector)
{
	vcpu_write(v, VMCS_GUEST_CS_SELECTOR, (u64)vector << 8);
	vcpu_write(v, VMCS_GUEST_CS_BASE, (u64)vector << 12);
	vcpu_write(v, VMCS_GUEST_RIP, 0);
	vcpu_write(v, VMCS_GUEST_ACTIVITY_STATE, ACTIVE);
}

static u32 control(const struct machine *m, enum control_word word, u32 wanted)
{
	return (m->hw.ctl[word].must_be_1 | wanted) & m->hw.ctl[word].may_be_1;
}

/* What L0 wants of vmcs01. Wishes that the processor cannot fulfil drop out; needs were checked. */
static void write_controls(struct vcpu *v)
{
	struct machine *m = v->machine;
	bool tpr_shadow = caps_has(&m->hw, CI_PROC_USE_TPR_SHADOW);
	u32 cr8 = tpr_shadow ? PROC_USE_TPR_SHADOW : PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING;
	u8 *io_bitmaps[2] = {page_alloc_must(m), page_alloc_must(m)};

	vcpu_write(v, VMCS_PIN_CONTROLS,
		   control(m, PIN, PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS));
	vcpu_write(v, VMCS_PROC_CONTROLS,
		   control(m, PROC,
			   cr8 | PROC_USE_MSR_BITMAPS | PROC_USE_IO_BITMAPS | PROC_ACTIVATE_SECONDARY));
	vcpu_write(v, VMCS_PROC2_CONTROLS,
		   control(m, PROC2,
			   PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST | PROC2_ENABLE_VPID |
				   PROC2_ENABLE_RDTSCP | PROC2_ENABLE_INVPCID | PROC2_ENABLE_XSAVES |
				   PROC2_ENABLE_USER_WAIT));
	vcpu_write(v, VMCS_EXIT_CONTROLS,
		   control(m, EXIT,
			   EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_IA32_PAT |
				   EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER));
	vcpu_write(v, VMCS_ENTRY_CONTROLS,
		   control(m, ENTRY,
			   ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER));
	io_bitmaps[0][0x64 / 8] |= 1 << (0x64 % 8); /* the ways to reset the machine: vmm/exits.c */
	io_bitmaps[0][0x92 / 8] |= 1 << (0x92 % 8);
	io_bitmaps[0][0xcf9 / 8] |= 1 << (0xcf9 % 8);
	vcpu_write(v, VMCS_IO_BITMAP_A, l0_pa(m, io_bitmaps[0]).v);
	vcpu_write(v, VMCS_IO_BITMAP_B, l0_pa(m, io_bitmaps[1]).v);
	vcpu_write(v, VMCS_MSR_BITMAP, m->msr_bitmap.v);
	vcpu_write(v, VMCS_EPT_POINTER, m->ept01.eptp);
	vcpu_write(v, VMCS_VPID, VPID01);
	vcpu_write(v, VMCS_EXCEPTION_BITMAP, 0);
	vcpu_write(v, VMCS_PFEC_MASK, 0);
	vcpu_write(v, VMCS_PFEC_MATCH, 0);
	vcpu_write(v, VMCS_CR3_TARGET_COUNT, 0);
	vcpu_write(v, VMCS_CR0_MASK, m->hw.cr0_fixed0 & ~(CR0_PE | CR0_PG));
	vcpu_write(v, VMCS_CR4_MASK,
		   m->hw.cr4_fixed0 | CR4_VMXE | (m->hw.cr4_fixed1 & ~m->l1.cr4_fixed1));
	if (caps_has(&m->hw, CI_PROC2_ENABLE_XSAVES))
		vcpu_write(v, VMCS_XSS_EXITING_BITMAP, 0);
	if (v->learnt.shadowing) {
		vcpu_write(v, VMCS_VMREAD_BITMAP, l0_pa(m, v->learnt.vmread_bitmap).v);
		vcpu_write(v, VMCS_VMWRITE_BITMAP, l0_pa(m, v->learnt.vmwrite_bitmap).v);
	}
}

void vcpu_write_host_state(struct vcpu *v)
{
	struct table_register gdtr, idtr;
	u64 tss[2];

	cpu_sgdt(&gdtr);
	cpu_sidt(&idtr);
	memcpy(tss, (const void *)(gdtr.base + SEL_TSS), sizeof(tss));
	const struct field_value host[] = {
		{VMCS_HOST_CR0, cpu_read_cr0()},
		{VMCS_HOST_CR3, cpu_read_cr3()},
		{VMCS_HOST_CR4, cpu_read_cr4()},
		{VMCS_HOST_CS_SELECTOR, SEL_CODE},
		{VMCS_HOST_SS_SELECTOR, SEL_DATA},
		{VMCS_HOST_DS_SELECTOR, SEL_DATA},
		{VMCS_HOST_ES_SELECTOR, SEL_DATA},
		{VMCS_HOST_FS_SELECTOR, 0},
		{VMCS_HOST_GS_SELECTOR, 0},
		{VMCS_HOST_TR_SELECTOR, SEL_TSS},
		{VMCS_HOST_TR_BASE, (tss[0] >> 16 & 0xffffff) | (tss[0] >> 56) << 24 | tss[1] << 32},
		{VMCS_HOST_GDTR_BASE, gdtr.base},
		{VMCS_HOST_IDTR_BASE, idtr.base},
		{VMCS_HOST_FS_BASE, 0},
		{VMCS_HOST_GS_BASE, 0},
		{VMCS_HOST_SYSENTER_CS, 0},
		{VMCS_HOST_SYSENTER_ESP, 0},
		{VMCS_HOST_SYSENTER_EIP, 0},
		{VMCS_HOST_IA32_EFER, cpu_rdmsr(MSR_IA32_EFER)},
		{VMCS_HOST_IA32_PAT, cpu_rdmsr(MSR_IA32_PAT)},
		{VMCS_HOST_RIP, (u64)entry_vm_exit},
		{VMCS_VMCS_LINK_POINTER, NO_VMCS},
		{VMCS_EXIT_MSR_STORE_COUNT, 0},
		{VMCS_EXIT_MSR_LOAD_COUNT, 0},
		{VMCS_ENTRY_MSR_LOAD_COUNT, 0},
	};
	write_all(v, host, ARRAY_LEN(host));
}

void vcpu_init(struct vcpu *v, struct machine *m)
{
	void *region01 = page_alloc_must(m);
	char trace[8];

	memset(v, 0, sizeof(*v));
	v->machine = m;
	v->last_walk.linear = ~0ul;
	v->attend = true;
	option_value(m->boot->args, "trace", trace, sizeof(trace));
	v->events.trace = strcmp(trace, "events") == 0;
	vmcs_init(&v->vmcs01, "vmcs01", &v->loaded, l0_pa(m, region01), region01, m->hw.revision);
	vmcs_load(&v->vmcs01);
	vcpu_write_host_state(v);
	nested_init(v);
	ept02_init(v);
	write_controls(v);
	vcpu_write(v, VMCS_GUEST_IA32_PAT, cpu_rdmsr(MSR_IA32_PAT));
	vcpu_reset(v);
	apic_init(v);
}

u64 vcpu_gpr(const struct vcpu *v, enum gpr reg)
{
	return reg == RSP ? vcpu_read(v, VMCS_GUEST_RSP) : v->gpr[reg];
}

void vcpu_set_gpr(struct vcpu *v, enum gpr reg, u64 value)
{
	if (reg == RSP)
		vcpu_write(v, VMCS_GUEST_RSP, value);
	else
		v->gpr[reg] = value;
}

/*
 * Outside 64-bit mode RIP wraps at 4 GiB. A single-step trap of the guest's own, and the MTF VM exit that
 * L1 asked for, are due after the instruction. SDM: volume 3B, "Single-Step Exception Condition"; "Monitor
 * Trap Flag".
 */
void vcpu_skip(struct vcpu *v)
{
	u64 rip = vcpu_insn_length(v) + vcpu_read(v, VMCS_GUEST_RIP);
	u64 blocking = vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY);

	if (rip >> 32 && !(vcpu_read(v, VMCS_GUEST_CS_AR) & AR_L))
		rip &= 0xffffffff;
	vcpu_write(v, VMCS_GUEST_RIP, rip);
	if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS))
		vcpu_write(v, VMCS_GUEST_INTERRUPTIBILITY,
			   blocking & ~(u64)(BLOCKING_STI | BLOCKING_MOV_SS));
	if ((vcpu_read(v, VMCS_GUEST_RFLAGS) & RFLAGS_TF) &&
	    !(vcpu_read(v, VMCS_GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF))
		vcpu_write(v, VMCS_GUEST_PENDING_DEBUG, vcpu_read(v, VMCS_GUEST_PENDING_DEBUG) | DR6_BS);
	if (v->nested.in_l2 && (v->nested.v12->proc_controls & PROC_MONITOR_TRAP_FLAG))
		event_pend(v, EVENT_MTF);
}

bool vcpu_fault_has_error_code(enum vector vector)
{
	return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC ||
	       vector == VEC_CP;
}

void vcpu_fault(struct vcpu *v, enum vector vector, u32 error_code)
{
	bool protected_mode = vcpu_read(v, VMCS_GUEST_CR0) & CR0_PE;
	u32 info = INTR_VALID | INTR_HW_EXCEPTION << 8 | vector;

	if (vcpu_fault_has_error_code(vector) && protected_mode)
		info |= INTR_ERROR_CODE_VALID;
	if (v->nested.in_l2 && nested_exception_to_l1(v, info, error_code))
		return;
	event_put_in_flight(v, info, error_code, 0);
	/* A fault sets RF in the image that its delivery pushes. SDM: volume 3B, "Restart Flag". */
	vcpu_write(v, VMCS_GUEST_RFLAGS, vcpu_read(v, VMCS_GUEST_RFLAGS) | RFLAGS_RF);
}

void vcpu_report(struct vcpu *v)
{
	vcpu_read_details(v);
	log_urgent("%s: exit reason %#x (%s), qualification %#lx", v->nested.in_l2 ? "L2" : "L1",
		   v->exit.reason, exit_reason_name(v->exit.reason & 0xffff), v->exit.qualification);
	log_urgent("  rip %016lx rsp %016lx rflags %lx", vcpu_read(v, VMCS_GUEST_RIP),
		   vcpu_read(v, VMCS_GUEST_RSP), vcpu_read(v, VMCS_GUEST_RFLAGS));
	log_urgent("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", v->gpr[RAX], v->gpr[RBX], v->gpr[RCX],
		   v->gpr[RDX]);
	log_urgent("  rsi %016lx rdi %016lx rbp %016lx", v->gpr[RSI], v->gpr[RDI], v->gpr[RBP]);
	log_urgent("  cr0 %lx cr3 %lx cr4 %lx efer %lx", vcpu_read(v, VMCS_GUEST_CR0),
		   vcpu_read(v, VMCS_GUEST_CR3), vcpu_read(v, VMCS_GUEST_CR4),
		   vcpu_read(v, VMCS_GUEST_IA32_EFER));
	log_urgent("  cs %lx base %lx ar %lx, idtr base %lx limit %lx",
		   vcpu_read(v, VMCS_GUEST_CS_SELECTOR), vcpu_read(v, VMCS_GUEST_CS_BASE),
		   vcpu_read(v, VMCS_GUEST_CS_AR), vcpu_read(v, VMCS_GUEST_IDTR_BASE),
		   vcpu_read(v, VMCS_GUEST_IDTR_LIMIT));
	log_urgent("  vectoring %x error %x, intr %x error %x", v->exit.vectoring_info,
		   v->exit.vectoring_error_code, v->exit.intr_info, v->exit.intr_error_code);
}

void vcpu_shutdown(struct vcpu *v, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	fmt_va(text, sizeof(text), format, args);
	va_end(args);
	log_urgent("L1 ended: %s", text);
	vcpu_report(v);
	cpu_triple_fault();
}
