#include "vmm/nested_run.h"

#include "nested/check.h"
#include "nested/exit.h"
#include "nested/merge.h"
#include "nested/msr_area.h"
#include "nested/owner.h"
#include "vmm/console.h"
#include "vmm/cr.h"
#include "vmm/ept01.h"
#include "vmm/ept02.h"
#include "vmm/event.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"
#include "vmm/msr.h"
#include "vmm/refusal_pure.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"
#include "vmx/msr.h"

/* SDM: "VMX Aborts". */
enum vmx_abort { ABORT_SAVE_MSRS = 1, ABORT_HOST_PDPTES = 2, ABORT_LOAD_MSRS = 4 };

struct msr_entry {
	u32 number, reserved;
	u64 value;
};

/* --- vmcs02's fields, written only where they differ --- */

static bool in_image(const struct vcpu *v, enum field_index i)
{
	u8 merge = field_info[i].merge;
	return (merge == COPY || merge == MERGE || merge == XLATE) && caps_has_field(&v->machine->hw, i);
}

static void apply_image(struct vcpu *v, const struct vmcs_image *image)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		if (!in_image(v, i) || image->f[i] == v->vmcs02_image.f[i])
			continue;
		vcpu_write(v, field_info[i].encoding, image->f[i]);
		v->vmcs02_image.f[i] = image->f[i];
	}
}

/* What hardware, or L0 between two exits, may have changed since apply_image(). */
static bool may_have_changed(enum field_index i)
{
	return field_info[i].group == GUEST || i == FI_ENTRY_CONTROLS || i == FI_PROC_CONTROLS ||
	       i == FI_EXCEPTION_BITMAP;
}

static void read_image(struct vcpu *v)
{
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (in_image(v, i) && may_have_changed(i))
			v->vmcs02_image.f[i] = vcpu_read(v, field_info[i].encoding);
}

void nested_init(struct vcpu *v)
{
	struct machine *m = v->machine;

	v->nested.current = NO_VMCS;
	v->nested.vmxon_pointer = NO_VMCS;
	v->nested.v12 = page_alloc_must(m);
	v->msr_bitmap02 = page_alloc_must(m);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (in_image(v, i))
			vcpu_write(v, field_info[i].encoding, 0);
	vcpu_write(v, VMCS_VPID, VPID02);
	vcpu_write(v, VMCS_MSR_BITMAP, l0_pa(m, v->msr_bitmap02).v);
}

void nested_write_back(struct vcpu *v)
{
	struct nested *n = &v->nested;
	if (n->current != NO_VMCS)
		l1mem_write(v->machine, (l1pa_t){n->current}, n->v12, sizeof(*n->v12));
}

/* --- MSR areas --- */

static struct msr_entry read_msr_entry(const struct vcpu *v, u64 area, u32 index)
{
	struct msr_entry e;
	l1mem_read(v->machine, (l1pa_t){area + 16ul * index}, &e, sizeof(e));
	return e;
}

/* Gives 0, or the 1-based index of the entry that cannot be loaded; those before it are (R44). */
static u32 load_msrs(struct vcpu *v, u64 area, u64 count)
{
	for (u32 i = 0; i < count; i++) {
		struct msr_entry e = read_msr_entry(v, area, i);
		if (msr_area_load(e.number, e.reserved) != RULE_COUNT || !msr_write(v, e.number, e.value))
			return i + 1;
	}
	return 0;
}

static bool store_msrs(struct vcpu *v, u64 area, u64 count)
{
	for (u32 i = 0; i < count; i++) {
		struct msr_entry e = read_msr_entry(v, area, i);
		if (e.reserved || (e.number >= MSR_X2APIC_FIRST && e.number <= MSR_X2APIC_LAST) ||
		    !msr_read(v, e.number, &e.value))
			return false;
		l1mem_write(v->machine, (l1pa_t){area + 16ul * i + 8}, &e.value, 8);
	}
	return true;
}

/* The same bound on both: more than this is "undefined behaviour", and must not stall L0. */
static u64 bounded(const struct vcpu *v, u64 count)
{
	u64 max = VMX_MISC_MSR_LIST_MAX(v->machine->l1.misc);
	return count < max ? count : max;
}

/* --- from L2, or from a failed entry, to L1 --- */

static void __attribute__((noreturn)) vmx_abort(struct vcpu *v, enum vmx_abort indicator)
{
	u32 word = indicator;
	l1mem_write(v->machine, (l1pa_t){v->nested.current + offsetof(struct vmcs12, abort)}, &word, 4);
	vcpu_shutdown(v, "VMX abort %u", indicator);
}

/* Linear translations go at each transition where L2 has no VPID of its own (R86). */
static void flush_without_vpid(const struct vcpu *v)
{
	if (v12_proc2(v->nested.v12, PROC2_ENABLE_VPID))
		return;
	hw_invvpid(INVVPID_SINGLE, VPID01, 0);
	hw_invvpid(INVVPID_SINGLE, VPID02, 0);
}

static bool part_of_l1(enum field_index i)
{
	u8 merge = field_info[i].merge, control = field_info[i].control;
	return field_info[i].group == GUEST && (merge == COPY || merge == MERGE) &&
	       control != CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY &&
	       control != CI_PIN_ACTIVATE_PREEMPTION_TIMER;
}

/* Requires vmcs01 loaded. */
static void write_l1_state(struct vcpu *v, struct vmcs_image *l1)
{
	l1->f[FI_GUEST_CR0] |= v->machine->hw.cr0_fixed0;
	l1->f[FI_GUEST_CR4] |= v->machine->hw.cr4_fixed0;
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (part_of_l1(i) || i == FI_CR0_READ_SHADOW || i == FI_CR4_READ_SHADOW ||
		    i == FI_ENTRY_CONTROLS)
			vcpu_write(v, field_info[i].encoding, l1->f[i]);
}

/*
 * Loads L1 from vmcs12's host state. The guest values that an exit keeps are in *in. Leaves vmcs01
 * loaded. SDM: "Loading Host State".
 */
static void enter_l1(struct vcpu *v, struct exit_host_in *in)
{
	const struct vmcs12 *v12 = v->nested.v12;
	struct vmcs_image l1;

	in->v = v12;
	in->hw = &v->machine->hw;
	vmcs_load(&v->vmcs01);
	v->nested.in_l2 = false;
	memset(in->pdpte, 0, sizeof(in->pdpte));
	if (exit_host_uses_pae(v12) && !cr_load_pdptes(v->machine, v12->host_cr3, in->pdpte))
		vmx_abort(v, ABORT_HOST_PDPTES);
	l1.f[FI_ENTRY_CONTROLS] = vcpu_read(v, VMCS_ENTRY_CONTROLS);
	exit_load_host(&l1, in);
	write_l1_state(v, &l1);
	flush_without_vpid(v);
	if (load_msrs(v, v12->exit_msr_load_addr, bounded(v, v12->exit_msr_load_count)))
		vmx_abort(v, ABORT_LOAD_MSRS);
}

/* An exit to L1. Requires vmcs02 loaded. */
static void exit_to_l1(struct vcpu *v, const struct exit_record *r)
{
	struct vmcs12 *v12 = v->nested.v12;
	const struct vmcs_image *l2 = &v->vmcs02_image;
	bool virtual_nmis = !(v12->pin_controls & PIN_NMI_EXITING) ||
			    (v12->pin_controls & PIN_VIRTUAL_NMIS);
	bool is_nmi = r->reason == EXIT_REASON_EXCEPTION_NMI && INTR_TYPE(r->intr_info) == INTR_NMI;

	event_leave_l2(v);
	read_image(v);
	exit_save_guest(v12, l2);
	exit_record(v12, r);
	if (!store_msrs(v, v12->exit_msr_store_addr, bounded(v, v12->exit_msr_store_count)))
		vmx_abort(v, ABORT_SAVE_MSRS);
	struct exit_host_in in = {
		.cr0 = l2->f[FI_GUEST_CR0],
		.efer = l2->f[FI_GUEST_IA32_EFER],
		.pat = l2->f[FI_GUEST_IA32_PAT],
		.nmi_blocking = is_nmi || ((!virtual_nmis || !(v12->pin_controls & PIN_NMI_EXITING)) &&
					   (l2->f[FI_GUEST_INTERRUPTIBILITY] & BLOCKING_NMI)),
	};
	enter_l1(v, &in);
}

/* A VM entry that failed late: nothing of the guest is saved. Whichever VMCS is loaded. */
static void fail_entry(struct vcpu *v, u32 reason, u64 qualification)
{
	struct exit_record r = {.reason = reason | (u32)EXIT_REASON_ENTRY_FAILURE,
				.qualification = qualification};
	struct exit_host_in in = {
		.cr0 = vcpu_read(v, VMCS_GUEST_CR0),
		.efer = vcpu_read(v, VMCS_GUEST_IA32_EFER),
		.pat = vcpu_read(v, VMCS_GUEST_IA32_PAT),
		.nmi_blocking = vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI,
	};
	if (v->nested.in_l2) {
		event_leave_l2(v);
		read_image(v);
	}
	exit_record(v->nested.v12, &r);
	enter_l1(v, &in);
}

static struct exit_record hardware_record(const struct vcpu *v)
{
	const struct exit_info *e = &v->exit;
	return (struct exit_record){
		.reason = e->reason,
		.qualification = e->qualification,
		.linear_address = vcpu_read(v, VMCS_GUEST_LINEAR_ADDRESS),
		.physical_address = vcpu_read(v, VMCS_GUEST_PHYSICAL_ADDRESS),
		.intr_info = e->intr_info,
		.intr_error_code = e->intr_error_code,
		.vectoring_info = e->vectoring_info,
		.vectoring_error_code = e->vectoring_error_code,
		.insn_length = e->insn_length,
		.insn_info = (u32)vcpu_read(v, VMCS_EXIT_INSTRUCTION_INFO),
		.io_rcx = vcpu_read(v, VMCS_IO_RCX),
		.io_rsi = vcpu_read(v, VMCS_IO_RSI),
		.io_rdi = vcpu_read(v, VMCS_IO_RDI),
		.io_rip = vcpu_read(v, VMCS_IO_RIP),
	};
}

/* EPT12 allows the access: L0's. Does not: L1's, with what EPT12 says. True where dealt with. */
static bool handle_ept(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;

	if (!v12_proc2(v12, PROC2_ENABLE_EPT))
		return false; /* L2's addresses are L1's: EPT01 */
	ASSERT(v->exit.reason == EXIT_REASON_EPT_VIOLATION, "EPT02 is misconfigured for %#lx",
	       v->exit.gpa);
	struct ept12_result r = ept02_violation(v, v12->ept_pointer);
	if (r.kind == EPT12_MAPPED) {
		event_deliver_again(v);
		return true;
	}
	struct exit_record record = hardware_record(v);
	if (r.kind == EPT12_MISCONFIGURATION) {
		record.reason = EXIT_REASON_EPT_MISCONFIGURATION;
		record.qualification = 0;
	} else {
		record.qualification &= ~(u64)(EPT_RWX << EPTV_PERMISSIONS_SHIFT);
		record.qualification |= r.rights << EPTV_PERMISSIONS_SHIFT;
	}
	exit_to_l1(v, &record);
	return true;
}

static enum owner owner_now(const struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	struct owner_in in = {
		.v = v12,
		.reason = v->exit.reason,
		.intr_info = v->exit.intr_info,
		.msr = (u32)v->gpr[RCX],
		.stepping = v->step.active,
		.forced = v->events.was_forced,
	};
	if (v12->proc_controls & PROC_USE_MSR_BITMAPS)
		in.msr_bitmap12 = l1mem_page(v->machine, (l1pa_t){v12->msr_bitmap});
	return owner_of_exit(&in);
}

bool nested_handle_exit(struct vcpu *v)
{
	if (v->exit.reason & EXIT_REASON_ENTRY_FAILURE) {
		log_line("L2 entry refused by hardware: %s, qualification %lu",
			 exit_reason_name(v->exit.reason & 0xffff), v->exit.qualification);
		fail_entry(v, v->exit.reason & 0xffff, v->exit.qualification);
		return true;
	}
	v->nested.v12->launch = VMCS12_LAUNCHED;
	switch (owner_now(v)) {
	case OWNER_L0:
		return false;
	case OWNER_EPT:
		return handle_ept(v);
	case OWNER_L1: {
		struct exit_record r = hardware_record(v);
		exit_to_l1(v, &r);
		return true;
	}
	default:
		PANIC("exit reason %#x of L2 is unknown", v->exit.reason);
	}
}

bool nested_exception_to_l1(struct vcpu *v, u32 info, u32 error_code)
{
	if (!(v->nested.v12->exception_bitmap >> (info & INTR_VECTOR) & 1))
		return false;
	struct exit_record r = hardware_record(v);
	r.reason = EXIT_REASON_EXCEPTION_NMI;
	r.qualification = 0;
	r.intr_info = info;
	r.intr_error_code = error_code;
	exit_to_l1(v, &r);
	return true;
}

void nested_exit(struct vcpu *v, const struct exit_record *r)
{
	exit_to_l1(v, r);
}

/* --- from L1 to L2 --- */

static struct insn_outcome fail(enum vm_instruction_error error)
{
	return (struct insn_outcome){.kind = INSN_FAIL, .error = error};
}

static struct check_in gather_checks(const struct vcpu *v)
{
	const struct machine *m = v->machine;
	const struct vmcs12 *v12 = v->nested.v12;
	struct check_in in = {
		.v = v12,
		.caps = &m->l1,
		.l1_ia32e = vcpu_read(v, VMCS_GUEST_IA32_EFER) & EFER_LMA,
		.efer_valid = m->efer_valid,
		.debugctl_valid = BITS(15, 6) | BITS(1, 0),
		.rtm = cpu_cpuid(7, 0).ebx & BIT(11),
		.current_vmcs = {v->nested.current},
	};
	if (v12->proc_controls & PROC_USE_TPR_SHADOW)
		in.vtpr = l1mem_read32(m, (l1pa_t){(v12->virtual_apic_address & PAGE_MASK) + 0x80});
	if (v12->vmcs_link_pointer != NO_VMCS)
		in.link_revision = l1mem_read32(m, (l1pa_t){v12->vmcs_link_pointer & PAGE_MASK});
	if (merge_uses_pae(v12) && !v12_proc2(v12, PROC2_ENABLE_EPT))
		for (unsigned i = 0; i < 4; i++)
			in.pdpte[i] = l1mem_read64(m, (l1pa_t){(v12->guest_cr3 & 0xffffffe0) + 8 * i});
	return in;
}

static void log_refusal(const struct check_in *in, enum check_id id)
{
	char text[REFUSAL_TEXT];

	refusal_check(text, in, id);
	log_line("L2 entry refused: %s", text);
}

/* index: from 1, in the VM-entry MSR-load area. */
static void log_msr_refusal(const struct vcpu *v, u32 index)
{
	struct msr_entry e = read_msr_entry(v, v->nested.v12->entry_msr_load_addr, index - 1);
	enum rule_id rule = msr_area_load(e.number, e.reserved);
	char text[REFUSAL_TEXT];

	refusal_msr(text, index, e.number, e.value, rule == RULE_COUNT ? RULE_msr_load_fault : rule);
	log_line("L2 entry refused: %s", text);
}

static u64 guest_failure_qualification(enum check_id id)
{
	switch (check_info[id].failure) {
	case FAIL_GUEST_PDPTE:
		return 2;
	case FAIL_GUEST_LINK:
		return 4;
	default:
		return 0;
	}
}

/* L1's bitmap and what L0 itself must see. */
static void merge_msr_bitmap(struct vcpu *v)
{
	const struct machine *m = v->machine;
	const u64 *l1 = l1mem_page(m, (l1pa_t){v->nested.v12->msr_bitmap});
	const u64 *l0 = l0_va(m, m->msr_bitmap);

	if (!(v->nested.v12->proc_controls & PROC_USE_MSR_BITMAPS))
		return;
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		v->msr_bitmap02[i] = l1 ? l1[i] | l0[i] : ~0ul;
}

/* Addresses that L1 chose, as hardware may use them. */
static void translate_addresses(struct vcpu *v, struct vmcs_image *image)
{
	const struct machine *m = v->machine;
	const struct vmcs12 *v12 = v->nested.v12;

	image->f[FI_IO_BITMAP_A] = l1mem_hpa(m, (l1pa_t){v12->io_bitmap_a}).v;
	image->f[FI_IO_BITMAP_B] = l1mem_hpa(m, (l1pa_t){v12->io_bitmap_b}).v;
	if (l0_owns(m, v12->virtual_apic_address)) /* what hardware wrote there last time is gone */
		memset(l0_va(m, m->ept01.sink), 0xff, PAGE_SIZE);
	image->f[FI_VIRTUAL_APIC_ADDRESS] = l1mem_hpa_writable(m, (l1pa_t){v12->virtual_apic_address}).v;
	image->f[FI_APIC_ACCESS_ADDRESS] = l1mem_hpa(m, (l1pa_t){v12->apic_access_address}).v;
}

/* Writes the guest's translation roots, and keeps VPID02 to one VPID of L1's at a time. */
static void set_translation(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	bool ept12 = v12_proc2(v12, PROC2_ENABLE_EPT);

	vcpu_write(v, VMCS_EPT_POINTER,
		   ept12 ? ept02_pointer(v, v12->ept_pointer) : v->machine->ept01.eptp);
	if (!ept12 && v12_proc2(v12, PROC2_VIRTUALIZE_APIC_ACCESSES))
		ept01_split(v->machine, (l1pa_t){v12->apic_access_address}); /* must be a 4 KiB page */
	flush_without_vpid(v);
	if (v12_proc2(v12, PROC2_ENABLE_VPID) && v12->vpid != v->last_vpid12) {
		hw_invvpid(INVVPID_SINGLE, VPID02, 0);
		v->last_vpid12 = (u16)v12->vpid;
	}
}

static void switch_to_l2(struct vcpu *v, const struct check_in *checks)
{
	struct vmcs_image image = v->vmcs02_image;
	struct merge_in in = {
		.v = v->nested.v12,
		.hw = &v->machine->hw,
		.l1_efer = vcpu_read(v, VMCS_GUEST_IA32_EFER),
		.l1_pat = vcpu_read(v, VMCS_GUEST_IA32_PAT),
		.l1_dr7 = vcpu_read(v, VMCS_GUEST_DR7),
		.l1_debugctl = vcpu_read(v, VMCS_GUEST_IA32_DEBUGCTL),
	};
	memcpy(in.pdpte, checks->pdpte, sizeof(in.pdpte));
	merge_vmcs02(&image, &in);
	translate_addresses(v, &image);
	merge_msr_bitmap(v);
	event_enter_l2(v);
	event_put_in_flight(v, (u32)v->nested.v12->entry_interruption_info,
			    (u32)v->nested.v12->entry_exception_error_code,
			    (u32)v->nested.v12->entry_instruction_length);
	vmcs_load(&v->vmcs02);
	v->nested.in_l2 = true;
	apply_image(v, &image);
	set_translation(v);
}

struct insn_outcome nested_enter(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	struct check_in in = gather_checks(v);
	enum check_id id = check_controls_and_host(&in);
	u32 failed;

	if (id != CHECK_PASSED) {
		bool controls = check_info[id].failure == FAIL_CTL;
		log_refusal(&in, id);
		return fail(controls ? VMERR_ENTRY_BAD_CONTROLS : VMERR_ENTRY_BAD_HOST_STATE);
	}
	id = check_guest(&in);
	if (id != CHECK_PASSED) {
		log_refusal(&in, id);
		fail_entry(v, EXIT_REASON_ENTRY_GUEST_STATE, guest_failure_qualification(id));
		return INSN_OK;
	}
	switch_to_l2(v, &in);
	failed = load_msrs(v, v12->entry_msr_load_addr, bounded(v, v12->entry_msr_load_count));
	if (failed) {
		log_msr_refusal(v, failed);
		fail_entry(v, EXIT_REASON_ENTRY_MSR_LOAD, failed);
	}
	return INSN_OK;
}

/* L1 is told what hardware said. Its RIP still stands at the instruction. */
void nested_entry_refused(struct vcpu *v)
{
	u32 error = (u32)vcpu_read(v, VMCS_VM_INSTRUCTION_ERROR);
	struct insn_outcome outcome = fail(error);

	log_line("L2 entry refused by hardware: %s", vm_instruction_error_name(error));
	event_entry_failed(v);
	event_leave_l2(v);
	read_image(v);
	vmcs_load(&v->vmcs01);
	v->nested.in_l2 = false;
	v->nested.v12->vm_instruction_error = error;
	vcpu_write(v, VMCS_GUEST_RFLAGS,
		   insn_flags(&v->nested, vcpu_read(v, VMCS_GUEST_RFLAGS), outcome));
	v->exit.insn_length = 3; /* VMLAUNCH and VMRESUME */
	vcpu_skip(v);
}
