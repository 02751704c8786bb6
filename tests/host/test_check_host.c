#include "entry.h"

CHECK_TEST(host_cr0)
{
	fixed_bits(e, &e->v.host_cr0, e->caps.cr0_fixed0, e->caps.cr0_fixed1);
	e->v.host_cr0 &= ~CR0_NE;
	FIRES(e);
	e->v.host_cr0 |= CR0_NE | CR0_CD | CR0_NW;
	PASSES(e);
	e->caps.cr0_fixed1 &= ~(CR0_CD | CR0_NW);
	PASSES(e);
	/* No exemption for the host of an unrestricted guest. */
	entry_real(e);
	PASSES(e);
	e->v.host_cr0 &= ~CR0_PG;
	FIRES(e);
}

CHECK_TEST(host_cr4)
{
	fixed_bits(e, &e->v.host_cr4, e->caps.cr4_fixed0, e->caps.cr4_fixed1);
	e->v.host_cr4 &= ~CR4_VMXE;
	FIRES(e);
	e->v.host_cr4 |= CR4_VMXE | CR4_SMXE;
	FIRES(e);
	e->v.host_cr4 ^= CR4_SMXE | CR4_SMEP;
	PASSES(e);
}

CHECK_TEST(host_cr4_cet)
{
	e->caps.cr4_fixed1 |= CR4_CET; /* a processor that shows CET */
	e->v.host_cr4 |= CR4_CET;
	PASSES(e);
	e->v.host_cr0 &= ~CR0_WP;
	FIRES(e);
	e->v.host_cr4 &= ~CR4_CET;
	PASSES(e);
}

CHECK_TEST(host_cr3)
{
	e->v.host_cr3 = BIT(39);
	FIRES(e);
	e->v.host_cr3 = BIT(63);
	FIRES(e);
	e->v.host_cr3 = BIT(39) - 1;
	PASSES(e);
}

CHECK_TEST(host_sysenter_esp)
{
	canonical_address(e, &e->v.host_sysenter_esp);
}

CHECK_TEST(host_sysenter_eip)
{
	canonical_address(e, &e->v.host_sysenter_eip);
}

CHECK_TEST(host_pat)
{
	on(e, CI_EXIT_LOAD_IA32_PAT);
	memory_types(e, &e->v.host_ia32_pat);
	off(e, CI_EXIT_LOAD_IA32_PAT);
	e->v.host_ia32_pat = 2;
	PASSES(e);
}

CHECK_TEST(host_efer_reserved)
{
	on(e, CI_EXIT_LOAD_IA32_EFER);
	e->v.host_ia32_efer |= BIT(1);
	FIRES(e);
	e->v.host_ia32_efer ^= BIT(1) | BIT(63);
	FIRES(e);
	e->v.host_ia32_efer ^= BIT(63);
	PASSES(e);
	e->in.efer_valid &= ~EFER_NXE;
	FIRES(e);
	off(e, CI_EXIT_LOAD_IA32_EFER);
	PASSES(e);
}

CHECK_TEST(host_efer_lma)
{
	on(e, CI_EXIT_LOAD_IA32_EFER);
	e->v.host_ia32_efer &= ~EFER_LMA;
	FIRES(e);
	e->v.host_ia32_efer |= EFER_LMA;
	PASSES(e);
	entry_host32(e);
	on(e, CI_EXIT_LOAD_IA32_EFER);
	PASSES(e);
	e->v.host_ia32_efer |= EFER_LMA;
	FIRES(e);
	off(e, CI_EXIT_LOAD_IA32_EFER);
	PASSES(e);
}

CHECK_TEST(host_efer_lme)
{
	on(e, CI_EXIT_LOAD_IA32_EFER);
	e->v.host_ia32_efer &= ~EFER_LME;
	FIRES(e);
	e->v.host_ia32_efer |= EFER_LME;
	PASSES(e);
	entry_host32(e);
	on(e, CI_EXIT_LOAD_IA32_EFER);
	PASSES(e);
	e->v.host_ia32_efer |= EFER_LME;
	FIRES(e);
	off(e, CI_EXIT_LOAD_IA32_EFER);
	PASSES(e);
}

#define SELECTOR_TEST(name) \
	CHECK_TEST(host_##name##_selector) \
	{ \
		for (unsigned bit = 0; bit < 3; bit++) { \
			e->v.host_##name##_selector = 0x20 | BIT(bit); \
			FIRES(e); \
		} \
		e->v.host_##name##_selector = 0xfff8; \
		PASSES(e); \
	}

SELECTOR_TEST(es)
SELECTOR_TEST(cs)
SELECTOR_TEST(ss)
SELECTOR_TEST(ds)
SELECTOR_TEST(fs)
SELECTOR_TEST(gs)
SELECTOR_TEST(tr)

CHECK_TEST(host_cs_null)
{
	e->v.host_cs_selector = 0;
	FIRES(e);
	e->v.host_cs_selector = 8;
	PASSES(e);
}

CHECK_TEST(host_tr_null)
{
	e->v.host_tr_selector = 0;
	FIRES(e);
	e->v.host_tr_selector = 8;
	PASSES(e);
}

CHECK_TEST(host_ss_null)
{
	e->v.host_ss_selector = 0;
	PASSES(e);
	entry_host32(e);
	PASSES(e);
	e->v.host_ss_selector = 0;
	FIRES(e);
}

CHECK_TEST(host_fs_base)
{
	canonical_address(e, &e->v.host_fs_base);
}

CHECK_TEST(host_gs_base)
{
	canonical_address(e, &e->v.host_gs_base);
}

CHECK_TEST(host_gdtr_base)
{
	canonical_address(e, &e->v.host_gdtr_base);
}

CHECK_TEST(host_idtr_base)
{
	canonical_address(e, &e->v.host_idtr_base);
}

CHECK_TEST(host_tr_base)
{
	canonical_address(e, &e->v.host_tr_base);
}

/* A 64-bit guest breaks two rules where the host is not 64-bit. */
CHECK_TEST(size_legacy_guest)
{
	e->in.l1_ia32e = false;
	off(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	FIRES_FIRST(e);
	EXPECT(!check_info[CHECK_size_host32_guest].holds(&e->in));
	entry_host32(e);
	PASSES(e);
}

CHECK_TEST(size_legacy_host)
{
	entry_host32(e);
	on(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	FIRES(e);
	off(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	PASSES(e);
}

CHECK_TEST(size_ia32e_host)
{
	entry_32(e);
	PASSES(e);
	off(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	FIRES(e);
}

/* Reached first only where the rules about L1's own mode hold, that is never: they say more. */
CHECK_TEST(size_host32_guest)
{
	off(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	EXPECT(!check_info[CHECK_size_host32_guest].holds(&e->in));
	EXPECT(!check_info[CHECK_size_ia32e_host].holds(&e->in));
	entry_sample(e);
	off(e, CI_ENTRY_IA32E_MODE_GUEST);
	EXPECT(check_info[CHECK_size_host32_guest].holds(&e->in));
	on(e, CI_ENTRY_IA32E_MODE_GUEST);
	on(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	PASSES(e);
}

CHECK_TEST(size_host32_pcide)
{
	e->v.host_cr4 |= CR4_PCIDE;
	PASSES(e);
	entry_host32(e);
	e->v.host_cr4 |= CR4_PCIDE;
	FIRES(e);
	e->v.host_cr4 &= ~CR4_PCIDE;
	PASSES(e);
}

CHECK_TEST(size_host32_rip)
{
	entry_host32(e);
	e->v.host_rip = BIT(32);
	FIRES(e);
	e->v.host_rip = BIT(63);
	FIRES(e);
	e->v.host_rip = BIT(32) - 1;
	PASSES(e);
}

CHECK_TEST(size_host64_pae)
{
	e->v.host_cr4 &= ~CR4_PAE;
	FIRES(e);
	e->v.host_cr4 |= CR4_PAE;
	PASSES(e);
	entry_host32(e);
	e->v.host_cr4 &= ~CR4_PAE;
	PASSES(e);
}

CHECK_TEST(size_host64_rip)
{
	canonical_address(e, &e->v.host_rip);
}
