/*
 * VM entry's checks on the host-state area. The rules are in check.def.
 * SDM: "Checks on Host-State Area".
 */
#include "nested/check_rules.h"

#define SELECTOR_RPL_TI 7u

/* Control registers and MSRs */

bool chk_host_cr0(const struct check_in *in)
{
	return is_fixed(in->v->host_cr0, in->caps->cr0_fixed0, in->caps->cr0_fixed1, CR0_NW | CR0_CD);
}

bool chk_host_cr4(const struct check_in *in)
{
	return is_fixed(in->v->host_cr4, in->caps->cr4_fixed0, in->caps->cr4_fixed1, 0);
}

bool chk_host_cr4_cet(const struct check_in *in)
{
	return implies(in->v->host_cr4 & CR4_CET, in->v->host_cr0 & CR0_WP);
}

bool chk_host_cr3(const struct check_in *in)
{
	return in_width(in, in->v->host_cr3);
}

bool chk_host_sysenter_esp(const struct check_in *in)
{
	return is_canonical(in, in->v->host_sysenter_esp);
}

bool chk_host_sysenter_eip(const struct check_in *in)
{
	return is_canonical(in, in->v->host_sysenter_eip);
}

bool chk_host_pat(const struct check_in *in)
{
	return implies(exit_control(in, EXIT_LOAD_IA32_PAT), is_pat(in->v->host_ia32_pat));
}

bool chk_host_efer_reserved(const struct check_in *in)
{
	return implies(exit_control(in, EXIT_LOAD_IA32_EFER),
		       (in->v->host_ia32_efer & ~in->efer_valid) == 0);
}

bool chk_host_efer_lma(const struct check_in *in)
{
	return implies(exit_control(in, EXIT_LOAD_IA32_EFER),
		       !!(in->v->host_ia32_efer & EFER_LMA) == host64(in));
}

bool chk_host_efer_lme(const struct check_in *in)
{
	return implies(exit_control(in, EXIT_LOAD_IA32_EFER),
		       !!(in->v->host_ia32_efer & EFER_LME) == host64(in));
}

/* Segment and descriptor-table registers */

#define SELECTOR(name) \
	bool chk_host_##name##_selector(const struct check_in *in) \
	{ \
		return (in->v->host_##name##_selector & SELECTOR_RPL_TI) == 0; \
	}

SELECTOR(es)
SELECTOR(cs)
SELECTOR(ss)
SELECTOR(ds)
SELECTOR(fs)
SELECTOR(gs)
SELECTOR(tr)

bool chk_host_cs_null(const struct check_in *in)
{
	return in->v->host_cs_selector != 0;
}

bool chk_host_tr_null(const struct check_in *in)
{
	return in->v->host_tr_selector != 0;
}

bool chk_host_ss_null(const struct check_in *in)
{
	return implies(!host64(in), in->v->host_ss_selector != 0);
}

#define BASE(name) \
	bool chk_host_##name##_base(const struct check_in *in) \
	{ \
		return is_canonical(in, in->v->host_##name##_base); \
	}

BASE(fs)
BASE(gs)
BASE(gdtr)
BASE(idtr)
BASE(tr)

/* Address-space size */

bool chk_size_legacy_guest(const struct check_in *in)
{
	return implies(!in->l1_ia32e, !guest_ia32e(in));
}

bool chk_size_legacy_host(const struct check_in *in)
{
	return implies(!in->l1_ia32e, !host64(in));
}

bool chk_size_ia32e_host(const struct check_in *in)
{
	return implies(in->l1_ia32e, host64(in));
}

bool chk_size_host32_guest(const struct check_in *in)
{
	return implies(!host64(in), !guest_ia32e(in));
}

bool chk_size_host32_pcide(const struct check_in *in)
{
	return implies(!host64(in), !(in->v->host_cr4 & CR4_PCIDE));
}

bool chk_size_host32_rip(const struct check_in *in)
{
	return implies(!host64(in), has_32_bits(in->v->host_rip));
}

bool chk_size_host64_pae(const struct check_in *in)
{
	return implies(host64(in), in->v->host_cr4 & CR4_PAE);
}

bool chk_size_host64_rip(const struct check_in *in)
{
	return implies(host64(in), is_canonical(in, in->v->host_rip));
}
