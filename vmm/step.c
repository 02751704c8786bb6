#include "vmm/step.h"

#include "vmm/event.h"
#include "vmm/lib.h"
#include "vmx/cpu.h"
#include "vmx/ept_entry.h"
#include "vmx/msr.h"

#define BREAKPOINTS 0xful /* B0 to B3, in DR6 and in the exit qualification */
#define ENABLED_BREAKPOINT BIT(12) /* of the pending debug exceptions */

/* What a step changes in the guest's VMCS; all of it comes back. */
static const enum vmcs_field borrowed[STEP_FIELDS] = {
	[STEP_RFLAGS] = VMCS_GUEST_RFLAGS,          [STEP_BLOCKING] = VMCS_GUEST_INTERRUPTIBILITY,
	[STEP_PENDING] = VMCS_GUEST_PENDING_DEBUG,  [STEP_DEBUGCTL] = VMCS_GUEST_IA32_DEBUGCTL,
	[STEP_EXCEPTIONS] = VMCS_EXCEPTION_BITMAP,  [STEP_PFEC_MASK] = VMCS_PFEC_MASK,
	[STEP_PFEC_MATCH] = VMCS_PFEC_MATCH,        [STEP_PIN] = VMCS_PIN_CONTROLS,
	[STEP_TIMER] = VMCS_PREEMPTION_TIMER_VALUE,
};

static void change(struct vcpu *v, enum step_field i, u64 value)
{
	vcpu_write(v, borrowed[i], value);
}

/*
 * IF is 0 so that no interrupt comes first. Blocking by STI or MOV SS with the trap flag would need a
 * single-step trap pending. SDM: "Checks on Guest Non-Register State".
 */
static void stop_after_instruction(struct vcpu *v)
{
	const u64 *own = v->step.own;

	change(v, STEP_RFLAGS, (own[STEP_RFLAGS] | RFLAGS_TF) & ~RFLAGS_IF);
	change(v, STEP_BLOCKING, own[STEP_BLOCKING] & ~(u64)(BLOCKING_STI | BLOCKING_MOV_SS));
	change(v, STEP_PENDING, 0);
	change(v, STEP_DEBUGCTL, own[STEP_DEBUGCTL] & ~(u64)DEBUGCTL_BTF);
	change(v, STEP_EXCEPTIONS, 0xffffffff);
	change(v, STEP_PFEC_MASK, 0);
	change(v, STEP_PFEC_MATCH, 0);
}

static void stop_after_delivery(struct vcpu *v)
{
	change(v, STEP_PIN, v->step.own[STEP_PIN] | PIN_ACTIVATE_PREEMPTION_TIMER);
	change(v, STEP_TIMER, 0);
}

void step_write(struct vcpu *v, u64 *leaf)
{
	struct step *s = &v->step;

	if (s->count == STEP_PAGES)
		s->count = 0;
	s->leaf[s->count++] = leaf;
	for (unsigned i = 0; i < s->count; i++) {
		s->old[i] = *s->leaf[i];
		*s->leaf[i] = v->machine->ept01.sink.v | EPT_RWX | MT_WB << EPT_MT_SHIFT;
	}
	hw_invept(INVEPT_GLOBAL, 0);
	for (unsigned i = 0; i < STEP_FIELDS; i++)
		s->own[i] = vcpu_read(v, borrowed[i]);
	s->rip = vcpu_read(v, VMCS_GUEST_RIP);
	s->delivery = v->exit.vectoring_info & INTR_VALID;
	s->active = true;
	v->attend = true;
	if (s->delivery)
		stop_after_delivery(v);
	else
		stop_after_instruction(v);
}

void step_forget(struct vcpu *v)
{
	v->step.count = 0;
}

static void close_pages(struct vcpu *v)
{
	struct step *s = &v->step;

	for (unsigned i = s->count; i-- > 0;)
		*s->leaf[i] = s->old[i];
	memset(l0_va(v->machine, v->machine->ept01.sink), 0xff, PAGE_SIZE);
	hw_invept(INVEPT_GLOBAL, 0);
}

static bool is_exception(const struct vcpu *v, enum vector vector)
{
	u32 info = v->exit.intr_info;
	return v->exit.reason == EXIT_REASON_EXCEPTION_NMI && INTR_TYPE(info) != INTR_NMI &&
	       (info & INTR_VECTOR) == vector;
}

/* What is pending after the instruction: not the single-step trap, unless the guest's own flag wants it. */
static u64 pending_after(const struct vcpu *v)
{
	const u64 *own = v->step.own;
	bool single_step = (own[STEP_RFLAGS] & RFLAGS_TF) && !(own[STEP_DEBUGCTL] & DEBUGCTL_BTF);
	u64 pending = vcpu_read(v, VMCS_GUEST_PENDING_DEBUG);

	if (is_exception(v, VEC_DB)) {
		pending = v->exit.qualification & (BREAKPOINTS | DR6_BS);
		if (pending & BREAKPOINTS)
			pending |= ENABLED_BREAKPOINT;
	}
	return own[STEP_PENDING] | (pending & ~(single_step ? 0 : DR6_BS));
}

/* The instruction's own effects stay: on RFLAGS, and on the blocking that it ended. */
static void give_back(struct vcpu *v)
{
	struct step *s = &v->step;
	bool done = is_exception(v, VEC_DB) || vcpu_read(v, VMCS_GUEST_RIP) != s->rip;
	u64 flags = RFLAGS_TF | RFLAGS_IF;

	if (s->delivery) {
		change(v, STEP_PIN, s->own[STEP_PIN]);
		change(v, STEP_TIMER, s->own[STEP_TIMER]);
		return;
	}
	s->own[STEP_PENDING] = pending_after(v);
	s->own[STEP_RFLAGS] = (vcpu_read(v, VMCS_GUEST_RFLAGS) & ~flags) | (s->own[STEP_RFLAGS] & flags);
	if (done)
		s->own[STEP_BLOCKING] = vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY);
	for (enum step_field i = STEP_RFLAGS; i <= STEP_PFEC_MATCH; i++)
		change(v, i, s->own[i]);
}

/* Would this exception have exited without the step? SDM: "Exception Bitmap", "Exceptions". */
static bool wanted(const struct vcpu *v)
{
	const u64 *own = v->step.own;
	bool exits = own[STEP_EXCEPTIONS] >> (v->exit.intr_info & INTR_VECTOR & 31) & 1;

	if (is_exception(v, VEC_PF) &&
	    (v->exit.intr_error_code & own[STEP_PFEC_MASK]) != own[STEP_PFEC_MATCH])
		exits = !exits;
	return exits;
}

/* The exception that the instruction raised goes where it would have gone. */
static void pass_on(struct vcpu *v)
{
	const struct exit_info *e = &v->exit;

	if (is_exception(v, VEC_PF))
		cpu_write_cr2(e->qualification);
	event_put_in_flight(v, e->intr_info & ~INTR_NMI_UNBLOCKING, e->intr_error_code, e->insn_length);
}

bool step_exit(struct vcpu *v)
{
	struct step *s = &v->step;
	u32 reason = v->exit.reason;

	if (!s->active) {
		step_forget(v);
		return false;
	}
	vcpu_read_details(v);
	s->active = false;
	close_pages(v);
	give_back(v);
	if (reason != EXIT_REASON_EPT_VIOLATION)
		step_forget(v); /* else: the same instruction, and more of its pages */
	if (s->delivery)
		return reason == EXIT_REASON_PREEMPTION_TIMER;
	if (reason != EXIT_REASON_EXCEPTION_NMI || INTR_TYPE(v->exit.intr_info) == INTR_NMI)
		return false;
	if (is_exception(v, VEC_DB))
		return true;
	if (wanted(v))
		return false;
	pass_on(v);
	return true;
}
