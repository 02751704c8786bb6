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

static NOINLINE void read_events(struct vcpu *v)
{
	struct exit_info *e = &v->exit;

	e->intr_info = (u32)vcpu_read(v, VMCS_EXIT_INTERRUPTION_INFO);
	e->intr_error_code = (u32)vcpu_read(v, VMCS_EXIT_INTERRUPTION_ERROR_CODE);
	e->vectoring_info = (u32)vcpu_read(v, VMCS_IDT_VECTORING_INFO);
	e->vectoring_error_code = (u32)vcpu_read(v, VMCS_IDT_VECTORING_ERROR_CODE);
}

static void read_exit(struct vcpu *v)
{
	struct exit_info *e = &v->exit;

	e->reason = (u32)vcpu_read(v, VMCS_EXIT_REASON);
	e->detailed = false;
	e->intr_info = e->vectoring_info = 0;
	if (exit_can_be_in_delivery(e->reason))
		read_events(v);
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
	vcpu_read_details(v);
	if (exit_can_be_in_delivery(v->exit.reason))
		event_deliver_again(v);
}

static void handle_by_l0(struct vcpu *v)
{
	u32 basic = v->exit.reason & 0xffff;

	if (basic >= EXIT_REASON_COUNT || !handlers[basic])
		unknown_exit(v);
	if (exit_has_details(basic))
		gather_details(v);
	handlers[basic](v);
}

static void handle_exit(struct vcpu *v)
{
	read_exit(v);
	v->apic.extint_waits = 0; /* if one still does, the next entry exits for it */
	event_after_exit(v);
	if (step_is_on(v) && step_exit(v))
		return;
	if (!v->nested.in_l2 || !nested_handle_exit(v))
		handle_by_l0(v);
}

static NOINLINE void entry_failed(struct vcpu *v)
{
	if (!v->nested.in_l2)
		PANIC("entry with vmcs01 failed: VM-instruction error %lu",
		      vcpu_read(v, VMCS_VM_INSTRUCTION_ERROR));
	nested_entry_refused(v);
}

static NOINLINE void look_for_nmi(struct vcpu *v)
{
	bool *nmi = v->machine->nmi_flag;

	vmcs_clear(v->loaded);
	if (*nmi) {
		*nmi = false;
		event_pend(v, EVENT_NMI);
	}
}

/* A VMCS is launched by its first entry; after an entry that did not succeed it is cleared. */
static NOINLINE bool launch(struct vmcs *vmcs)
{
	vmcs->launched = true;
	return false;
}

bool vcpu_next(struct vcpu *v, unsigned ended)
{
	if (ended == ENTRY_EXITED)
		handle_exit(v);
	else if (ended == ENTRY_FAILED)
		entry_failed(v);
	else
		look_for_nmi(v);
	event_before_entry(v);
	return v->loaded->launched || launch(v->loaded);
}

void vcpu_run(struct vcpu *v)
{
	entry_loop(v->gpr, v->machine->nmi_flag);
}
