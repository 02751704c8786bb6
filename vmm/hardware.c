#include "vmm/hardware.h"

#include "vmm/console.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"
#include "vmx/insn.h"
#include "vmx/msr.h"
#include "vmx/x86.h"

/* The controls that L0 cannot do without; each with what to tell who lacks it. */
static const struct {
	enum control_index control;
	const char *what;
} needed[] = {
	{CI_PIN_EXTERNAL_INTERRUPT_EXITING, "external-interrupt exiting"},
	{CI_PIN_NMI_EXITING, "NMI exiting"},
	{CI_PIN_VIRTUAL_NMIS, "virtual NMIs"},
	{CI_PROC_USE_MSR_BITMAPS, "MSR bitmaps"},
	{CI_PROC_USE_IO_BITMAPS, "I/O bitmaps"},
	{CI_PROC_ACTIVATE_SECONDARY, "EPT and unrestricted guest (no secondary controls)"},
	{CI_PROC2_ENABLE_EPT, "EPT"},
	{CI_PROC2_UNRESTRICTED_GUEST, "unrestricted guest"},
	{CI_PROC2_ENABLE_VPID, "VPID"},
	{CI_EXIT_SAVE_IA32_EFER, "saving IA32_EFER on exits"},
	{CI_EXIT_LOAD_IA32_EFER, "loading IA32_EFER on exits"},
	{CI_EXIT_SAVE_IA32_PAT, "saving IA32_PAT on exits"},
	{CI_EXIT_LOAD_IA32_PAT, "loading IA32_PAT on exits"},
	{CI_ENTRY_LOAD_IA32_EFER, "loading IA32_EFER on entries"},
	{CI_ENTRY_LOAD_IA32_PAT, "loading IA32_PAT on entries"},
	{CI_PIN_ACTIVATE_PREEMPTION_TIMER, "the VMX-preemption timer"},
};

static void check_vmx_enabled(struct machine *m)
{
	struct cpuid_regs leaf1 = cpu_cpuid(1, 0);
	u64 control = 0;
	bool vmx = leaf1.ecx & BIT(5);
	bool readable = vmx && !cpu_rdmsr_safe(MSR_IA32_FEATURE_CONTROL, &control);
	const char *why = caps_vmx_refusal(vmx, readable, control);
	if (why)
		refuse("%s", why);
	m->feature_control = control;
	if (!(control & FEATURE_CONTROL_LOCK) &&
	    cpu_wrmsr_safe(MSR_IA32_FEATURE_CONTROL,
			   control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX))
		refuse("VMX cannot be switched on in IA32_FEATURE_CONTROL (%#lx)", control);
}

/* Each MSR is there only if an earlier one says so. */
static void read_capabilities(struct caps *caps)
{
	struct cpuid_regs sizes = cpu_cpuid(0x80000000, 0);

	for (u32 i = 0; i < CAPS_MSR_COUNT; i++)
		if (cpu_rdmsr_safe(CAPS_MSR_FIRST + i, &caps->msr[i]))
			caps->msr[i] = 0;
	sizes.eax = sizes.eax >= 0x80000008 ? cpu_cpuid(0x80000008, 0).eax : 0;
	caps->maxphyaddr = sizes.eax & 0xff ? sizes.eax & 0xff : 36;
	caps->linear_bits = (sizes.eax >> 8 & 0xff) > 48 ? 57 : 48;
	caps_decode(caps);
}

static void read_mtrrs(struct mtrr_state *s, u8 maxphyaddr)
{
	u64 *reg;

	s->maxphyaddr = maxphyaddr;
	if (!(cpu_cpuid(1, 0).edx & BIT(12)) || cpu_rdmsr_safe(MSR_IA32_MTRRCAP, &s->cap)) {
		s->def_type = MTRR_DEF_E | MT_WB; /* no MTRRs: all memory is write-back */
		return;
	}
	s->variable_count = (s->cap & 0xff) < MTRR_VARIABLE_MAX ? s->cap & 0xff : MTRR_VARIABLE_MAX;
	for (u32 msr = MSR_IA32_MTRR_PHYSBASE0; msr <= MSR_IA32_MTRR_DEF_TYPE; msr++)
		if (msr != MSR_IA32_PAT && (reg = mtrr_register(s, msr)))
			cpu_rdmsr_safe(msr, reg);
}

static u64 efer_valid_bits(void)
{
	u32 edx = cpu_cpuid(0x80000001, 0).edx;
	return (edx & BIT(11) ? EFER_SCE : 0) | (edx & BIT(29) ? EFER_LME | EFER_LMA : 0) |
	       (edx & BIT(20) ? EFER_NXE : 0);
}

void hardware_check(struct machine *m)
{
	check_vmx_enabled(m);
	read_capabilities(&m->hw);
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!caps_has(&m->hw, needed[i].control))
			refuse("the processor's VMX lacks %s: use a newer one (Intel since Westmere has all)",
			       needed[i].what);
	if (!(m->hw.ept_vpid & EPT_CAP_4_LEVEL) || !(m->hw.ept_vpid & EPT_CAP_WB) ||
	    !(m->hw.ept_vpid & EPT_CAP_INVEPT_GLOBAL) || !(m->hw.ept_vpid & VPID_CAP_SINGLE) ||
	    !(m->hw.ept_vpid & VPID_CAP_GLOBAL))
		refuse("the processor's EPT lacks 4-level tables, write-back, INVEPT or INVVPID "
		       "(IA32_VMX_EPT_VPID_CAP is %#lx): use a newer one",
		       m->hw.ept_vpid);
	caps_l1(&m->l1, &m->hw);
	check_index_make(&m->check_index);
	read_mtrrs(&m->mtrr, m->hw.maxphyaddr);
	m->efer_valid = efer_valid_bits();
	m->rtm = cpu_cpuid(0, 0).eax >= 7 && (cpu_cpuid(7, 0).ebx & BIT(11));
}

void hardware_vmxon(struct machine *m)
{
	u32 *region = page_alloc_must(m);
	u64 cr0 = (cpu_read_cr0() | m->hw.cr0_fixed0) & m->hw.cr0_fixed1;
	u64 cr4 = (cpu_read_cr4() | m->hw.cr4_fixed0 | CR4_VMXE) & m->hw.cr4_fixed1;

	if (cpu_cpuid(1, 0).ecx & BIT(26))
		cr4 |= CR4_OSXSAVE; /* L0 executes XSETBV for L1 */
	cpu_write_cr0(cr0);
	cpu_write_cr4(cr4);
	*region = m->hw.revision;
	if (hw_vmxon(&(hpa_t){l0_pa(m, region).v}) != VMX_SUCCEED)
		PANIC("VMXON failed, cr0 %#lx cr4 %#lx", cr0, cr4);
}
