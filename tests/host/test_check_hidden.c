#include "entry.h"
#include "vmx/msr.h"

/* The rules of controls that L1 is not offered: `on` offers them. */

#define EPT(e) on(e, CI_PROC2_ENABLE_EPT), (e)->v.ept_pointer = 0x8000 | 3 << 3 | MT_WB

/* A rule "control needs other": other one first without it, then with it. */
#define NEEDS(id, control, with) \
	CHECK_TEST(id) \
	{ \
		on(e, control); \
		FIRES(e); \
		with; \
		PASSES(e); \
		entry_64(e); \
		PASSES(e); \
	}

/* An address that counts only with `control`; addresses are 39 bits wide. */
#define ADDRESS(id, control, member, size) \
	CHECK_TEST(id##_aligned) \
	{ \
		on(e, control); \
		for (u64 bit = 1; bit < (size); bit *= 2) { \
			e->v.member = 0x10000 | bit; \
			FIRES(e); \
		} \
		e->v.member = 0x10000 + (size); \
		PASSES(e); \
		off(e, control); \
		e->v.member = 0x10001; \
		PASSES(e); \
	} \
	CHECK_TEST(id##_width) \
	{ \
		on(e, control); \
		for (unsigned bit = 39; bit < 64; bit++) { \
			e->v.member = BIT(bit); \
			FIRES(e); \
		} \
		e->v.member = BIT(39) - (size); \
		PASSES(e); \
		off(e, control); \
		e->v.member = BIT(39); \
		PASSES(e); \
	}

/* Of the 64 bits of a value, exactly those in `bad` break the rule. */
static void only_bits(struct entry *e, u64 *value, u64 bad, void (*expect_bad)(struct entry *))
{
	for (unsigned bit = 0; bit < 64; bit++) {
		*value = BIT(bit);
		if (bad >> bit & 1)
			expect_bad(e);
		else
			PASSES(e);
	}
	*value = ~bad;
	PASSES(e);
}

static void alone(struct entry *e)
{
	FIRES(e);
}

/* Tertiary processor-based controls */

CHECK_TEST(tertiary_reserved)
{
	on(e, CI_PROC_ACTIVATE_TERTIARY);
	for (unsigned bit = 0; bit < 64; bit++) {
		e->v.proc3_controls = BIT(bit);
		if (bit < 1 || bit > 4)
			FIRES(e);
	}
	e->caps.msr[MSR_IA32_VMX_PROCBASED_CTLS3 - CAPS_MSR_FIRST] |= BIT(40);
	e->v.proc3_controls = BIT(40);
	PASSES(e);
	off(e, CI_PROC_ACTIVATE_TERTIARY);
	e->v.proc3_controls = BIT(0);
	PASSES(e);
}

NEEDS(ipi_needs_tpr_shadow, CI_PROC3_IPI_VIRTUALIZATION, on(e, CI_PROC_USE_TPR_SHADOW))

static void use_ipi(struct entry *e)
{
	on(e, CI_PROC3_IPI_VIRTUALIZATION);
	on(e, CI_PROC_USE_TPR_SHADOW);
}

CHECK_TEST(pid_table_aligned)
{
	use_ipi(e);
	for (u64 bit = 1; bit < 8; bit *= 2) {
		e->v.pid_pointer_table = 0x10000 | bit;
		FIRES(e);
	}
	e->v.pid_pointer_table = 0x10008;
	PASSES(e);
	off(e, CI_PROC3_IPI_VIRTUALIZATION);
	e->v.pid_pointer_table = 0x10001;
	PASSES(e);
}

CHECK_TEST(pid_table_width)
{
	use_ipi(e);
	for (unsigned bit = 39; bit < 64; bit++) {
		e->v.pid_pointer_table = BIT(bit);
		FIRES(e);
	}
	e->v.pid_pointer_table = BIT(39) - 8;
	PASSES(e);
	off(e, CI_PROC3_IPI_VIRTUALIZATION);
	e->v.pid_pointer_table = BIT(39);
	PASSES(e);
}

CHECK_TEST(pid_table_end)
{
	use_ipi(e);
	e->v.pid_pointer_table = BIT(39) - 8;
	e->v.last_pid_index = 1;
	FIRES(e);
	e->v.last_pid_index = 0xffff;
	FIRES(e);
	e->v.pid_pointer_table = BIT(39) - 8 * 0x10000ull;
	PASSES(e);
	e->v.pid_pointer_table += 8;
	FIRES(e);
	off(e, CI_PROC3_IPI_VIRTUALIZATION);
	PASSES(e);
}

NEEDS(hlat_needs_ept, CI_PROC3_ENABLE_HLAT, EPT(e))
NEEDS(paging_write_needs_ept, CI_PROC3_EPT_PAGING_WRITE, EPT(e))
NEEDS(paging_verification_needs_ept, CI_PROC3_GUEST_PAGING_VERIFICATION, EPT(e))

static void use_hlat(struct entry *e)
{
	on(e, CI_PROC3_ENABLE_HLAT);
	EPT(e);
}

CHECK_TEST(hlatp_reserved)
{
	use_hlat(e);
	for (unsigned bit = 0; bit < 39; bit++) {
		e->v.hlat_pointer = BIT(bit);
		if (bit <= 2 || (bit >= 5 && bit <= 11))
			FIRES(e);
		else
			PASSES(e);
	}
	off(e, CI_PROC3_ENABLE_HLAT);
	e->v.hlat_pointer = 1;
	PASSES(e);
}

CHECK_TEST(hlatp_width)
{
	use_hlat(e);
	for (unsigned bit = 39; bit < 64; bit++) {
		e->v.hlat_pointer = BIT(bit);
		FIRES(e);
	}
	e->v.hlat_pointer = BIT(39) - PAGE_SIZE;
	PASSES(e);
	off(e, CI_PROC3_ENABLE_HLAT);
	e->v.hlat_pointer = BIT(39);
	PASSES(e);
}

/* Secondary processor-based controls */

static void use_sppt(struct entry *e)
{
	on(e, CI_PROC2_SUB_PAGE_WRITE_EPT);
	EPT(e);
}

CHECK_TEST(sppt_aligned)
{
	use_sppt(e);
	for (u64 bit = 1; bit < PAGE_SIZE; bit *= 2) {
		e->v.sppt_pointer = 0x10000 | bit;
		FIRES(e);
	}
	e->v.sppt_pointer = 0x11000;
	PASSES(e);
	off(e, CI_PROC2_SUB_PAGE_WRITE_EPT);
	e->v.sppt_pointer = 1;
	PASSES(e);
}

CHECK_TEST(sppt_width)
{
	use_sppt(e);
	for (unsigned bit = 39; bit < 64; bit++) {
		e->v.sppt_pointer = BIT(bit);
		FIRES(e);
	}
	e->v.sppt_pointer = BIT(39) - PAGE_SIZE;
	PASSES(e);
	off(e, CI_PROC2_SUB_PAGE_WRITE_EPT);
	e->v.sppt_pointer = BIT(39);
	PASSES(e);
}

ADDRESS(pasid_low, CI_PROC2_PASID_TRANSLATION, low_pasid_directory, PAGE_SIZE)
ADDRESS(pasid_high, CI_PROC2_PASID_TRANSLATION, high_pasid_directory, PAGE_SIZE)

/* All that Intel PT in guest physical addresses asks for, but one control. */
static void use_pt(struct entry *e, enum control_index without)
{
	on(e, CI_PROC2_PT_USES_GUEST_PHYSICAL);
	EPT(e);
	on(e, CI_ENTRY_LOAD_IA32_RTIT_CTL);
	on(e, CI_EXIT_CLEAR_IA32_RTIT_CTL);
	PASSES(e);
	off(e, without);
	FIRES(e);
	off(e, CI_PROC2_PT_USES_GUEST_PHYSICAL);
	PASSES(e);
}

CHECK_TEST(pt_needs_ept)
{
	use_pt(e, CI_PROC2_ENABLE_EPT);
}

CHECK_TEST(pt_needs_load)
{
	use_pt(e, CI_ENTRY_LOAD_IA32_RTIT_CTL);
}

CHECK_TEST(pt_needs_clear)
{
	use_pt(e, CI_EXIT_CLEAR_IA32_RTIT_CTL);
}

/* Secondary VM-exit controls */

CHECK_TEST(exit2_reserved)
{
	on(e, CI_EXIT_ACTIVATE_SECONDARY);
	e->caps.msr[MSR_IA32_VMX_EXIT_CTLS2 - CAPS_MSR_FIRST] = BIT(3) | BIT(50);
	e->caps.ctl[EXIT2].may_be_1 = BIT(3);
	only_bits(e, &e->v.exit2_controls, ~(BIT(3) | BIT(50)), alone);
	off(e, CI_EXIT_ACTIVATE_SECONDARY);
	e->v.exit2_controls = 1;
	PASSES(e);
}

/* Registers of which some bits are reserved: this processor's, or the SDM's */

#define BITS_TEST(id, control, member, bad) \
	CHECK_TEST(id) \
	{ \
		on(e, control); \
		only_bits(e, &e->v.member, bad, alone); \
		off(e, control); \
		e->v.member = bad; \
		PASSES(e); \
	}

BITS_TEST(host_perf_global_ctrl, CI_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL, host_ia32_perf_global_ctrl,
	  ~e->in.perf_global_valid)
BITS_TEST(guest_perf_global_ctrl, CI_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL, guest_ia32_perf_global_ctrl,
	  ~e->in.perf_global_valid)
BITS_TEST(guest_rtit_ctl, CI_ENTRY_LOAD_IA32_RTIT_CTL, guest_ia32_rtit_ctl, ~e->in.rtit_ctl_valid)
BITS_TEST(guest_lbr_ctl, CI_ENTRY_LOAD_GUEST_IA32_LBR_CTL, guest_ia32_lbr_ctl, ~e->in.lbr_ctl_valid)
BITS_TEST(host_pkrs, CI_EXIT_LOAD_PKRS, host_ia32_pkrs, BITS(63, 32))
BITS_TEST(guest_pkrs, CI_ENTRY_LOAD_PKRS, guest_ia32_pkrs, BITS(63, 32))

CHECK_TEST(guest_uinv)
{
	on(e, CI_ENTRY_LOAD_UINV);
	for (unsigned bit = 8; bit < 16; bit++) {
		e->v.guest_uinv = BIT(bit);
		FIRES(e);
	}
	e->v.guest_uinv = 0xff;
	PASSES(e);
	off(e, CI_ENTRY_LOAD_UINV);
	e->v.guest_uinv = 0xffff;
	PASSES(e);
}

CHECK_TEST(guest_bndcfgs_reserved)
{
	on(e, CI_ENTRY_LOAD_IA32_BNDCFGS);
	for (unsigned bit = 0; bit < 47; bit++) {
		e->v.guest_ia32_bndcfgs = BIT(bit);
		if (bit >= 2 && bit <= 11)
			FIRES(e);
		else
			PASSES(e);
	}
	off(e, CI_ENTRY_LOAD_IA32_BNDCFGS);
	e->v.guest_ia32_bndcfgs = BIT(2);
	PASSES(e);
}

CHECK_TEST(guest_bndcfgs_canonical)
{
	on(e, CI_ENTRY_LOAD_IA32_BNDCFGS);
	e->v.guest_ia32_bndcfgs = 3;
	PASSES(e);
	e->v.guest_ia32_bndcfgs = BIT(47);
	FIRES(e);
	e->v.guest_ia32_bndcfgs = 0xffff7ffffffff003;
	FIRES(e);
	e->v.guest_ia32_bndcfgs = 0xffff800000000003;
	PASSES(e);
	off(e, CI_ENTRY_LOAD_IA32_BNDCFGS);
	e->v.guest_ia32_bndcfgs = BIT(47);
	PASSES(e);
}

/* CET state */

static void s_cet_bits(struct entry *e, u64 *value)
{
	for (unsigned bit = 0; bit < 47; bit++) {
		*value = BIT(bit);
		if (bit >= 6 && bit <= 9)
			FIRES(e);
		else
			PASSES(e);
	}
	*value = BIT(10) | BIT(11);
	FIRES(e);
}

CHECK_TEST(host_s_cet_reserved)
{
	on(e, CI_EXIT_LOAD_CET_STATE);
	s_cet_bits(e, &e->v.host_ia32_s_cet);
	off(e, CI_EXIT_LOAD_CET_STATE);
	PASSES(e);
}

CHECK_TEST(guest_s_cet_reserved)
{
	on(e, CI_ENTRY_LOAD_CET_STATE);
	s_cet_bits(e, &e->v.guest_ia32_s_cet);
	off(e, CI_ENTRY_LOAD_CET_STATE);
	PASSES(e);
}

/* canonical_address() without the low bits that IA32_S_CET reserves. */
static void s_cet_canonical(struct entry *e, u64 *value)
{
	*value = BIT(47);
	FIRES(e);
	*value = 0xffff7ffffffff000;
	FIRES(e);
	*value = BIT(63);
	FIRES(e);
	*value = 0xffff800000000000;
	PASSES(e);
	e->caps.linear_bits = 57;
	*value = BIT(47);
	PASSES(e);
	*value = BIT(56);
	FIRES(e);
}

CHECK_TEST(host_s_cet_canonical)
{
	on(e, CI_EXIT_LOAD_CET_STATE);
	s_cet_canonical(e, &e->v.host_ia32_s_cet);
	off(e, CI_EXIT_LOAD_CET_STATE);
	PASSES(e);
}

CHECK_TEST(guest_s_cet_canonical)
{
	on(e, CI_ENTRY_LOAD_CET_STATE);
	s_cet_canonical(e, &e->v.guest_ia32_s_cet);
	off(e, CI_ENTRY_LOAD_CET_STATE);
	PASSES(e);
}

CHECK_TEST(host_ssp_table)
{
	on(e, CI_EXIT_LOAD_CET_STATE);
	canonical_address(e, &e->v.host_interrupt_ssp_table);
	off(e, CI_EXIT_LOAD_CET_STATE);
	PASSES(e);
}

CHECK_TEST(guest_ssp_table)
{
	on(e, CI_ENTRY_LOAD_CET_STATE);
	canonical_address(e, &e->v.guest_interrupt_ssp_table);
	off(e, CI_ENTRY_LOAD_CET_STATE);
	PASSES(e);
}

static void ssp_alignment(struct entry *e, u64 *ssp, enum control_index control)
{
	on(e, control);
	*ssp = 0x1001;
	FIRES(e);
	*ssp = 0x1002;
	FIRES(e);
	*ssp = 0x1004;
	PASSES(e);
	*ssp = 0x1001;
	off(e, control);
	PASSES(e);
}

CHECK_TEST(host_ssp_aligned)
{
	ssp_alignment(e, &e->v.host_ssp, CI_EXIT_LOAD_CET_STATE);
}

CHECK_TEST(guest_ssp_aligned)
{
	ssp_alignment(e, &e->v.guest_ssp, CI_ENTRY_LOAD_CET_STATE);
}

CHECK_TEST(size_host32_s_cet)
{
	entry_host32(e);
	on(e, CI_EXIT_LOAD_CET_STATE);
	e->v.host_ia32_s_cet = BIT(32);
	FIRES(e);
	e->v.host_ia32_s_cet = BIT(31);
	PASSES(e);
	e->v.host_ia32_s_cet = BIT(32);
	off(e, CI_EXIT_LOAD_CET_STATE);
	PASSES(e);
}

CHECK_TEST(size_host32_ssp)
{
	entry_host32(e);
	on(e, CI_EXIT_LOAD_CET_STATE);
	e->v.host_ssp = BIT(32);
	FIRES(e);
	e->v.host_ssp = BIT(63);
	FIRES(e);
	e->v.host_ssp = 0xfffffffc;
	PASSES(e);
}

CHECK_TEST(size_host64_ssp)
{
	on(e, CI_EXIT_LOAD_CET_STATE);
	e->v.host_ssp = BIT(47);
	FIRES(e);
	e->v.host_ssp = 0xffff7ffffffffffc;
	FIRES(e);
	e->v.host_ssp = 0xffff800000000000;
	PASSES(e);
	off(e, CI_EXIT_LOAD_CET_STATE);
	e->v.host_ssp = BIT(47);
	PASSES(e);
}

CHECK_TEST(guest_ssp_high)
{
	entry_32(e);
	on(e, CI_ENTRY_LOAD_CET_STATE);
	for (unsigned bit = 32; bit < 64; bit++) {
		e->v.guest_ssp = BIT(bit);
		FIRES(e);
	}
	e->v.guest_ssp = 0xfffffffc;
	PASSES(e);
	/* Compatibility mode. */
	entry_64(e);
	on(e, CI_ENTRY_LOAD_CET_STATE);
	e->v.guest_cs_ar ^= AR_L;
	e->v.guest_ssp = BIT(32);
	FIRES(e);
	e->v.guest_cs_ar ^= AR_L;
	PASSES(e);
}

CHECK_TEST(guest_ssp_wide)
{
	on(e, CI_ENTRY_LOAD_CET_STATE);
	e->v.guest_ssp = BIT(48);
	FIRES(e);
	e->v.guest_ssp = BIT(63);
	FIRES(e);
	e->v.guest_ssp = 0xfffeffffffffffff & ~3ull;
	FIRES(e);
	e->v.guest_ssp = BIT(47);
	PASSES(e);
	e->v.guest_ssp = 0xffff000000000000;
	PASSES(e);
	e->caps.linear_bits = 57;
	e->v.guest_ssp = BIT(48);
	PASSES(e);
	e->v.guest_ssp = BIT(57);
	FIRES(e);
	off(e, CI_ENTRY_LOAD_CET_STATE);
	PASSES(e);
}
