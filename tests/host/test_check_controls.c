#include "entry.h"
#include "machine.h"

/* VM-execution control fields */

/* Every bit that has only one setting, the wrong way round. It may be one that other rules guard too. */
static void wrong_bits(struct entry *e, enum control_word word, u64 *value)
{
	const u64 right = *value;

	for (unsigned bit = 0; bit < 32; bit++) {
		bool must = e->caps.ctl[word].must_be_1 >> bit & 1;
		bool may = e->caps.ctl[word].may_be_1 >> bit & 1;

		*value = right ^ BIT(bit);
		if (must || !may)
			FIRES_FIRST(e);
	}
	*value = right;
	PASSES(e);
}

CHECK_TEST(pin_reserved)
{
	wrong_bits(e, PIN, &e->v.pin_controls);
	e->v.pin_controls |= BIT(8);
	FIRES(e);
	e->v.pin_controls ^= BIT(8) | BIT(1);
	FIRES(e);
}

CHECK_TEST(proc_reserved)
{
	wrong_bits(e, PROC, &e->v.proc_controls);
	e->v.proc_controls |= BIT(0);
	FIRES(e);
	e->v.proc_controls ^= BIT(0) | BIT(1);
	FIRES(e);
}

CHECK_TEST(proc2_reserved)
{
	on(e, CI_PROC_ACTIVATE_SECONDARY);
	wrong_bits(e, PROC2, &e->v.proc2_controls);
	e->v.proc2_controls |= BIT(31);
	FIRES(e);
	off(e, CI_PROC_ACTIVATE_SECONDARY);
	PASSES(e);
}

CHECK_TEST(cr3_target_count)
{
	e->v.cr3_target_count = 5;
	FIRES(e);
	e->v.cr3_target_count = 0xffffffff;
	FIRES(e);
	e->v.cr3_target_count = 4;
	PASSES(e);
}

/* A pair of tests for an address that counts only where `use` has been called. */
#define ADDRESS_TESTS(id, member, size, use) \
	CHECK_TEST(id##_aligned) \
	{ \
		use(e); \
		e->v.member = 0x10000 + (size) / 2; \
		FIRES(e); \
		e->v.member = 0x10001; \
		FIRES(e); \
		e->v.member = 0x10000 + (size); \
		PASSES(e); \
		entry_64(e); \
		e->v.member = 0x10001; \
		PASSES(e); \
	} \
	CHECK_TEST(id##_width) \
	{ \
		use(e); \
		e->v.member = BIT(39); \
		FIRES(e); \
		e->v.member = BIT(63); \
		FIRES(e); \
		e->v.member = BIT(39) - (size); \
		PASSES(e); \
		entry_64(e); \
		e->v.member = BIT(39); \
		PASSES(e); \
	}

static void use_io_bitmaps(struct entry *e)
{
	on(e, CI_PROC_USE_IO_BITMAPS);
}

static void use_msr_bitmaps(struct entry *e)
{
	on(e, CI_PROC_USE_MSR_BITMAPS);
}

static void use_tpr_shadow(struct entry *e)
{
	on(e, CI_PROC_USE_TPR_SHADOW);
}

ADDRESS_TESTS(io_bitmap_a, io_bitmap_a, 4096, use_io_bitmaps)
ADDRESS_TESTS(io_bitmap_b, io_bitmap_b, 4096, use_io_bitmaps)
ADDRESS_TESTS(msr_bitmap, msr_bitmap, 4096, use_msr_bitmaps)
ADDRESS_TESTS(virtual_apic, virtual_apic_address, 4096, use_tpr_shadow)

static void use_interrupt_delivery(struct entry *e)
{
	use_tpr_shadow(e);
	on(e, CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	on(e, CI_PIN_EXTERNAL_INTERRUPT_EXITING);
}

CHECK_TEST(tpr_threshold_high)
{
	e->v.tpr_threshold = 0x10;
	PASSES(e);
	use_tpr_shadow(e);
	FIRES(e);
	e->v.tpr_threshold = 0x80000000;
	FIRES(e);
	e->v.tpr_threshold = 0xf;
	e->in.vtpr = 0xf0;
	PASSES(e);
	use_interrupt_delivery(e);
	e->v.tpr_threshold = 0x80000000;
	PASSES(e);
}

CHECK_TEST(tpr_threshold_vtpr)
{
	e->v.tpr_threshold = 5;
	e->in.vtpr = 0x4f;
	PASSES(e);
	use_tpr_shadow(e);
	FIRES(e);
	e->in.vtpr = 0x50;
	PASSES(e);
	e->v.tpr_threshold = 6;
	FIRES(e);
	on(e, CI_PROC2_VIRTUALIZE_APIC_ACCESSES);
	PASSES(e);
	off(e, CI_PROC2_VIRTUALIZE_APIC_ACCESSES);
	use_interrupt_delivery(e);
	PASSES(e);
}

CHECK_TEST(vnmi_needs_nmi)
{
	on(e, CI_PIN_VIRTUAL_NMIS);
	FIRES(e);
	on(e, CI_PIN_NMI_EXITING);
	PASSES(e);
	off(e, CI_PIN_VIRTUAL_NMIS);
	PASSES(e);
}

CHECK_TEST(nmi_window_needs_vnmi)
{
	on(e, CI_PROC_NMI_WINDOW_EXITING);
	FIRES(e);
	on(e, CI_PIN_NMI_EXITING);
	FIRES(e);
	on(e, CI_PIN_VIRTUAL_NMIS);
	PASSES(e);
}

static void use_apic_access(struct entry *e)
{
	on(e, CI_PROC2_VIRTUALIZE_APIC_ACCESSES);
}

ADDRESS_TESTS(apic_access, apic_access_address, 4096, use_apic_access)

/* A secondary control that needs another control; nor does it count while not activated. */
static void needs(struct entry *e, enum control_index control, enum control_index needed)
{
	on(e, control);
	FIRES(e);
	on(e, needed);
	PASSES(e);
	off(e, needed);
	if (control_info[control].word == PROC2) {
		off(e, CI_PROC_ACTIVATE_SECONDARY);
		PASSES(e);
		on(e, CI_PROC_ACTIVATE_SECONDARY);
	}
	off(e, control);
	PASSES(e);
}

CHECK_TEST(x2apic_needs_tpr_shadow)
{
	needs(e, CI_PROC2_VIRTUALIZE_X2APIC_MODE, CI_PROC_USE_TPR_SHADOW);
}

CHECK_TEST(apic_register_needs_tpr_shadow)
{
	needs(e, CI_PROC2_APIC_REGISTER_VIRTUALIZATION, CI_PROC_USE_TPR_SHADOW);
}

CHECK_TEST(vid_needs_tpr_shadow)
{
	on(e, CI_PIN_EXTERNAL_INTERRUPT_EXITING);
	needs(e, CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY, CI_PROC_USE_TPR_SHADOW);
}

CHECK_TEST(x2apic_excludes_apic_access)
{
	use_tpr_shadow(e);
	on(e, CI_PROC2_VIRTUALIZE_X2APIC_MODE);
	on(e, CI_PROC2_VIRTUALIZE_APIC_ACCESSES);
	FIRES(e);
	off(e, CI_PROC2_VIRTUALIZE_X2APIC_MODE);
	PASSES(e);
	on(e, CI_PROC2_VIRTUALIZE_X2APIC_MODE);
	off(e, CI_PROC2_VIRTUALIZE_APIC_ACCESSES);
	PASSES(e);
}

CHECK_TEST(vid_needs_external_interrupt)
{
	use_tpr_shadow(e);
	needs(e, CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY, CI_PIN_EXTERNAL_INTERRUPT_EXITING);
}

static void use_posted_interrupts(struct entry *e)
{
	use_interrupt_delivery(e);
	on(e, CI_PIN_PROCESS_POSTED_INTERRUPTS);
	on(e, CI_EXIT_ACK_INTERRUPT_ON_EXIT);
}

CHECK_TEST(posted_needs_vid)
{
	use_posted_interrupts(e);
	off(e, CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	FIRES(e);
	on(e, CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	PASSES(e);
	off(e, CI_PIN_PROCESS_POSTED_INTERRUPTS);
	off(e, CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	PASSES(e);
}

CHECK_TEST(posted_needs_ack)
{
	use_posted_interrupts(e);
	off(e, CI_EXIT_ACK_INTERRUPT_ON_EXIT);
	FIRES(e);
	off(e, CI_PIN_PROCESS_POSTED_INTERRUPTS);
	PASSES(e);
}

CHECK_TEST(posted_vector)
{
	e->v.pi_notification_vector = 0x100;
	PASSES(e);
	use_posted_interrupts(e);
	FIRES(e);
	e->v.pi_notification_vector = 0xff;
	PASSES(e);
}

ADDRESS_TESTS(posted_descriptor, pi_desc_address, 64, use_posted_interrupts)

CHECK_TEST(vpid_zero)
{
	on(e, CI_PROC2_ENABLE_VPID);
	FIRES(e);
	e->v.vpid = 1;
	PASSES(e);
	e->v.vpid = 0;
	off(e, CI_PROC_ACTIVATE_SECONDARY);
	PASSES(e);
}

#define EPTP(levels, type) (0x8000ull | ((u64)(levels)-1) << 3 | (type))

static void use_ept(struct entry *e)
{
	on(e, CI_PROC2_ENABLE_EPT);
	e->v.ept_pointer = EPTP(4, MT_WB);
}

CHECK_TEST(eptp_memory_type)
{
	use_ept(e);
	for (unsigned type = 0; type < 8; type++) {
		e->v.ept_pointer = EPTP(4, type);
		if (type == MT_UC || type == MT_WB)
			PASSES(e);
		else
			FIRES(e);
	}
	e->v.ept_pointer = EPTP(4, MT_UC);
	e->caps.ept_vpid &= ~EPT_CAP_UC;
	FIRES(e);
	e->v.ept_pointer = EPTP(4, MT_WB);
	PASSES(e);
	e->caps.ept_vpid ^= EPT_CAP_UC | EPT_CAP_WB;
	FIRES(e);
	off(e, CI_PROC2_ENABLE_EPT);
	PASSES(e);
}

CHECK_TEST(eptp_walk_length)
{
	use_ept(e);
	for (unsigned levels = 1; levels <= 8; levels++) {
		e->v.ept_pointer = EPTP(levels, MT_WB);
		if (levels == 4)
			PASSES(e);
		else
			FIRES(e);
	}
	e->v.ept_pointer = EPTP(5, MT_WB);
	e->caps.ept_vpid |= EPT_CAP_5_LEVEL;
	PASSES(e);
	e->v.ept_pointer = EPTP(4, MT_WB);
	PASSES(e);
	e->caps.ept_vpid &= ~EPT_CAP_4_LEVEL;
	FIRES(e);
	off(e, CI_PROC2_ENABLE_EPT);
	e->v.ept_pointer = EPTP(1, MT_WB);
	PASSES(e);
}

CHECK_TEST(eptp_accessed_dirty)
{
	use_ept(e);
	e->v.ept_pointer |= BIT(6);
	PASSES(e);
	e->caps.ept_vpid &= ~EPT_CAP_AD;
	FIRES(e);
	e->v.ept_pointer &= ~BIT(6);
	PASSES(e);
	e->v.ept_pointer |= BIT(6);
	off(e, CI_PROC2_ENABLE_EPT);
	PASSES(e);
}

CHECK_TEST(eptp_reserved)
{
	use_ept(e);
	for (unsigned bit = 7; bit < 12; bit++) {
		e->v.ept_pointer = EPTP(4, MT_WB) | BIT(bit);
		FIRES(e);
	}
	e->v.ept_pointer = EPTP(4, MT_WB) | BIT(12);
	PASSES(e);
	e->v.ept_pointer |= BIT(7);
	off(e, CI_PROC2_ENABLE_EPT);
	PASSES(e);
	use_ept(e);
	e->caps.ept_vpid |= BIT(23);
	e->v.ept_pointer = EPTP(4, MT_WB) | BIT(7);
	PASSES(e);
	e->v.ept_pointer ^= BIT(7) | BIT(8);
	FIRES(e);
}

CHECK_TEST(eptp_width)
{
	use_ept(e);
	e->v.ept_pointer = EPTP(4, MT_WB) | BIT(39);
	FIRES(e);
	e->v.ept_pointer = EPTP(4, MT_WB) | BIT(63);
	FIRES(e);
	e->v.ept_pointer = EPTP(4, MT_WB) | BITS(38, 12);
	PASSES(e);
	e->v.ept_pointer |= BIT(39);
	off(e, CI_PROC2_ENABLE_EPT);
	PASSES(e);
}

static void use_pml(struct entry *e)
{
	use_ept(e);
	on(e, CI_PROC2_ENABLE_PML);
}

CHECK_TEST(pml_needs_ept)
{
	use_ept(e);
	off(e, CI_PROC2_ENABLE_EPT);
	needs(e, CI_PROC2_ENABLE_PML, CI_PROC2_ENABLE_EPT);
}

ADDRESS_TESTS(pml, pml_address, 4096, use_pml)

CHECK_TEST(unrestricted_needs_ept)
{
	use_ept(e);
	off(e, CI_PROC2_ENABLE_EPT);
	needs(e, CI_PROC2_UNRESTRICTED_GUEST, CI_PROC2_ENABLE_EPT);
}

CHECK_TEST(mbec_needs_ept)
{
	use_ept(e);
	off(e, CI_PROC2_ENABLE_EPT);
	needs(e, CI_PROC2_MODE_BASED_EXECUTE_EPT, CI_PROC2_ENABLE_EPT);
}

CHECK_TEST(sub_page_needs_ept)
{
	use_ept(e);
	off(e, CI_PROC2_ENABLE_EPT);
	needs(e, CI_PROC2_SUB_PAGE_WRITE_EPT, CI_PROC2_ENABLE_EPT);
}

static void use_eptp_switching(struct entry *e)
{
	use_ept(e);
	on(e, CI_PROC2_ENABLE_VM_FUNCTIONS);
	*machine_msr(&e->caps, MSR_IA32_VMX_VMFUNC) = 1;
	e->v.vm_function_controls = 1;
}

CHECK_TEST(vm_function_reserved)
{
	use_eptp_switching(e);
	e->v.vm_function_controls = 2;
	FIRES(e);
	e->v.vm_function_controls = BIT(63);
	FIRES(e);
	e->v.vm_function_controls = 1;
	PASSES(e);
	*machine_msr(&e->caps, MSR_IA32_VMX_VMFUNC) = 0;
	FIRES(e);
	off(e, CI_PROC2_ENABLE_VM_FUNCTIONS);
	PASSES(e);
}

CHECK_TEST(eptp_switching_needs_ept)
{
	use_eptp_switching(e);
	off(e, CI_PROC2_ENABLE_EPT);
	FIRES(e);
	e->v.vm_function_controls = 0;
	PASSES(e);
	e->v.vm_function_controls = 1;
	off(e, CI_PROC2_ENABLE_VM_FUNCTIONS);
	PASSES(e);
}

ADDRESS_TESTS(eptp_list, eptp_list_address, 4096, use_eptp_switching)

static void use_shadowing(struct entry *e)
{
	on(e, CI_PROC2_VMCS_SHADOWING);
}

ADDRESS_TESTS(vmread_bitmap, vmread_bitmap, 4096, use_shadowing)
ADDRESS_TESTS(vmwrite_bitmap, vmwrite_bitmap, 4096, use_shadowing)

static void use_ve(struct entry *e)
{
	on(e, CI_PROC2_EPT_VIOLATION_VE);
}

ADDRESS_TESTS(ve_info, ve_info_address, 4096, use_ve)

CHECK_TEST(tsc_multiplier)
{
	on(e, CI_PROC2_USE_TSC_SCALING);
	FIRES(e);
	e->v.tsc_multiplier = 1;
	PASSES(e);
	e->v.tsc_multiplier = 0;
	off(e, CI_PROC2_USE_TSC_SCALING);
	PASSES(e);
}

/* VM-exit control fields */

CHECK_TEST(exit_reserved)
{
	wrong_bits(e, EXIT, &e->v.exit_controls);
	e->v.exit_controls |= BIT(31);
	FIRES(e);
	e->v.exit_controls ^= BIT(31) | BIT(0);
	FIRES(e);
}

CHECK_TEST(save_timer_needs_timer)
{
	needs(e, CI_EXIT_SAVE_PREEMPTION_TIMER, CI_PIN_ACTIVATE_PREEMPTION_TIMER);
}

#define AREA_TESTS(area) \
	CHECK_TEST(area##_aligned) \
	{ \
		e->v.area##_addr = 0x10008; \
		PASSES(e); \
		e->v.area##_count = 1; \
		FIRES(e); \
		e->v.area##_addr = 0x10001; \
		FIRES(e); \
		e->v.area##_addr = 0x10010; \
		PASSES(e); \
	} \
	CHECK_TEST(area##_width) \
	{ \
		e->v.area##_addr = BIT(39); \
		PASSES(e); \
		e->v.area##_count = 1; \
		FIRES(e); \
		e->v.area##_addr = ~0ull << 4; \
		FIRES(e); \
		e->v.area##_addr = BIT(39) - 16; \
		PASSES(e); \
	} \
	CHECK_TEST(area##_end) \
	{ \
		e->v.area##_addr = BIT(39) - 16; \
		e->v.area##_count = 2; \
		FIRES(e); \
		e->v.area##_count = 1; \
		PASSES(e); \
		e->v.area##_addr = BIT(39) - 512 * 16; \
		e->v.area##_count = 512; \
		PASSES(e); \
		e->v.area##_count = 513; \
		FIRES(e); \
		e->v.area##_count = 0xffffffff; \
		FIRES(e); \
		e->v.area##_count = 0; \
		PASSES(e); \
	}

AREA_TESTS(exit_msr_store)
AREA_TESTS(exit_msr_load)

/* VM-entry control fields */

CHECK_TEST(entry_reserved)
{
	wrong_bits(e, ENTRY, &e->v.entry_controls);
	e->v.entry_controls |= BIT(31);
	FIRES(e);
	e->v.entry_controls ^= BIT(31) | BIT(0);
	FIRES(e);
}

CHECK_TEST(inject_type)
{
	inject(e, 1, 0, 0);
	FIRES(e);
	e->v.entry_interruption_info &= ~(u64)INTR_VALID;
	PASSES(e);
	inject(e, INTR_NMI, VEC_NMI, 0);
	PASSES(e);
}

CHECK_TEST(inject_other_needs_mtf)
{
	inject(e, INTR_OTHER, 0, 0);
	PASSES(e);
	e->caps.ctl[PROC].may_be_1 &= ~(u32)PROC_MONITOR_TRAP_FLAG;
	FIRES(e);
	e->v.entry_interruption_info &= ~(u64)INTR_VALID;
	PASSES(e);
}

CHECK_TEST(inject_nmi_vector)
{
	inject(e, INTR_NMI, 1, 0);
	FIRES(e);
	inject(e, INTR_NMI, 3, 0);
	FIRES(e);
	inject(e, INTR_NMI, 2, 0);
	PASSES(e);
}

CHECK_TEST(inject_exception_vector)
{
	inject(e, INTR_HW_EXCEPTION, 32, 0);
	FIRES(e);
	inject(e, INTR_HW_EXCEPTION, 255, 0);
	FIRES(e);
	inject(e, INTR_HW_EXCEPTION, 31, 0);
	PASSES(e);
}

CHECK_TEST(inject_other_vector)
{
	inject(e, INTR_OTHER, 1, 0);
	FIRES(e);
	inject(e, INTR_OTHER, 0, 0);
	PASSES(e);
}

static bool has_error_code(u32 vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static void any_error_code(struct entry *e)
{
	*machine_msr(&e->caps, MSR_IA32_VMX_BASIC) |= VMX_BASIC_ANY_ERROR_CODE;
}

static void error_code_missing(struct entry *e)
{
	for (u32 vector = 0; vector < 32; vector++) {
		inject(e, INTR_HW_EXCEPTION, vector, 0);
		if (has_error_code(vector))
			FIRES(e);
		else
			PASSES(e);
	}
	inject(e, INTR_HW_EXCEPTION, VEC_GP, INTR_ERROR_CODE_VALID);
	PASSES(e);
}

CHECK_TEST(inject_error_code_missing)
{
	error_code_missing(e);
	entry_real(e);
	inject(e, INTR_HW_EXCEPTION, VEC_GP, 0);
	PASSES(e);
	e->v.guest_cr0 |= CR0_PE;
	error_code_missing(e);
	any_error_code(e);
	inject(e, INTR_HW_EXCEPTION, VEC_GP, 0);
	PASSES(e);
}

CHECK_TEST(inject_error_code_type)
{
	e->v.guest_rflags |= RFLAGS_IF;
	e->v.entry_instruction_length = 1;
	for (enum intr_type type = 0; type < 8; type++) {
		if (type == 1)
			continue;
		inject(e, type,
		       type == INTR_NMI   ? VEC_NMI :
		       type == INTR_OTHER ? 0 :
					    VEC_GP,
		       INTR_ERROR_CODE_VALID);
		if (type == INTR_HW_EXCEPTION)
			PASSES(e);
		else
			FIRES(e);
	}
	any_error_code(e);
	FIRES(e);
	inject(e, INTR_OTHER, 0, 0);
	PASSES(e);
}

CHECK_TEST(inject_error_code_real_mode)
{
	entry_real(e);
	inject(e, INTR_HW_EXCEPTION, VEC_GP, INTR_ERROR_CODE_VALID);
	FIRES(e);
	any_error_code(e);
	FIRES(e);
	e->v.guest_cr0 |= CR0_PE;
	PASSES(e);
}

/* Without "unrestricted guest", CR0.PE is for the checks on the guest state to find. */
TEST(inject_error_code_ignores_pe_of_restricted_guest)
{
	struct entry e = {.id = CHECK_guest_cr0};

	entry_32(&e);
	inject(&e, INTR_HW_EXCEPTION, VEC_GP, INTR_ERROR_CODE_VALID);
	e.v.guest_cr0 &= ~(CR0_PE | CR0_PG);
	FIRES(&e);
}

CHECK_TEST(inject_error_code_vector)
{
	for (u32 vector = 0; vector < 32; vector++) {
		inject(e, INTR_HW_EXCEPTION, vector, INTR_ERROR_CODE_VALID);
		if (has_error_code(vector))
			PASSES(e);
		else
			FIRES(e);
	}
	any_error_code(e);
	inject(e, INTR_HW_EXCEPTION, VEC_CP, INTR_ERROR_CODE_VALID);
	PASSES(e);
}

CHECK_TEST(inject_reserved)
{
	for (unsigned bit = 12; bit <= 30; bit++) {
		inject(e, INTR_HW_EXCEPTION, VEC_UD, 1u << bit);
		FIRES(e);
	}
	inject(e, INTR_HW_EXCEPTION, VEC_UD, 0);
	PASSES(e);
	e->v.entry_interruption_info = BITS(30, 0);
	PASSES(e);
}

CHECK_TEST(inject_error_code_high)
{
	inject(e, INTR_HW_EXCEPTION, VEC_PF, INTR_ERROR_CODE_VALID);
	e->v.entry_exception_error_code = 0x10000;
	FIRES(e);
	e->v.entry_exception_error_code = 0x80000000;
	FIRES(e);
	e->v.entry_exception_error_code = 0xffff;
	PASSES(e);
	e->v.entry_exception_error_code = 0x10000;
	inject(e, INTR_HW_EXCEPTION, VEC_UD, 0);
	PASSES(e);
}

static const enum intr_type software[] = {INTR_SW_INTERRUPT, INTR_PRIV_SW_EXCEPTION, INTR_SW_EXCEPTION};

CHECK_TEST(inject_length)
{
	for (unsigned i = 0; i < ARRAY_LEN(software); i++) {
		inject(e, software[i], VEC_BP, 0);
		e->v.entry_instruction_length = 16;
		FIRES(e);
		e->v.entry_instruction_length = 0xffffffff;
		FIRES(e);
		e->v.entry_instruction_length = 15;
		PASSES(e);
		e->v.entry_instruction_length = 1;
		PASSES(e);
	}
	e->v.entry_instruction_length = 16;
	inject(e, INTR_HW_EXCEPTION, VEC_UD, 0);
	PASSES(e);
}

CHECK_TEST(inject_length_zero)
{
	e->v.entry_instruction_length = 0;
	for (unsigned i = 0; i < ARRAY_LEN(software); i++) {
		inject(e, software[i], VEC_BP, 0);
		PASSES(e);
		e->caps.misc &= ~VMX_MISC_INJECT_LENGTH_0;
		FIRES(e);
		e->caps.misc |= VMX_MISC_INJECT_LENGTH_0;
	}
	e->caps.misc &= ~VMX_MISC_INJECT_LENGTH_0;
	e->v.entry_instruction_length = 1;
	PASSES(e);
	e->v.entry_instruction_length = 0;
	inject(e, INTR_HW_EXCEPTION, VEC_UD, 0);
	PASSES(e);
}

AREA_TESTS(entry_msr_load)

CHECK_TEST(entry_to_smm)
{
	on(e, CI_ENTRY_ENTRY_TO_SMM);
	FIRES(e);
	off(e, CI_ENTRY_ENTRY_TO_SMM);
	PASSES(e);
}

CHECK_TEST(deactivate_dual_monitor)
{
	on(e, CI_ENTRY_DEACTIVATE_DUAL_MONITOR);
	FIRES(e);
	off(e, CI_ENTRY_DEACTIVATE_DUAL_MONITOR);
	PASSES(e);
}
