#include "vmm/console.h"
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

static void read_exit(struct vcpu *v)
{
	struct exit_info *e = &v->exit;

	e->reason = (u32)vcpu_read(v, VMCS_EXIT_REASON);
	e->qualification = vcpu_read(v, VMCS_EXIT_QUALIFICATION);
	e->intr_info = (u32)vcpu_read(v, VMCS_EXIT_INTERRUPTION_INFO);
	e->intr_error_code = (u32)vcpu_read(v, VMCS_EXIT_INTERRUPTION_ERROR_CODE);
	e->vectoring_info = (u32)vcpu_read(v, VMCS_IDT_VECTORING_INFO);
	e->vectoring_error_code = (u32)vcpu_read(v, VMCS_IDT_VECTORING_ERROR_CODE);
	e->insn_length = (u32)vcpu_read(v, VMCS_EXIT_INSTRUCTION_LENGTH);
	if (e->reason == EXIT_REASON_EPT_VIOLATION || e->reason == EXIT_REASON_EPT_MISCONFIGURATION)
		e->gpa = vcpu_read(v, VMCS_GUEST_PHYSICAL_ADDRESS);
}

/*
 * An IRET that faulted after it had ended NMI blocking: L0 resumes it, so blocking is as before.
 * SDM: "Information About NMI Unblocking Due to IRET".
 */
static void restore_nmi_blocking(struct vcpu *v)
{
	const struct exit_info *e = &v->exit;

	if (e->reason == EXIT_REASON_EPT_VIOLATION && !(e->vectoring_info & INTR_VALID) &&
	    (e->qualification & EPTV_NMI_UNBLOCKING))
		vcpu_write(v, VMCS_GUEST_INTERRUPTIBILITY,
			   vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_NMI);
}

/*
 * The exit came while an event was being delivered, and L0 deals with it: the same event is delivered
 * again. SDM: "Information for VM Exits That Occur During Event Delivery", "Event Injection". An NMI
 * whose delivery was cut short has set blocking by NMI already, which would refuse the injection.
 */
void vcpu_deliver_again(struct vcpu *v)
{
	const struct exit_info *e = &v->exit;

	restore_nmi_blocking(v);
	if (!(e->vectoring_info & INTR_VALID))
		return;
	vcpu_write(v, VMCS_ENTRY_INTERRUPTION_INFO, e->vectoring_info & ~INTR_NMI_UNBLOCKING);
	vcpu_write(v, VMCS_ENTRY_EXCEPTION_ERROR_CODE, e->vectoring_error_code);
	vcpu_write(v, VMCS_ENTRY_INSTRUCTION_LENGTH, e->insn_length);
	if (INTR_TYPE(e->vectoring_info) == INTR_NMI)
		vcpu_write(v, VMCS_GUEST_INTERRUPTIBILITY,
			   vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY) & ~(u64)BLOCKING_NMI);
}

static void handle_by_l0(struct vcpu *v)
{
	u32 basic = v->exit.reason & 0xffff;

	if (basic >= EXIT_REASON_COUNT || !handlers[basic])
		PANIC("exit reason %#x of %s is unknown", v->exit.reason, v->loaded->name);
	vcpu_deliver_again(v);
	handlers[basic](v);
}

static void handle_exit(struct vcpu *v)
{
	v->loaded->launched = true;
	read_exit(v);
	if (step_exit(v))
		return;
	if (v->nested.in_l2 && nested_handle_exit(v))
		return;
	handle_by_l0(v);
}

/* An NMI that came to L0 goes to the guest as soon as it can be taken there. */
static void offer_nmi(struct vcpu *v)
{
	u64 blocking = vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY);
	bool busy = vcpu_read(v, VMCS_ENTRY_INTERRUPTION_INFO) & INTR_VALID;

	if (v->nested.in_l2 && nested_wants_nmi(v)) {
		if (!busy)
			nested_exit_nmi(v);
		return;
	}
	if (busy || (blocking & (BLOCKING_NMI | BLOCKING_MOV_SS | BLOCKING_STI))) {
		vcpu_write(v, VMCS_PROC_CONTROLS,
			   vcpu_read(v, VMCS_PROC_CONTROLS) | PROC_NMI_WINDOW_EXITING);
		return;
	}
	vcpu_write(v, VMCS_ENTRY_INTERRUPTION_INFO, INTR_VALID | INTR_NMI << 8 | VEC_NMI);
	v->nmi_pending = false;
}

void vcpu_run(struct vcpu *v)
{
	for (;;) {
		bool *nmi = v->machine->nmi_flag;
		if (*nmi) {
			*nmi = false;
			v->nmi_pending = true;
		}
		if (v->nmi_pending && !v->step.active) /* it would push the step's trap flag */
			offer_nmi(v);
		switch (entry_run(v->gpr, v->loaded->launched, nmi)) {
		case ENTRY_EXITED:
			handle_exit(v);
			break;
		case ENTRY_FAILED:
			if (!v->nested.in_l2)
				PANIC("entry with vmcs01 failed: VM-instruction error %lu",
				      vcpu_read(v, VMCS_VM_INSTRUCTION_ERROR));
			nested_entry_refused(v);
			break;
		case ENTRY_NOT_DONE:
			break;
		}
	}
}
