#include "nested/merge.h"

#include "vmx/msr.h"
#include "vmx/x86.h"

static void copy_fields(struct vmcs_image *out, const struct vmcs12 *v)
{
#define F(width, NAME, member, encoding, group, merge, control) \
	if (merge == COPY) \
		out->f[FI_##NAME] = v->member;
#include "vmx/fields.def"
#undef F
}

static u32 supported(const struct caps *hw, enum control_word word, u32 value)
{
	return (value | hw->ctl[word].must_be_1) & hw->ctl[word].may_be_1;
}

/*
 * L0 takes every interrupt and every NMI. Where L1 does not, virtual NMIs keep L2's blocking, which hardware tracks for a
 * guest under NMI exiting in that way alone. SDM: "Changes to Instruction Behavior", IRET.
 */
static u32 pin_controls(const struct vmcs12 *v, const struct caps *hw)
{
	u32 pin = (u32)v->pin_controls;
	u32 nmi = pin & PIN_NMI_EXITING ? 0 : PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	return supported(hw, PIN, pin | nmi | PIN_EXTERNAL_INTERRUPT_EXITING);
}

/* Without a TPR shadow of L2's, its CR8 is L1's, which is not the processor's (vmm/apic.h). */
static u32 proc_controls(const struct vmcs12 *v, const struct caps *hw)
{
	u32 proc = (u32)v->proc_controls | PROC_ACTIVATE_SECONDARY;
	u32 cr8 = proc & PROC_USE_TPR_SHADOW ? 0 : PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING;
	return supported(hw, PROC, proc | cr8);
}

/*
 * An NMI may be injected while NMIs are blocked, but not under virtual NMIs, which may be L0's doing
 * (R40). The injection itself sets the blocking again. SDM: "Checks on Guest Non-Register State".
 */
static u64 interruptibility(const struct vmcs12 *v, u64 pin02)
{
	u32 info = (u32)v->entry_interruption_info;
	bool nmi = (info & INTR_VALID) && INTR_TYPE(info) == INTR_NMI;
	return v->guest_interruptibility & ~(u64)(nmi && (pin02 & PIN_VIRTUAL_NMIS) ? BLOCKING_NMI : 0);
}

static u32 proc2_controls(const struct vmcs12 *v, const struct caps *hw)
{
	u32 proc2 = v->proc_controls & PROC_ACTIVATE_SECONDARY ? (u32)v->proc2_controls : 0;
	return supported(hw, PROC2, proc2 | PROC2_ENABLE_EPT | PROC2_ENABLE_VPID);
}

/*
 * Hardware saves and loads for L0 whatever it can; what L1 asked for decides what of it reaches
 * vmcs12 (nested/exit.c).
 */
static u32 exit_controls(const struct vmcs12 *v, const struct caps *hw)
{
	u32 exit = EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_IA32_PAT |
		   EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER;
	if (v->pin_controls & PIN_ACTIVATE_PREEMPTION_TIMER)
		exit |= EXIT_SAVE_PREEMPTION_TIMER; /* so that it runs on after an exit that is L0's */
	return supported(hw, EXIT, exit);
}

static u32 entry_controls(const struct vmcs12 *v, const struct caps *hw)
{
	return supported(hw, ENTRY,
			 ((u32)v->entry_controls & ENTRY_IA32E_MODE_GUEST) | ENTRY_LOAD_DEBUG_CONTROLS |
				 ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER);
}

/*
 * Without "load IA32_EFER" an entry sets LMA as "IA-32e mode guest" says, and LME with it if paging is
 * on. SDM: "Loading Guest Control Registers, Debug Registers, and MSRs".
 */
u64 merge_efer(const struct vmcs12 *v, u64 l1_efer)
{
	bool ia32e = v->entry_controls & ENTRY_IA32E_MODE_GUEST;
	u64 efer = l1_efer & ~EFER_LMA;

	if (v->entry_controls & ENTRY_LOAD_IA32_EFER)
		return v->guest_ia32_efer;
	if (v->guest_cr0 & CR0_PG)
		efer = (efer & ~EFER_LME) | (ia32e ? EFER_LME : 0);
	return efer | (ia32e ? EFER_LMA : 0);
}

void merge_inherited_fields(struct field_set *inherited, const struct vmcs12 *v)
{
	*inherited = (struct field_set){{0}};
	if (!(v->entry_controls & ENTRY_LOAD_IA32_PAT))
		field_set_add(inherited, FI_GUEST_IA32_PAT);
	if (!(v->entry_controls & ENTRY_LOAD_DEBUG_CONTROLS)) {
		field_set_add(inherited, FI_GUEST_DR7);
		field_set_add(inherited, FI_GUEST_IA32_DEBUGCTL);
	}
}

u64 merge_x2apic_virtual(const struct vmcs12 *v, bool write)
{
	const u64 tpr = BIT(MSR_X2APIC_TPR - MSR_X2APIC_FIRST);
	const u64 sent = BIT(MSR_X2APIC_EOI - MSR_X2APIC_FIRST) |
			 BIT(MSR_X2APIC_SELF_IPI - MSR_X2APIC_FIRST);

	if (!v12_proc2(v, PROC2_VIRTUALIZE_X2APIC_MODE))
		return 0;
	if (write)
		return tpr | (v12_proc2(v, PROC2_VIRTUAL_INTERRUPT_DELIVERY) ? sent : 0);
	return v12_proc2(v, PROC2_APIC_REGISTER_VIRTUALIZATION) ? ~0ul : tpr;
}

bool merge_uses_pae(const struct vmcs12 *v)
{
	return (v->guest_cr0 & CR0_PG) && (v->guest_cr4 & CR4_PAE) &&
	       !(v->entry_controls & ENTRY_IA32E_MODE_GUEST);
}

static void merge_registers(struct vmcs_image *out, const struct merge_in *in)
{
	const struct vmcs12 *v = in->v;
	bool debug = v->entry_controls & ENTRY_LOAD_DEBUG_CONTROLS;

	out->f[FI_PREEMPTION_TIMER_VALUE] = v->preemption_timer_value;
	out->f[FI_GUEST_IA32_EFER] = merge_efer(v, in->l1_efer);
	out->f[FI_GUEST_IA32_PAT] = v->entry_controls & ENTRY_LOAD_IA32_PAT ? v->guest_ia32_pat :
									      in->l1_pat;
	out->f[FI_GUEST_DR7] = debug ? v->guest_dr7 : in->l1_dr7;
	out->f[FI_GUEST_IA32_DEBUGCTL] = debug ? v->guest_ia32_debugctl : in->l1_debugctl;
}

static void merge_pdptes(struct vmcs_image *out, const struct merge_in *in)
{
	const struct vmcs12 *v = in->v;
	bool ept12 = v12_proc2(v, PROC2_ENABLE_EPT);
	const u64 fields[4] = {v->guest_pdpte0, v->guest_pdpte1, v->guest_pdpte2, v->guest_pdpte3};

	for (unsigned i = 0; i < 4; i++)
		out->f[FI_GUEST_PDPTE0 + i] = ept12 ? fields[i] : in->pdpte[i];
}

void merge_reloaded_fields(struct field_set *reloaded, const struct field_set *saved,
			   const struct vmcs12 *v)
{
	static const struct {
		enum field_index field;
		u32 load; /* the VM-entry control that loads it from vmcs12; 0: always loaded */
	} rows[] = {
		{FI_GUEST_DR7, ENTRY_LOAD_DEBUG_CONTROLS},
		{FI_GUEST_IA32_DEBUGCTL, ENTRY_LOAD_DEBUG_CONTROLS},
		{FI_GUEST_IA32_PAT, ENTRY_LOAD_IA32_PAT},
		{FI_GUEST_IA32_EFER, ENTRY_LOAD_IA32_EFER},
		{FI_GUEST_PDPTE0, 0},
		{FI_GUEST_PDPTE1, 0},
		{FI_GUEST_PDPTE2, 0},
		{FI_GUEST_PDPTE3, 0},
	};

	*reloaded = (struct field_set){{0}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (!field_set_has(saved, rows[i].field) ||
		    (rows[i].load && !(v->entry_controls & rows[i].load)))
			field_set_add(reloaded, rows[i].field);
	if ((v->pin_controls & PIN_ACTIVATE_PREEMPTION_TIMER) &&
	    !field_set_has(saved, FI_PREEMPTION_TIMER_VALUE))
		field_set_add(reloaded, FI_PREEMPTION_TIMER_VALUE);
}

void merge_vmcs02(struct vmcs_image *out, const struct merge_in *in)
{
	const struct vmcs12 *v = in->v;
	bool offset = v->proc_controls & PROC_USE_TSC_OFFSETTING;

	copy_fields(out, v);
	out->f[FI_PIN_CONTROLS] = pin_controls(v, in->hw);
	out->f[FI_GUEST_INTERRUPTIBILITY] = interruptibility(v, out->f[FI_PIN_CONTROLS]);
	out->f[FI_PROC_CONTROLS] = proc_controls(v, in->hw);
	out->f[FI_PROC2_CONTROLS] = proc2_controls(v, in->hw);
	out->f[FI_EXIT_CONTROLS] = exit_controls(v, in->hw);
	out->f[FI_ENTRY_CONTROLS] = entry_controls(v, in->hw);
	out->f[FI_TSC_OFFSET] = offset ? v->tsc_offset : 0;
	out->f[FI_TSC_MULTIPLIER] = v->tsc_multiplier;
	merge_registers(out, in);
	merge_pdptes(out, in);
}
