#include "vmm/apic.h"
#include "vmm/console.h"
#include "vmm/event.h"
#include "nested/exit.h"
#include "vmm/exits.h"
#include "vmm/nested_run.h"
#include "vmm/step.h"
#include "vmm/vcpu.h"
#include "vmx/assert.h"
#include "vmx/ept_entry.h"
#include "vmx/entry.h"

static const exit_handler handlers[EXIT_REASON_COUNT] = {
#define X(number, NAME, handler, owner, text) [number] = l0_##handler,
#include "vmx/exits.def"
#undef X
};

/* What there is to be read of an exit, by its basic reason. */
enum { HAS_EVENTS = 1, HAS_DETAILS = 2, IS_UNKNOWN = 4 };
static u8 contents[EXIT_REASON_COUNT];

static void find_contents(void)
{
	for (u32 reason = 0; reason < EXIT_REASON_COUNT; reason++)
		contents[reason] = (u8)((exit_can_be_in_delivery(reason) ? HAS_EVENTS : 0) |
					(exit_has_details(reason) ? HAS_DETAILS : 0) |
					(handlers[reason] ? 0 : IS_UNKNOWN));
}

static NOINLINE void read_events(struct vcpu *v)
{
	struct exit_info *e = &v->exit;

	e->intr_info = (u32)vcpu_read(v, VMCS_EXIT_INTERRUPTION_INFO);
	e->intr_error_code = (u32)vcpu_read(v, VMCS_EXIT_INTERRUPTION_ERROR_CODE);
	e->vectoring_info = (u32)vcpu_read(v, VMCS_IDT_VECTORING_INFO);
	e->vectoring_error_code = (u32)vcpu_read(v, VMCS_IDT_VECTORING_ERROR_CODE);
}

void vcpu_read_details(struct vcpu *v)
{
	struct exit_info *e = &v->exit;

	if (e->detailed)
		return;
	e->detailed = true;
	e->qualification = vcpu_read(v, VMCS_EXIT_QUALIFICATION);
	e->insn_length = (u32)vcpu_read(v, VMCS_EXIT_INSTRUCTION_LENGTH);
	if (e->reason == EXIT_REASON_EPT_VIOLATION || e->reason == EXIT_REASON_EPT_MISCONFIGURATION)
		e->gpa = vcpu_read(v, VMCS_GUEST_PHYSICAL_ADDRESS);
}

static NOINLINE void __attribute__((noreturn)) unknown_exit(struct vcpu *v)
{
	PANIC("exit reason %#x of %s is unknown", v->exit.reason, v->loaded->name);
}

static NOINLINE void gather_details(struct vcpu *v)
{
	u32 basic = v->exit.reason & 0xffff;

	if (contents[basic] & IS_UNKNOWN)
		unknown_exit(v);
	vcpu_read_details(v);
	if (contents[basic] & HAS_EVENTS) {
		read_events(v);
		event_deliver_again(v);
	}
}

static inline void handle_by_l0(struct vcpu *v, u64 basic)
{
	if (contents[basic])
		gather_details(v);
	handlers[basic](v);
}

static NOINLINE void handle_of_l2(struct vcpu *v)
{
	u32 basic = v->exit.reason & 0xffff;

	if (contents[basic] & HAS_EVENTS)
		read_events(v);
	if (!nested_handle_exit(v))
		handle_by_l0(v, basic);
}

/* With more to look at than the exit itself: v->attend. */
static NOINLINE void handle_with_care(struct vcpu *v)
{
	u32 basic = v->exit.reason & 0xffff;

	if (basic >= EXIT_REASON_COUNT)
		unknown_exit(v);
	if (contents[basic] & HAS_EVENTS)
		read_events(v);
	v->apic.extint_waits = 0; /* if one still does, the next entry exits for it */
	event_after_exit(v);
	if (step_is_on(v) && step_exit(v))
		return;
	if (v->nested.in_l2)
		handle_of_l2(v);
	else
		handle_by_l0(v, basic);
}

/* The VMCS that is loaded is launched by its first entry; after one that did not succeed it is cleared. */
static NOINLINE struct vcpu *launch(struct vcpu *v)
{
	v->loaded->launched = true;
	return 0;
}

static inline struct vcpu *enter(struct vcpu *v)
{
	if (v->attend)
		event_before_entry(v);
	return v->loaded->launched ? v : launch(v);
}

struct vcpu *vcpu_exited(struct vcpu *v)
{
	struct exit_info *e = &v->exit;
	u64 reason = vcpu_read(v, VMCS_EXIT_REASON);

	e->fresh = reason;
	e->intr_info = e->vectoring_info = 0;
	if (v->attend || reason >= EXIT_REASON_COUNT)
		handle_with_care(v);
	else if (v->nested.in_l2)
		handle_of_l2(v);
	else
		handle_by_l0(v, reason);
	return enter(v);
}

struct vcpu *vcpu_not_entered(struct vcpu *v)
{
	if (!v->nested.in_l2)
		PANIC("entry with vmcs01 failed: VM-instruction error %lu",
		      vcpu_read(v, VMCS_VM_INSTRUCTION_ERROR));
	nested_entry_refused(v);
	return enter(v);
}

struct vcpu *vcpu_next(struct vcpu *v)
{
	vmcs_clear(v->loaded);
	if (entry_nmi) {
		entry_nmi = false;
		event_pend(v, EVENT_NMI);
	}
	return enter(v);
}

void vcpu_run(struct vcpu *v)
{
	find_contents();
	entry_loop(v);
}
