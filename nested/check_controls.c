/*
 * VM entry's checks on the control fields. The rules are in check.def.
 * SDM: "Checks on VMX Controls".
 */
#include "nested/check_rules.h"
#include "vmx/msr.h"

#define CACHE_LINE 64u
#define MSR_ENTRY_SIZE 16u

#define EPTP_MEMORY_TYPE(eptp) ((eptp)&7)
#define EPTP_LEVELS(eptp) (((eptp) >> 3 & 7) + 1)
#define EPTP_AD BIT(6)
#define EPTP_SHADOW_STACK BIT(7)
#define EPTP_RESERVED BITS(11, 8)

#define VM_FUNCTION_EPTP_SWITCHING BIT(0)

#define INTR_RESERVED ((u32)BITS(30, 12))

static bool is_allowed(const struct check_in *in, enum control_word word, u64 value)
{
	u32 must_be_1 = in->caps->ctl[word].must_be_1;
	u32 may_be_1 = in->caps->ctl[word].may_be_1;

	return (must_be_1 & ~value) == 0 && (value & ~may_be_1) == 0;
}

/* VM-execution control fields */

bool chk_pin_reserved(const struct check_in *in)
{
	return is_allowed(in, PIN, in->v->pin_controls);
}

bool chk_proc_reserved(const struct check_in *in)
{
	return is_allowed(in, PROC, in->v->proc_controls);
}

bool chk_proc2_reserved(const struct check_in *in)
{
	return implies(proc_control(in, PROC_ACTIVATE_SECONDARY),
		       is_allowed(in, PROC2, in->v->proc2_controls));
}

bool chk_cr3_target_count(const struct check_in *in)
{
	return in->v->cr3_target_count <= VMX_MISC_CR3_TARGETS(in->caps->misc);
}

CHECK_ADDRESS(io_bitmap_a, proc_control(in, PROC_USE_IO_BITMAPS), in->v->io_bitmap_a, PAGE_SIZE)
CHECK_ADDRESS(io_bitmap_b, proc_control(in, PROC_USE_IO_BITMAPS), in->v->io_bitmap_b, PAGE_SIZE)
CHECK_ADDRESS(msr_bitmap, proc_control(in, PROC_USE_MSR_BITMAPS), in->v->msr_bitmap, PAGE_SIZE)
CHECK_ADDRESS(virtual_apic, proc_control(in, PROC_USE_TPR_SHADOW), in->v->virtual_apic_address, PAGE_SIZE)

static bool tpr_threshold_counts(const struct check_in *in)
{
	return proc_control(in, PROC_USE_TPR_SHADOW) &&
	       !proc2_control(in, PROC2_VIRTUAL_INTERRUPT_DELIVERY);
}

bool chk_tpr_threshold_high(const struct check_in *in)
{
	return implies(tpr_threshold_counts(in), in->v->tpr_threshold <= 15);
}

bool chk_tpr_threshold_vtpr(const struct check_in *in)
{
	return implies(tpr_threshold_counts(in) && !proc2_control(in, PROC2_VIRTUALIZE_APIC_ACCESSES),
		       (in->v->tpr_threshold & 15) <= (in->vtpr >> 4 & 15));
}

bool chk_vnmi_needs_nmi(const struct check_in *in)
{
	return implies(pin_control(in, PIN_VIRTUAL_NMIS), pin_control(in, PIN_NMI_EXITING));
}

bool chk_nmi_window_needs_vnmi(const struct check_in *in)
{
	return implies(proc_control(in, PROC_NMI_WINDOW_EXITING), pin_control(in, PIN_VIRTUAL_NMIS));
}

CHECK_ADDRESS(apic_access, proc2_control(in, PROC2_VIRTUALIZE_APIC_ACCESSES), in->v->apic_access_address,
	      PAGE_SIZE)

bool chk_x2apic_needs_tpr_shadow(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_VIRTUALIZE_X2APIC_MODE),
		       proc_control(in, PROC_USE_TPR_SHADOW));
}

bool chk_apic_register_needs_tpr_shadow(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_APIC_REGISTER_VIRTUALIZATION),
		       proc_control(in, PROC_USE_TPR_SHADOW));
}

bool chk_vid_needs_tpr_shadow(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_VIRTUAL_INTERRUPT_DELIVERY),
		       proc_control(in, PROC_USE_TPR_SHADOW));
}

bool chk_x2apic_excludes_apic_access(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_VIRTUALIZE_X2APIC_MODE),
		       !proc2_control(in, PROC2_VIRTUALIZE_APIC_ACCESSES));
}

bool chk_vid_needs_external_interrupt(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_VIRTUAL_INTERRUPT_DELIVERY),
		       pin_control(in, PIN_EXTERNAL_INTERRUPT_EXITING));
}

bool chk_posted_needs_vid(const struct check_in *in)
{
	return implies(pin_control(in, PIN_PROCESS_POSTED_INTERRUPTS),
		       proc2_control(in, PROC2_VIRTUAL_INTERRUPT_DELIVERY));
}

bool chk_posted_needs_ack(const struct check_in *in)
{
	return implies(pin_control(in, PIN_PROCESS_POSTED_INTERRUPTS),
		       exit_control(in, EXIT_ACK_INTERRUPT_ON_EXIT));
}

bool chk_posted_vector(const struct check_in *in)
{
	return implies(pin_control(in, PIN_PROCESS_POSTED_INTERRUPTS),
		       in->v->pi_notification_vector <= 0xff);
}

CHECK_ADDRESS(posted_descriptor, pin_control(in, PIN_PROCESS_POSTED_INTERRUPTS), in->v->pi_desc_address,
	      CACHE_LINE)

bool chk_vpid_zero(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_ENABLE_VPID), in->v->vpid != 0);
}

/* SDM: "Extended-Page-Table Pointer (EPTP)" */
static bool ept(const struct check_in *in)
{
	return proc2_control(in, PROC2_ENABLE_EPT);
}

bool chk_eptp_memory_type(const struct check_in *in)
{
	u64 type = EPTP_MEMORY_TYPE(in->v->ept_pointer);

	return implies(ept(in), (type == MT_UC && (in->caps->ept_vpid & EPT_CAP_UC)) ||
					(type == MT_WB && (in->caps->ept_vpid & EPT_CAP_WB)));
}

bool chk_eptp_walk_length(const struct check_in *in)
{
	u64 levels = EPTP_LEVELS(in->v->ept_pointer);

	return implies(ept(in), (levels == 4 && (in->caps->ept_vpid & EPT_CAP_4_LEVEL)) ||
					(levels == 5 && (in->caps->ept_vpid & EPT_CAP_5_LEVEL)));
}

bool chk_eptp_accessed_dirty(const struct check_in *in)
{
	return implies(ept(in) && (in->v->ept_pointer & EPTP_AD), in->caps->ept_vpid & EPT_CAP_AD);
}

bool chk_eptp_reserved(const struct check_in *in)
{
	u64 reserved = EPTP_RESERVED |
		       (in->caps->ept_vpid & EPT_CAP_SHADOW_STACK ? 0 : EPTP_SHADOW_STACK);

	return implies(ept(in), (in->v->ept_pointer & reserved) == 0);
}

bool chk_eptp_width(const struct check_in *in)
{
	return implies(ept(in), in_width(in, in->v->ept_pointer));
}

bool chk_pml_needs_ept(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_ENABLE_PML), ept(in));
}

CHECK_ADDRESS(pml, proc2_control(in, PROC2_ENABLE_PML), in->v->pml_address, PAGE_SIZE)

bool chk_unrestricted_needs_ept(const struct check_in *in)
{
	return implies(unrestricted(in), ept(in));
}

bool chk_mbec_needs_ept(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_MODE_BASED_EXECUTE_EPT), ept(in));
}

bool chk_sub_page_needs_ept(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_SUB_PAGE_WRITE_EPT), ept(in));
}

bool chk_vm_function_reserved(const struct check_in *in)
{
	u64 functions = in->caps->msr[MSR_IA32_VMX_VMFUNC - CAPS_MSR_FIRST];

	return implies(proc2_control(in, PROC2_ENABLE_VM_FUNCTIONS),
		       (in->v->vm_function_controls & ~functions) == 0);
}

static bool eptp_switching(const struct check_in *in)
{
	return proc2_control(in, PROC2_ENABLE_VM_FUNCTIONS) &&
	       (in->v->vm_function_controls & VM_FUNCTION_EPTP_SWITCHING);
}

bool chk_eptp_switching_needs_ept(const struct check_in *in)
{
	return implies(eptp_switching(in), ept(in));
}

CHECK_ADDRESS(eptp_list, eptp_switching(in), in->v->eptp_list_address, PAGE_SIZE)
CHECK_ADDRESS(vmread_bitmap, proc2_control(in, PROC2_VMCS_SHADOWING), in->v->vmread_bitmap, PAGE_SIZE)
CHECK_ADDRESS(vmwrite_bitmap, proc2_control(in, PROC2_VMCS_SHADOWING), in->v->vmwrite_bitmap, PAGE_SIZE)
CHECK_ADDRESS(ve_info, proc2_control(in, PROC2_EPT_VIOLATION_VE), in->v->ve_info_address, PAGE_SIZE)

bool chk_tsc_multiplier(const struct check_in *in)
{
	return implies(proc2_control(in, PROC2_USE_TSC_SCALING), in->v->tsc_multiplier != 0);
}

/* An MSR area's rules. Its last byte is looked at only if its first one is within the width. */
static bool msr_area_ends(const struct check_in *in, u64 address, u64 count)
{
	return implies(count != 0 && in_width(in, address),
		       in_width(in, address + count * MSR_ENTRY_SIZE - 1));
}

#define MSR_AREA(area) \
	bool chk_##area##_aligned(const struct check_in *in) \
	{ \
		return implies(in->v->area##_count != 0, \
			       is_aligned(in->v->area##_addr, MSR_ENTRY_SIZE)); \
	} \
	bool chk_##area##_width(const struct check_in *in) \
	{ \
		return implies(in->v->area##_count != 0, in_width(in, in->v->area##_addr)); \
	} \
	bool chk_##area##_end(const struct check_in *in) \
	{ \
		return msr_area_ends(in, in->v->area##_addr, in->v->area##_count); \
	}

/* VM-exit control fields */

bool chk_exit_reserved(const struct check_in *in)
{
	return is_allowed(in, EXIT, in->v->exit_controls);
}

bool chk_save_timer_needs_timer(const struct check_in *in)
{
	return implies(exit_control(in, EXIT_SAVE_PREEMPTION_TIMER),
		       pin_control(in, PIN_ACTIVATE_PREEMPTION_TIMER));
}

MSR_AREA(exit_msr_store)
MSR_AREA(exit_msr_load)

/* VM-entry control fields */

bool chk_entry_reserved(const struct check_in *in)
{
	return is_allowed(in, ENTRY, in->v->entry_controls);
}

static u32 inject_vector(const struct check_in *in)
{
	return in->v->entry_interruption_info & INTR_VECTOR;
}

bool chk_inject_type(const struct check_in *in)
{
	return implies(injects(in), INTR_TYPE(in->v->entry_interruption_info) != 1);
}

bool chk_inject_other_needs_mtf(const struct check_in *in)
{
	return implies(injects_type(in, INTR_OTHER), caps_has(in->caps, CI_PROC_MONITOR_TRAP_FLAG));
}

bool chk_inject_nmi_vector(const struct check_in *in)
{
	return implies(injects_type(in, INTR_NMI), inject_vector(in) == VEC_NMI);
}

bool chk_inject_exception_vector(const struct check_in *in)
{
	return implies(injects_type(in, INTR_HW_EXCEPTION), inject_vector(in) <= 31);
}

bool chk_inject_other_vector(const struct check_in *in)
{
	return implies(injects_type(in, INTR_OTHER), inject_vector(in) == 0);
}

/* CR0.PE is believed only of an unrestricted guest: any other one has it. */
static bool protected_mode(const struct check_in *in)
{
	return !unrestricted(in) || (in->v->guest_cr0 & CR0_PE);
}

/* #CP is not among them: processors that have it leave the error code open. */
static bool has_error_code(u32 vector)
{
	const u32 vectors = 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP | 1u << VEC_SS | 1u << VEC_GP |
			    1u << VEC_PF | 1u << VEC_AC;

	return vector < 32 && (vectors >> vector & 1);
}

static bool any_error_code(const struct check_in *in)
{
	return in->caps->msr[MSR_IA32_VMX_BASIC - CAPS_MSR_FIRST] & VMX_BASIC_ANY_ERROR_CODE;
}

static bool injects_error_code(const struct check_in *in)
{
	return injects(in) && (in->v->entry_interruption_info & INTR_ERROR_CODE_VALID);
}

bool chk_inject_error_code_missing(const struct check_in *in)
{
	return implies(injects_type(in, INTR_HW_EXCEPTION) && has_error_code(inject_vector(in)) &&
			       protected_mode(in) && !any_error_code(in),
		       injects_error_code(in));
}

bool chk_inject_error_code_type(const struct check_in *in)
{
	return implies(injects_error_code(in), injects_type(in, INTR_HW_EXCEPTION));
}

bool chk_inject_error_code_real_mode(const struct check_in *in)
{
	return implies(injects_error_code(in), protected_mode(in));
}

bool chk_inject_error_code_vector(const struct check_in *in)
{
	return implies(injects_error_code(in) && injects_type(in, INTR_HW_EXCEPTION) &&
			       !any_error_code(in),
		       has_error_code(inject_vector(in)));
}

bool chk_inject_reserved(const struct check_in *in)
{
	return implies(injects(in), (in->v->entry_interruption_info & INTR_RESERVED) == 0);
}

bool chk_inject_error_code_high(const struct check_in *in)
{
	return implies(injects_error_code(in), in->v->entry_exception_error_code <= 0xffff);
}

static bool injects_software_event(const struct check_in *in)
{
	return injects_type(in, INTR_SW_INTERRUPT) || injects_type(in, INTR_PRIV_SW_EXCEPTION) ||
	       injects_type(in, INTR_SW_EXCEPTION);
}

bool chk_inject_length(const struct check_in *in)
{
	return implies(injects_software_event(in), in->v->entry_instruction_length <= 15);
}

bool chk_inject_length_zero(const struct check_in *in)
{
	return implies(injects_software_event(in) && in->v->entry_instruction_length == 0,
		       in->caps->misc & VMX_MISC_INJECT_LENGTH_0);
}

MSR_AREA(entry_msr_load)

bool chk_entry_to_smm(const struct check_in *in)
{
	return !entry_control(in, ENTRY_ENTRY_TO_SMM);
}

bool chk_deactivate_dual_monitor(const struct check_in *in)
{
	return !entry_control(in, ENTRY_DEACTIVATE_DUAL_MONITOR);
}
