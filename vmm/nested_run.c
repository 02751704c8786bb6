#include "vmm/nested_run.h"

#include "nested/check.h"
#include "nested/exit.h"
#include "nested/owner.h"
#include "vmm/apic.h"
#include "vmm/console.h"
#include "vmm/cr.h"
#include "vmm/ept01.h"
#include "vmm/ept02.h"
#include "vmm/event.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"
#include "vmm/msr_list.h"
#include "vmm/refusal.h"
#include "vmm/vmcs02.h"
#include "vmm/vmcs12.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"

/* SDM: "VMX Aborts". */
enum vmx_abort { ABORT_SAVE_MSRS = 1, ABORT_HOST_PDPTES = 2, ABORT_LOAD_MSRS = 4 };

/* What does not change from entry to entry is filled in once. */
static void gather_always(struct vcpu *v)
{
	v->check_in = (struct check_in){
		.v = v->nested.v12,
		.caps = &v->machine->l1,
		.efer_valid = v->machine->efer_valid,
		.debugctl_valid = BITS(15, 6) | BITS(1, 0),
		.rtm = v->machine->rtm,
	};
}

void nested_init(struct vcpu *v)
{
	v->nested.vmxon_pointer = NO_VMCS;
	vmcs02_init(v);
	vmcs12_init(v);
	gather_always(v);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (field_info[i].group == RO && i != FI_VM_INSTRUCTION_ERROR &&
		    !(i >= FI_IO_RCX && i <= FI_IO_RIP))
			field_set_add(&v->information, i);
}

/* --- from L2, or from a failed entry, to L1 --- */

static void __attribute__((noreturn)) vmx_abort(struct vcpu *v, enum vmx_abort indicator)
{
	u32 word = indicator;
	l1mem_write(v->machine, (l1pa_t){v->nested.current + offsetof(struct vmcs12, abort)}, &word, 4);
	vcpu_shutdown(v, "VMX abort %u", indicator);
}

/* What an exit loads of L1 is every field of the guest-state area that vmcs01 has and L1 does not own. */
#define PART_OF_L1(group, merge, control) \
	((group) == GUEST && ((merge) == COPY || (merge) == MERGE) && \
	 CI_##control != CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY && \
	 CI_##control != CI_PIN_ACTIVATE_PREEMPTION_TIMER)

/*
 * L1 executed VMLAUNCH or VMRESUME, and nothing has run since: it is active, and no debug exception is
 * pending. Of an unusable LDTR only the selector is defined, and the PDPTEs are of use to PAE paging alone.
 */
#define IS_NOT_WRITTEN(NAME) \
	(FI_##NAME == FI_GUEST_ACTIVITY_STATE || FI_##NAME == FI_GUEST_PENDING_DEBUG || \
	 FI_##NAME == FI_GUEST_LDTR_BASE || FI_##NAME == FI_GUEST_LDTR_LIMIT || \
	 (FI_##NAME >= FI_GUEST_PDPTE0 && FI_##NAME <= FI_GUEST_PDPTE3))

/* Requires vmcs01 loaded. This is the longest part of a nested exit. */
static inline void write_l1_state(struct vcpu *v, const struct vmcs_image *l1)
{
#define F(width, NAME, member, encoding, group, merge, control) \
	if (PART_OF_L1(group, merge, control) && !IS_NOT_WRITTEN(NAME)) \
		hw_vmwrite_known(VMCS_##NAME, &l1->f[FI_##NAME]);
#include "vmx/fields.def"
#undef F
	hw_vmwrite_known(VMCS_CR0_READ_SHADOW, &l1->f[FI_CR0_READ_SHADOW]);
	hw_vmwrite_known(VMCS_CR4_READ_SHADOW, &l1->f[FI_CR4_READ_SHADOW]);
	hw_vmwrite_known(VMCS_ENTRY_CONTROLS, &l1->f[FI_ENTRY_CONTROLS]);
	for (unsigned i = 0; v->vmcs12->host_pae && i < 4; i++)
		vcpu_write(v, VMCS_GUEST_PDPTE0 + 2 * i, l1->f[FI_GUEST_PDPTE0 + i]);
}

/* SDM: "Saving MSRs", "Loading MSRs", "Checking and Loading Host Page-Directory-Pointer-Table Entries". */
static NOINLINE void store_msrs(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;

	if (!msr_list_store(v, v12->exit_msr_store_addr, v12->exit_msr_store_count))
		vmx_abort(v, ABORT_SAVE_MSRS);
}

static NOINLINE void load_host_msrs(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;

	if (msr_list_load(v, v12->exit_msr_load_addr, v12->exit_msr_load_count))
		vmx_abort(v, ABORT_LOAD_MSRS);
}

static NOINLINE void load_host_pdptes(struct vcpu *v, u64 pdpte[4])
{
	if (!cr_load_pdptes(v->machine, v->nested.v12->host_cr3, pdpte))
		vmx_abort(v, ABORT_HOST_PDPTES);
}

/* From vmcs12's host state, unless it is what the last exit loaded. */
static NOINLINE void make_host_image(struct vcpu *v)
{
	const struct machine *m = v->machine;
	struct vmcs_image *l1 = &v->vmcs12->host_image;

	l1->f[FI_ENTRY_CONTROLS] = vcpu_read(v, VMCS_ENTRY_CONTROLS);
	exit_load_host(l1, v->nested.v12);
	l1->f[FI_GUEST_CR4] |= m->hw.cr4_fixed0;
	v->vmcs12->host_pae = exit_host_uses_pae(v->nested.v12);
	v->vmcs12->host_is_made = true;
}

/*
 * Loads L1 from vmcs12's host state. The guest values that an exit keeps are in *in. Leaves vmcs01
 * loaded. SDM: "Loading Host State".
 */
static inline __attribute__((always_inline)) void enter_l1(struct vcpu *v, struct exit_host_in *in)
{
	const struct vmcs12 *v12 = v->nested.v12;

	vmcs12_give(v); /* and vmcs01 */
	v->nested.in_l2 = false;
	if (v->machine->apic_shown)
		apic_show_page(v, false);
	if (!v->vmcs12->host_is_made)
		make_host_image(v);
	if (v->vmcs12->host_pae) {
		load_host_pdptes(v, v->host_pdpte);
		in->pdpte = v->host_pdpte;
	}
	exit_load_kept(&v->vmcs12->host_image, in);
	v->vmcs12->host_image.f[FI_GUEST_CR0] |= v->machine->hw.cr0_fixed0;
	write_l1_state(v, &v->vmcs12->host_image);
	if (v12->exit_msr_load_count)
		load_host_msrs(v);
}

/* What an exit keeps of the guest's, in the loaded VMCS. */
static void gather_kept(struct vcpu *v, struct exit_host_in *in)
{
	u64 controls = v->nested.v12->exit_controls;

	in->v = v->nested.v12;
	in->cr0 = vcpu_read(v, VMCS_GUEST_CR0);
	in->efer = controls & EXIT_LOAD_IA32_EFER ? 0 : vcpu_read(v, VMCS_GUEST_IA32_EFER);
	in->pat = controls & EXIT_LOAD_IA32_PAT ? 0 : vcpu_read(v, VMCS_GUEST_IA32_PAT);
	in->pdpte = 0;
}

/*
 * NMIs are blocked after an exit for an NMI, and where physical NMIs were blocked in L2 already: where
 * the bit of the interruptibility state is not about virtual NMIs.
 */
static bool blocks_nmis(const struct vcpu *v, bool is_nmi)
{
	return is_nmi || (!(v->nested.v12->pin_controls & PIN_VIRTUAL_NMIS) &&
			  (vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI));
}

/* An exit to L1, its information in v12 or (.stale) in vmcs02. Requires vmcs02 loaded. */
static NOINLINE void leave_l2(struct vcpu *v, bool is_nmi)
{
	struct vmcs12 *v12 = v->nested.v12;

	if (exit_clears_injection(v12))
		vmcs12_changed(v, FI_ENTRY_INTERRUPTION_INFO);
	if (v12->exit_msr_store_count)
		store_msrs(v);
	struct exit_host_in in;
	gather_kept(v, &in);
	in.nmi_blocking = blocks_nmis(v, is_nmi);
	if (in.nmi_blocking)
		cpu_unblock_nmis(); /* for L0; L1's blocking is vmcs01's to track */
	enter_l1(v, &in);
}

/* L1 gets the exit that hardware took, word for word. */
static void pass_exit(struct vcpu *v)
{
	event_leave_l2(v);
	vmcs12_exited(v);
	leave_l2(v, false);
}

/* L1 gets an exit that L0 made, or changed. */
static NOINLINE void exit_to_l1(struct vcpu *v, const struct exit_record *r)
{
	bool is_nmi = r->reason == EXIT_REASON_EXCEPTION_NMI && INTR_TYPE(r->intr_info) == INTR_NMI;

	event_leave_l2(v);
	vmcs12_exited_by_l0(v);
	exit_record(v->nested.v12, r);
	leave_l2(v, is_nmi);
}

/*
 * A VM entry that failed late: nothing of the guest is saved. Whichever VMCS is loaded. vmcs02 holds
 * nothing that can be built upon.
 */
static NOINLINE void fail_entry(struct vcpu *v, u32 reason, u64 qualification)
{
	struct exit_record r = {.reason = reason | (u32)EXIT_REASON_ENTRY_FAILURE,
				.qualification = qualification};
	struct exit_host_in in = {
		.v = v->nested.v12,
		.cr0 = vcpu_read(v, VMCS_GUEST_CR0),
		.efer = vcpu_read(v, VMCS_GUEST_IA32_EFER),
		.pat = vcpu_read(v, VMCS_GUEST_IA32_PAT),
		.nmi_blocking = vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI,
	};

	if (v->nested.in_l2)
		event_leave_l2(v);
	v->vmcs12->in_vmcs02 = false;
	exit_record(v->nested.v12, &r);
	vmcs12_changed(v, FI_EXIT_REASON);
	vmcs12_changed(v, FI_EXIT_QUALIFICATION);
	enter_l1(v, &in);
}

static NOINLINE struct exit_record hardware_record(struct vcpu *v)
{
	const struct exit_info *e = &v->exit;

	vcpu_read_details(v);
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
	};
}

/* EPT12 allows the access: L0's. Does not: L1's, with what EPT12 says. True where dealt with. */
static NOINLINE bool handle_ept(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;

	if (!v12_proc2(v12, PROC2_ENABLE_EPT))
		return false; /* L2's addresses are L1's: EPT01 */
	vcpu_read_details(v);
	ASSERT(v->exit.reason == EXIT_REASON_EPT_VIOLATION, "EPT02 is misconfigured for %#lx",
	       v->exit.gpa);
	struct ept12_result r = ept02_violation(v, v12->ept_pointer);
	if (r.kind == EPT12_MAPPED) {
		event_deliver_again(v);
		if (ept01_is_apic(v->machine, r.address))
			apic_access(v, r.address);
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

static enum owner owner_now(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	struct owner_in in = {.v = v12, .reason = v->exit.reason, .intr_info = v->exit.intr_info};

	in.forced = v->events.was_forced;
	if (in.reason == EXIT_REASON_CR_ACCESS)
		in.qualification = vcpu_read(v, VMCS_EXIT_QUALIFICATION);
	if (in.reason == EXIT_REASON_RDMSR || in.reason == EXIT_REASON_WRMSR) {
		in.msr = (u32)v->gpr[RCX];
		if (v12->proc_controls & PROC_USE_MSR_BITMAPS)
			in.msr_bitmap12 = l1mem_page(v->machine, (l1pa_t){v12->msr_bitmap});
	}
	return owner_of_exit(&in);
}

/* Exits whose information L0 has a hand in: exceptions and triple faults (R48, R49). */
static bool is_recorded(u32 reason)
{
	return reason == EXIT_REASON_EXCEPTION_NMI || reason == EXIT_REASON_TRIPLE_FAULT;
}

static NOINLINE bool entry_refused(struct vcpu *v)
{
	vcpu_read_details(v);
	log_line("L2 entry refused by hardware: %s, qualification %lu",
		 exit_reason_name(v->exit.reason & 0xffff), v->exit.qualification);
	fail_entry(v, v->exit.reason & 0xffff, v->exit.qualification);
	return true;
}

static NOINLINE bool record_exit(struct vcpu *v)
{
	struct exit_record r = hardware_record(v);

	exit_to_l1(v, &r);
	return true;
}

static NOINLINE bool handle_by_owner(struct vcpu *v)
{
	switch (owner_now(v)) {
	case OWNER_L0:
		return false;
	case OWNER_EPT:
		return handle_ept(v);
	case OWNER_L1:
		if (is_recorded(v->exit.reason))
			return record_exit(v);
		pass_exit(v);
		return true;
	default:
		PANIC("exit reason %#x of L2 is unknown", v->exit.reason);
	}
}

NOINLINE bool nested_handle_exit(struct vcpu *v)
{
	if (v->exit.reason & EXIT_REASON_ENTRY_FAILURE)
		return entry_refused(v);
	v->events.entry_pending = false;
	v->nested.v12->launch = VMCS12_LAUNCHED;
	if (!owner_is_l1(v->exit.reason))
		return handle_by_owner(v);
	if (is_recorded(v->exit.reason))
		return record_exit(v);
	pass_exit(v);
	return true;
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

static void gather_pdptes(const struct vcpu *v, u64 pdpte[4])
{
	const struct vmcs12 *v12 = v->nested.v12;
	bool used = !v12_proc2(v12, PROC2_ENABLE_EPT) && merge_uses_pae(v12);
	u64 table = v12->guest_cr3 & 0xffffffe0;

	for (unsigned i = 0; i < 4; i++)
		pdpte[i] = used ? l1mem_read64(v->machine, (l1pa_t){table + 8 * i}) : 0;
}

/* What changes from entry to entry without being a field of vmcs12. */
static void gather_outside(struct vcpu *v)
{
	const struct machine *m = v->machine;
	const struct vmcs12 *v12 = v->nested.v12;
	struct check_in *in = &v->check_in;

	in->current_vmcs.v = v->nested.current;
	in->vtpr = in->link_revision = 0;
	if (v12->proc_controls & PROC_USE_TPR_SHADOW)
		in->vtpr = l1mem_read32(m, (l1pa_t){(v12->virtual_apic_address & PAGE_MASK) + 0x80});
	if (v12->vmcs_link_pointer != NO_VMCS)
		in->link_revision = l1mem_read32(m, (l1pa_t){v12->vmcs_link_pointer & PAGE_MASK});
	gather_pdptes(v, in->pdpte);
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

/* The first check that fails, of all. */
static NOINLINE enum check_id check_all(struct vcpu *v)
{
	vmcs12_pull_all(v);
	gather_outside(v);
	enum check_id id = check_controls_and_host(&v->check_in);
	return id != CHECK_PASSED ? id : check_guest(&v->check_in);
}

/* L2 uses PAE paging without EPT12: the PDPTEs in memory belong to the guest state. */
static bool has_pdptes_in_memory(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;

	if (v12_proc2(v12, PROC2_ENABLE_EPT) || (v12->entry_controls & ENTRY_IA32E_MODE_GUEST))
		return false;
	vmcs12_pull(v, &v->pae_fields);
	return merge_uses_pae(v12);
}

/* What the checks look at outside vmcs12, and may be another at each entry. */
static bool add_what_is_outside(struct vcpu *v, struct check_work *work)
{
	const struct check_index *index = &v->machine->check_index;
	const struct vmcs12 *v12 = v->nested.v12;
	bool any = false;

	if (v12->proc_controls & PROC_USE_TPR_SHADOW)
		check_work_add(work, index, IN_VTPR), any = true;
	if (v12->vmcs_link_pointer != NO_VMCS)
		check_work_add(work, index, IN_LINK_REVISION), any = true;
	return any;
}

/*
 * The checks that look at anything that has changed since the last entry: the others held then, and what an
 * exit has saved of L2 holds. False where so much has changed that the long way is no longer.
 */
static NOINLINE bool plan_entry(struct vcpu *v, bool pdptes)
{
	struct vmcs12_state *s = v->vmcs12;
	struct entry_plan *p = &s->entry_plan;
	const struct check_index *index = &v->machine->check_index;
	bool same_mode = v->check_in.l1_ia32e == s->l1_ia32e, fits = true;
	struct check_work work = {{{0}}, {{0}}};

	field_list_clear(&p->copied);
	FIELD_SET_EACH (i, &s->dirty) {
		check_work_add(&work, index, (unsigned)i);
		if (field_set_has(&v->copied_fields, (enum field_index)i))
			fits &= field_list_add(&p->copied, (enum field_index)i);
	}
	p->outside = add_what_is_outside(v, &work);
	for (unsigned i = IN_PDPTE0; pdptes && i <= IN_PDPTE3; i++)
		check_work_add(&work, index, i);
	if (!same_mode)
		check_work_add(&work, index, IN_L1_IA32E);
	fits &= check_list_make(&p->checks, &work.rows);
	p->dirty = s->dirty;
	p->host = field_set_meets(&s->dirty, &v->host_fields);
	p->looked_at = work.fields;
	if (v->vmcs12->efer_merged)
		field_set_add_all(&p->looked_at, &v->efer_fields);
	p->pdptes = pdptes;
	p->valid = fits && same_mode;
	return fits;
}

/* vmcs02 can be made by writing what has changed, and .entry_plan is the way. */
static bool entry_is_planned(struct vcpu *v)
{
	const struct vmcs12_state *s = v->vmcs12;
	const struct entry_plan *p = &s->entry_plan;

	if (!vmcs02_is_close(v))
		return false;
	bool pdptes = has_pdptes_in_memory(v);
	if (p->valid && field_set_same(&p->dirty, &s->dirty) && p->pdptes == pdptes &&
	    v->check_in.l1_ia32e == s->l1_ia32e)
		return true;
	return plan_entry(v, pdptes);
}

static enum check_id check_planned(struct vcpu *v)
{
	const struct entry_plan *p = &v->vmcs12->entry_plan;

	vmcs12_pull(v, &p->looked_at);
	if (p->outside || p->pdptes)
		gather_outside(v);
	return check_listed(&v->check_in, &p->checks);
}

static NOINLINE struct insn_outcome refuse_entry(struct vcpu *v, const struct check_in *in,
						 enum check_id id)
{
	vmcs12_pull_all(v); /* the words need more than the row that failed */
	refusal_log(v->machine, in, id);
	switch (check_info[id].failure) {
	case FAIL_CTL:
		return fail(VMERR_ENTRY_BAD_CONTROLS);
	case FAIL_HOST:
		return fail(VMERR_ENTRY_BAD_HOST_STATE);
	default:
		fail_entry(v, EXIT_REASON_ENTRY_GUEST_STATE, guest_failure_qualification(id));
		return INSN_OK;
	}
}

/* SDM: "Loading MSRs". */
static NOINLINE void load_msrs(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	u32 failed = msr_list_load(v, v12->entry_msr_load_addr, v12->entry_msr_load_count);

	if (!failed)
		return;
	msr_list_log_refusal(v, v12->entry_msr_load_addr, failed);
	fail_entry(v, EXIT_REASON_ENTRY_MSR_LOAD, failed);
}

struct insn_outcome nested_enter(struct vcpu *v)
{
	v->l1_efer = vcpu_read(v, VMCS_GUEST_IA32_EFER);
	v->check_in.l1_ia32e = v->l1_efer & EFER_LMA;
	bool planned = entry_is_planned(v);
	enum check_id id = planned ? check_planned(v) : check_all(v);
	if (!planned || v->vmcs12->entry_plan.host)
		v->vmcs12->host_is_made = false;
	if (id != CHECK_PASSED)
		return refuse_entry(v, &v->check_in, id);
	v->vmcs12->l1_ia32e = v->check_in.l1_ia32e;
	if (planned)
		vmcs02_update(v, v->check_in.pdpte);
	else
		vmcs02_make(v, v->check_in.pdpte);
	if (v->nested.v12->entry_msr_load_count)
		load_msrs(v);
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
	v->vmcs12->in_vmcs02 = false;
	vmcs_load(&v->vmcs01);
	v->nested.in_l2 = false;
	apic_show_page(v, false);
	v->nested.v12->vm_instruction_error = error;
	vmcs12_changed(v, FI_VM_INSTRUCTION_ERROR);
	vmcs12_give(v);
	vcpu_write(v, VMCS_GUEST_RFLAGS,
		   insn_flags(&v->nested, vcpu_read(v, VMCS_GUEST_RFLAGS), outcome));
	vcpu_set_insn_length(v, 3); /* VMLAUNCH and VMRESUME */
	vcpu_skip(v);
}
