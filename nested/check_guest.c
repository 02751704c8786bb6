/*
 * VM entry's checks on the guest-state area, but for the segment registers (check_segment.c). The rules
 * are in check.def. SDM: "Checks on the Guest State Area".
 */
#include "nested/check_rules.h"

#define RFLAGS_RESERVED (BITS(63, 22) | BIT(15) | BIT(5) | BIT(3))

#define BLOCKING_ENCLAVE 16u
#define BLOCKING_RESERVED ((u32)BITS(31, 5))

/* SDM: "Format of Pending-Debug-Exceptions" */
#define PENDING_BUS_LOCK BIT(11)
#define PENDING_ENABLED BIT(12)
#define PENDING_BS BIT(14)
#define PENDING_RTM BIT(16)
#define PENDING_RESERVED (BITS(10, 4) | BIT(13) | BIT(15) | BITS(63, 17))

#define DEBUGCTL_BUS_LOCK BIT(2)

#define LINK_NONE (~0ull)

#define PDPTE_RESERVED_LOW (BITS(2, 1) | BITS(8, 5))

/* Control registers, debug registers, and MSRs */

bool chk_guest_cr0(const struct check_in *in)
{
	u64 open = CR0_NW | CR0_CD | (unrestricted(in) ? CR0_PE | CR0_PG : 0);

	return is_fixed(in->v->guest_cr0, in->caps->cr0_fixed0, in->caps->cr0_fixed1, open);
}

bool chk_guest_cr0_pg(const struct check_in *in)
{
	return implies(in->v->guest_cr0 & CR0_PG, in->v->guest_cr0 & CR0_PE);
}

bool chk_guest_cr4(const struct check_in *in)
{
	return is_fixed(in->v->guest_cr4, in->caps->cr4_fixed0, in->caps->cr4_fixed1, 0);
}

bool chk_guest_cr4_cet(const struct check_in *in)
{
	return implies(in->v->guest_cr4 & CR4_CET, in->v->guest_cr0 & CR0_WP);
}

bool chk_guest_debugctl(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_DEBUG_CONTROLS),
		       (in->v->guest_ia32_debugctl & ~in->debugctl_valid) == 0);
}

bool chk_guest_ia32e_pg(const struct check_in *in)
{
	return implies(guest_ia32e(in), in->v->guest_cr0 & CR0_PG);
}

bool chk_guest_ia32e_pae(const struct check_in *in)
{
	return implies(guest_ia32e(in), in->v->guest_cr4 & CR4_PAE);
}

bool chk_guest_pcide(const struct check_in *in)
{
	return implies(!guest_ia32e(in), !(in->v->guest_cr4 & CR4_PCIDE));
}

bool chk_guest_cr3(const struct check_in *in)
{
	return in_width(in, in->v->guest_cr3);
}

bool chk_guest_dr7(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_DEBUG_CONTROLS), has_32_bits(in->v->guest_dr7));
}

bool chk_guest_sysenter_esp(const struct check_in *in)
{
	return is_canonical(in, in->v->guest_sysenter_esp);
}

bool chk_guest_sysenter_eip(const struct check_in *in)
{
	return is_canonical(in, in->v->guest_sysenter_eip);
}

bool chk_guest_pat(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_IA32_PAT), is_pat(in->v->guest_ia32_pat));
}

bool chk_guest_efer_reserved(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_IA32_EFER),
		       (in->v->guest_ia32_efer & ~in->efer_valid) == 0);
}

bool chk_guest_efer_lma(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_IA32_EFER),
		       !!(in->v->guest_ia32_efer & EFER_LMA) == guest_ia32e(in));
}

bool chk_guest_efer_lme(const struct check_in *in)
{
	u64 efer = in->v->guest_ia32_efer;

	return implies(entry_control(in, ENTRY_LOAD_IA32_EFER) && (in->v->guest_cr0 & CR0_PG),
		       !!(efer & EFER_LMA) == !!(efer & EFER_LME));
}

/* Descriptor-table registers */

bool chk_guest_gdtr_base(const struct check_in *in)
{
	return is_canonical(in, in->v->guest_gdtr_base);
}

bool chk_guest_idtr_base(const struct check_in *in)
{
	return is_canonical(in, in->v->guest_idtr_base);
}

bool chk_guest_gdtr_limit(const struct check_in *in)
{
	return in->v->guest_gdtr_limit <= 0xffff;
}

bool chk_guest_idtr_limit(const struct check_in *in)
{
	return in->v->guest_idtr_limit <= 0xffff;
}

/* RIP and RFLAGS */

bool chk_guest_rip_high(const struct check_in *in)
{
	return implies(!guest_mode64(in), has_32_bits(in->v->guest_rip));
}

/* Not canonical, so that RIP may be just past the lower half of addresses. */
bool chk_guest_rip_wide(const struct check_in *in)
{
	return implies(guest_mode64(in), is_wide(in, in->v->guest_rip));
}

bool chk_guest_rflags_reserved(const struct check_in *in)
{
	return (in->v->guest_rflags & RFLAGS_RESERVED) == 0;
}

bool chk_guest_rflags_fixed(const struct check_in *in)
{
	return in->v->guest_rflags & RFLAGS_FIXED1;
}

bool chk_guest_rflags_vm(const struct check_in *in)
{
	return implies(guest_ia32e(in) || !(in->v->guest_cr0 & CR0_PE),
		       !(in->v->guest_rflags & RFLAGS_VM));
}

bool chk_guest_rflags_if(const struct check_in *in)
{
	return implies(injects_type(in, INTR_EXTERNAL), in->v->guest_rflags & RFLAGS_IF);
}

/* Activity state */

static bool activity_is(const struct check_in *in, enum activity_state state)
{
	return in->v->guest_activity_state == state;
}

static bool blocks(const struct check_in *in, u32 blocking)
{
	return in->v->guest_interruptibility & blocking;
}

bool chk_guest_activity_range(const struct check_in *in)
{
	return in->v->guest_activity_state <= WAIT_FOR_SIPI;
}

bool chk_guest_activity_supported(const struct check_in *in)
{
	return implies(activity_is(in, HLT), in->caps->misc & VMX_MISC_ACTIVITY_HLT) &&
	       implies(activity_is(in, SHUTDOWN), in->caps->misc & VMX_MISC_ACTIVITY_SHUTDOWN) &&
	       implies(activity_is(in, WAIT_FOR_SIPI), in->caps->misc & VMX_MISC_ACTIVITY_WFS);
}

bool chk_guest_activity_hlt_dpl(const struct check_in *in)
{
	return implies(activity_is(in, HLT), AR_DPL(in->v->guest_ss_ar) == 0);
}

bool chk_guest_activity_blocking(const struct check_in *in)
{
	return implies(blocks(in, BLOCKING_STI | BLOCKING_MOV_SS), activity_is(in, ACTIVE));
}

bool chk_guest_activity_hlt_inject(const struct check_in *in)
{
	return implies(activity_is(in, HLT) && injects(in),
		       injects_type(in, INTR_EXTERNAL) || injects_type(in, INTR_NMI) ||
			       injects_exception(in, VEC_DB) || injects_exception(in, VEC_MC) ||
			       injects_type(in, INTR_OTHER));
}

bool chk_guest_activity_shutdown_inject(const struct check_in *in)
{
	return implies(activity_is(in, SHUTDOWN) && injects(in),
		       injects_type(in, INTR_NMI) || injects_exception(in, VEC_MC));
}

bool chk_guest_activity_sipi_inject(const struct check_in *in)
{
	return implies(activity_is(in, WAIT_FOR_SIPI), !injects(in));
}

bool chk_guest_activity_smm(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_ENTRY_TO_SMM), !activity_is(in, WAIT_FOR_SIPI));
}

/* Interruptibility state */

bool chk_guest_blocking_reserved(const struct check_in *in)
{
	return (in->v->guest_interruptibility & BLOCKING_RESERVED) == 0;
}

bool chk_guest_blocking_both(const struct check_in *in)
{
	return !(blocks(in, BLOCKING_STI) && blocks(in, BLOCKING_MOV_SS));
}

bool chk_guest_blocking_sti_if(const struct check_in *in)
{
	return implies(blocks(in, BLOCKING_STI), in->v->guest_rflags & RFLAGS_IF);
}

bool chk_guest_blocking_external(const struct check_in *in)
{
	return implies(injects_type(in, INTR_EXTERNAL), !blocks(in, BLOCKING_STI | BLOCKING_MOV_SS));
}

bool chk_guest_blocking_nmi_mov_ss(const struct check_in *in)
{
	return implies(injects_type(in, INTR_NMI), !blocks(in, BLOCKING_MOV_SS));
}

bool chk_guest_blocking_smi(const struct check_in *in)
{
	return !blocks(in, BLOCKING_SMI);
}

bool chk_guest_blocking_nmi(const struct check_in *in)
{
	return implies(injects_type(in, INTR_NMI) && pin_control(in, PIN_VIRTUAL_NMIS),
		       !blocks(in, BLOCKING_NMI));
}

bool chk_guest_blocking_enclave_mov_ss(const struct check_in *in)
{
	return implies(blocks(in, BLOCKING_ENCLAVE), !blocks(in, BLOCKING_MOV_SS));
}

bool chk_guest_blocking_enclave_sgx(const struct check_in *in)
{
	return implies(blocks(in, BLOCKING_ENCLAVE), in->sgx);
}

/* Pending debug exceptions */

/* Bit 11 came with bus-lock detection, as did its enable bit in IA32_DEBUGCTL. */
bool chk_guest_pending_reserved(const struct check_in *in)
{
	u64 reserved = PENDING_RESERVED | (in->debugctl_valid & DEBUGCTL_BUS_LOCK ? 0 : PENDING_BUS_LOCK);

	return (in->v->guest_pending_debug & reserved) == 0;
}

static bool holds_traps(const struct check_in *in)
{
	return blocks(in, BLOCKING_STI | BLOCKING_MOV_SS) || activity_is(in, HLT);
}

static bool single_steps(const struct check_in *in)
{
	return (in->v->guest_rflags & RFLAGS_TF) && !(in->v->guest_ia32_debugctl & DEBUGCTL_BTF);
}

bool chk_guest_pending_bs_missing(const struct check_in *in)
{
	return implies(holds_traps(in) && single_steps(in), in->v->guest_pending_debug & PENDING_BS);
}

bool chk_guest_pending_bs_stray(const struct check_in *in)
{
	return implies(holds_traps(in) && !single_steps(in), !(in->v->guest_pending_debug & PENDING_BS));
}

static bool pending_rtm(const struct check_in *in)
{
	return in->v->guest_pending_debug & PENDING_RTM;
}

bool chk_guest_pending_rtm_alone(const struct check_in *in)
{
	return implies(pending_rtm(in), in->v->guest_pending_debug == (PENDING_RTM | PENDING_ENABLED));
}

bool chk_guest_pending_rtm_supported(const struct check_in *in)
{
	return implies(pending_rtm(in), in->rtm);
}

bool chk_guest_pending_rtm_mov_ss(const struct check_in *in)
{
	return implies(pending_rtm(in), !blocks(in, BLOCKING_MOV_SS));
}

/* VMCS link pointer */

static bool links(const struct check_in *in)
{
	return in->v->vmcs_link_pointer != LINK_NONE;
}

bool chk_guest_link_aligned(const struct check_in *in)
{
	return implies(links(in), is_aligned(in->v->vmcs_link_pointer, PAGE_SIZE));
}

bool chk_guest_link_width(const struct check_in *in)
{
	return implies(links(in), in_width(in, in->v->vmcs_link_pointer));
}

bool chk_guest_link_revision(const struct check_in *in)
{
	return implies(links(in), (in->link_revision & VMX_BASIC_REVISION) == in->caps->revision);
}

bool chk_guest_link_shadow(const struct check_in *in)
{
	return implies(links(in),
		       !!(in->link_revision & VMCS12_SHADOW) == proc2_control(in, PROC2_VMCS_SHADOWING));
}

bool chk_guest_link_current(const struct check_in *in)
{
	return implies(links(in), in->v->vmcs_link_pointer != in->current_vmcs.v);
}

/* Page-directory-pointer-table entries */

static bool pae_paging(const struct check_in *in)
{
	return (in->v->guest_cr0 & CR0_PG) && (in->v->guest_cr4 & CR4_PAE) && !guest_ia32e(in);
}

static bool is_pdpte(const struct check_in *in, u64 pdpte)
{
	return implies(pdpte & PTE_P, !(pdpte & PDPTE_RESERVED_LOW) && in_width(in, pdpte));
}

/* Looked at even where CR3 does not change: the SDM leaves that open. */
bool chk_guest_pdpte_memory(const struct check_in *in)
{
	return implies(pae_paging(in) && !proc2_control(in, PROC2_ENABLE_EPT),
		       is_pdpte(in, in->pdpte[0]) && is_pdpte(in, in->pdpte[1]) &&
			       is_pdpte(in, in->pdpte[2]) && is_pdpte(in, in->pdpte[3]));
}

bool chk_guest_pdpte_field(const struct check_in *in)
{
	const struct vmcs12 *v = in->v;

	return implies(pae_paging(in) && proc2_control(in, PROC2_ENABLE_EPT),
		       is_pdpte(in, v->guest_pdpte0) && is_pdpte(in, v->guest_pdpte1) &&
			       is_pdpte(in, v->guest_pdpte2) && is_pdpte(in, v->guest_pdpte3));
}
