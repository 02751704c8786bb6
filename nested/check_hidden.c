/*
 * VM entry's checks on what L1 is offered no control for. L0 never meets a control that is 1; tools/vmcs-check
 * does, in dumps of newer processors. The rules are in check.def, in their places among the others.
 */
#include "nested/check_rules.h"
#include "vmx/msr.h"

#define PID_POINTER_SIZE 8u
#define HLATP_RESERVED (BITS(2, 0) | BITS(11, 5))
#define S_CET_RESERVED BITS(9, 6)
#define S_CET_SUPPRESS BIT(10)
#define S_CET_TRACKER BIT(11)
#define BNDCFGS_RESERVED BITS(11, 2)
#define BNDCFGS_BASE PAGE_MASK

/* Tertiary processor-based controls, and what they ask for */

/* SDM: "Tertiary Processor-Based VM-Execution Controls" (appendix): all 64 bits of the MSR count. */
bool chk_tertiary_reserved(const struct check_in *in)
{
	u64 may_be_1 = in->caps->msr[MSR_IA32_VMX_PROCBASED_CTLS3 - CAPS_MSR_FIRST] & BITS(63, 32);

	return implies(proc_control(in, PROC_ACTIVATE_TERTIARY),
		       (in->v->proc3_controls & ~(may_be_1 | in->caps->ctl[PROC3].may_be_1)) == 0);
}

static bool ept(const struct check_in *in)
{
	return proc2_control(in, PROC2_ENABLE_EPT);
}

bool chk_ipi_needs_tpr_shadow(const struct check_in *in)
{
	return implies(proc3_control(in, PROC3_IPI_VIRTUALIZATION),
		       proc_control(in, PROC_USE_TPR_SHADOW));
}

CHECK_ADDRESS(pid_table, proc3_control(in, PROC3_IPI_VIRTUALIZATION), in->v->pid_pointer_table,
	      PID_POINTER_SIZE)

/* The sum may pass 64 bits, where the start alone is too wide. */
bool chk_pid_table_end(const struct check_in *in)
{
	u64 start = in->v->pid_pointer_table, last = start + PID_POINTER_SIZE * in->v->last_pid_index;

	return implies(proc3_control(in, PROC3_IPI_VIRTUALIZATION) && in_width(in, start),
		       in_width(in, last));
}

bool chk_hlat_needs_ept(const struct check_in *in)
{
	return implies(proc3_control(in, PROC3_ENABLE_HLAT), ept(in));
}

bool chk_hlatp_reserved(const struct check_in *in)
{
	return implies(proc3_control(in, PROC3_ENABLE_HLAT), (in->v->hlat_pointer & HLATP_RESERVED) == 0);
}

bool chk_hlatp_width(const struct check_in *in)
{
	return implies(proc3_control(in, PROC3_ENABLE_HLAT), in_width(in, in->v->hlat_pointer));
}

bool chk_paging_write_needs_ept(const struct check_in *in)
{
	return implies(proc3_control(in, PROC3_EPT_PAGING_WRITE), ept(in));
}

bool chk_paging_verification_needs_ept(const struct check_in *in)
{
	return implies(proc3_control(in, PROC3_GUEST_PAGING_VERIFICATION), ept(in));
}

/* Secondary processor-based controls, and what they ask for */

CHECK_ADDRESS(sppt, proc2_control(in, PROC2_SUB_PAGE_WRITE_EPT), in->v->sppt_pointer, PAGE_SIZE)
CHECK_ADDRESS(pasid_low, proc2_control(in, PROC2_PASID_TRANSLATION), in->v->low_pasid_directory,
	      PAGE_SIZE)
CHECK_ADDRESS(pasid_high, proc2_control(in, PROC2_PASID_TRANSLATION), in->v->high_pasid_directory,
	      PAGE_SIZE)

static bool pt_uses_guest_physical(const struct check_in *in)
{
	return proc2_control(in, PROC2_PT_USES_GUEST_PHYSICAL);
}

bool chk_pt_needs_ept(const struct check_in *in)
{
	return implies(pt_uses_guest_physical(in), ept(in));
}

bool chk_pt_needs_load(const struct check_in *in)
{
	return implies(pt_uses_guest_physical(in), entry_control(in, ENTRY_LOAD_IA32_RTIT_CTL));
}

bool chk_pt_needs_clear(const struct check_in *in)
{
	return implies(pt_uses_guest_physical(in), exit_control(in, EXIT_CLEAR_IA32_RTIT_CTL));
}

/* Secondary VM-exit controls */

bool chk_exit2_reserved(const struct check_in *in)
{
	u64 may_be_1 = in->caps->msr[MSR_IA32_VMX_EXIT_CTLS2 - CAPS_MSR_FIRST] & BITS(63, 32);

	return implies(exit_control(in, EXIT_ACTIVATE_SECONDARY),
		       (in->v->exit2_controls & ~(may_be_1 | in->caps->ctl[EXIT2].may_be_1)) == 0);
}

/* Performance monitoring, bounds, tracing, user interrupts, protection keys */

static bool has_only(u64 value, u64 bits)
{
	return (value & ~bits) == 0;
}

bool chk_host_perf_global_ctrl(const struct check_in *in)
{
	return implies(exit_control(in, EXIT_LOAD_IA32_PERF_GLOBAL_CTRL),
		       has_only(in->v->host_ia32_perf_global_ctrl, in->perf_global_valid));
}

bool chk_guest_perf_global_ctrl(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL),
		       has_only(in->v->guest_ia32_perf_global_ctrl, in->perf_global_valid));
}

bool chk_guest_bndcfgs_reserved(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_IA32_BNDCFGS),
		       has_only(in->v->guest_ia32_bndcfgs, ~BNDCFGS_RESERVED));
}

bool chk_guest_bndcfgs_canonical(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_IA32_BNDCFGS),
		       is_canonical(in, in->v->guest_ia32_bndcfgs & BNDCFGS_BASE));
}

bool chk_guest_rtit_ctl(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_IA32_RTIT_CTL),
		       has_only(in->v->guest_ia32_rtit_ctl, in->rtit_ctl_valid));
}

bool chk_guest_lbr_ctl(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_GUEST_IA32_LBR_CTL),
		       has_only(in->v->guest_ia32_lbr_ctl, in->lbr_ctl_valid));
}

bool chk_guest_uinv(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_UINV), in->v->guest_uinv <= 0xff);
}

bool chk_host_pkrs(const struct check_in *in)
{
	return implies(exit_control(in, EXIT_LOAD_PKRS), has_32_bits(in->v->host_ia32_pkrs));
}

bool chk_guest_pkrs(const struct check_in *in)
{
	return implies(entry_control(in, ENTRY_LOAD_PKRS), has_32_bits(in->v->guest_ia32_pkrs));
}

/* CET state */

static bool host_cet(const struct check_in *in)
{
	return exit_control(in, EXIT_LOAD_CET_STATE);
}

static bool guest_cet(const struct check_in *in)
{
	return entry_control(in, ENTRY_LOAD_CET_STATE);
}

/* SDM: "IA32_U_CET MSR and IA32_S_CET MSR" (title of the table of their bits) */
static bool is_s_cet(u64 value)
{
	bool both = (value & S_CET_SUPPRESS) && (value & S_CET_TRACKER);

	return (value & S_CET_RESERVED) == 0 && !both;
}

bool chk_host_s_cet_reserved(const struct check_in *in)
{
	return implies(host_cet(in), is_s_cet(in->v->host_ia32_s_cet));
}

bool chk_host_s_cet_canonical(const struct check_in *in)
{
	return implies(host_cet(in), is_canonical(in, in->v->host_ia32_s_cet));
}

bool chk_host_ssp_table(const struct check_in *in)
{
	return implies(host_cet(in), is_canonical(in, in->v->host_interrupt_ssp_table));
}

bool chk_host_ssp_aligned(const struct check_in *in)
{
	return implies(host_cet(in), is_aligned(in->v->host_ssp, 4));
}

bool chk_size_host32_s_cet(const struct check_in *in)
{
	return implies(host_cet(in) && !host64(in), has_32_bits(in->v->host_ia32_s_cet));
}

bool chk_size_host32_ssp(const struct check_in *in)
{
	return implies(host_cet(in) && !host64(in), has_32_bits(in->v->host_ssp));
}

bool chk_size_host64_ssp(const struct check_in *in)
{
	return implies(host_cet(in) && host64(in), is_canonical(in, in->v->host_ssp));
}

bool chk_guest_s_cet_reserved(const struct check_in *in)
{
	return implies(guest_cet(in), is_s_cet(in->v->guest_ia32_s_cet));
}

bool chk_guest_s_cet_canonical(const struct check_in *in)
{
	return implies(guest_cet(in), is_canonical(in, in->v->guest_ia32_s_cet));
}

bool chk_guest_ssp_table(const struct check_in *in)
{
	return implies(guest_cet(in), is_canonical(in, in->v->guest_interrupt_ssp_table));
}

bool chk_guest_ssp_aligned(const struct check_in *in)
{
	return implies(guest_cet(in), is_aligned(in->v->guest_ssp, 4));
}

bool chk_guest_ssp_high(const struct check_in *in)
{
	return implies(guest_cet(in) && !guest_mode64(in), has_32_bits(in->v->guest_ssp));
}

bool chk_guest_ssp_wide(const struct check_in *in)
{
	return implies(guest_cet(in) && guest_mode64(in), is_wide(in, in->v->guest_ssp));
}
