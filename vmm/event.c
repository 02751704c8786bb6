#include "vmm/event.h"

#include "vmm/apic.h"
#include "vmm/lib.h"
#include "vmm/nested_run.h"
#include "vmx/assert.h"
#include "vmx/ept_entry.h"

#define WINDOWS (PROC_NMI_WINDOW_EXITING | PROC_INTERRUPT_WINDOW_EXITING)

void event_pend(struct vcpu *v, enum event_kind kind)
{
	v->events.pending |= BIT(kind);
	v->attend = true;
}

void event_put_in_flight(struct vcpu *v, u32 info, u32 error_code, u32 length)
{
	v->attend = true;
	v->events.in_flight = (struct event){info, error_code, length};
}

static bool is_in_flight(const struct vcpu *v)
{
	return v->events.in_flight.info & INTR_VALID;
}

static bool is_nmi(const struct event *e)
{
	return INTR_TYPE(e->info) == INTR_NMI;
}

/* --- forcing an exit before the guest's first instruction --- */

static bool l2_has_timer(const struct vcpu *v)
{
	return v->nested.v12->pin_controls & PIN_ACTIVATE_PREEMPTION_TIMER;
}

/* A timer of 0 exits after what the entry delivers. SDM: "VMX-Preemption Timer". */
static void force_exit(struct vcpu *v)
{
	struct events *e = &v->events;

	if (e->forced)
		return;
	if (l2_has_timer(v))
		e->timer = (u32)vcpu_read(v, VMCS_PREEMPTION_TIMER_VALUE);
	else
		vcpu_write(v, VMCS_PIN_CONTROLS,
			   vcpu_read(v, VMCS_PIN_CONTROLS) | PIN_ACTIVATE_PREEMPTION_TIMER);
	vcpu_write(v, VMCS_PREEMPTION_TIMER_VALUE, 0);
	v->vmcs02_image.f[FI_PREEMPTION_TIMER_VALUE] = 0;
	e->forced = true;
}

static void force_no_exit(struct vcpu *v)
{
	struct events *e = &v->events;

	if (l2_has_timer(v))
		vcpu_write(v, VMCS_PREEMPTION_TIMER_VALUE, e->timer);
	else
		vcpu_write(v, VMCS_PIN_CONTROLS,
			   vcpu_read(v, VMCS_PIN_CONTROLS) & ~(u64)PIN_ACTIVATE_PREEMPTION_TIMER);
	if (l2_has_timer(v) && v->exit.reason == EXIT_REASON_PREEMPTION_TIMER && e->timer == 0)
		event_pend(v, EVENT_TIMER);
}

/* --- after an exit --- */

/* An entry that failed leaves the field as it was, and what it was made with is not launched. */
void event_entry_failed(struct vcpu *v)
{
	if (v->nested.in_l2 && !v->events.entry_pending)
		vcpu_shutdown(
			v, "hardware refuses to go on with L2: exit reason %#x, VM-instruction error %lu",
			v->exit.reason, vcpu_read(v, VMCS_VM_INSTRUCTION_ERROR));
	vmcs_clear(v->loaded);
	vcpu_write(v, VMCS_ENTRY_INTERRUPTION_INFO, 0);
}

/* An entry that failed, or an exit that was forced. */
void event_after_odd_exit(struct vcpu *v)
{
	if (v->exit.reason & EXIT_REASON_ENTRY_FAILURE)
		event_entry_failed(v);
	if (v->events.forced)
		force_no_exit(v);
	v->events.forced = false;
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

/* An NMI whose delivery was cut short has set blocking by NMI already, which would refuse the injection. */
void event_deliver_again(struct vcpu *v)
{
	const struct exit_info *x = &v->exit;

	restore_nmi_blocking(v);
	if (!(x->vectoring_info & INTR_VALID))
		return;
	u32 info = x->vectoring_info & ~INTR_NMI_UNBLOCKING;
	if (!(vcpu_read(v, VMCS_GUEST_CR0) & CR0_PE)) /* real-address mode has no error codes (R55) */
		info &= ~INTR_ERROR_CODE_VALID;
	event_put_in_flight(v, info, x->vectoring_error_code, (u32)vcpu_insn_length(v));
	if (is_nmi(&v->events.in_flight))
		vcpu_write(v, VMCS_GUEST_INTERRUPTIBILITY,
			   vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY) & ~(u64)BLOCKING_NMI);
}

/* --- before an entry --- */

static void gather_controls(const struct vcpu *v, struct event_in *in)
{
	const struct vmcs12 *v12 = v->nested.v12;
	u64 pin = v12->pin_controls, proc = v12->proc_controls;

	in->external_interrupt_exiting = pin & PIN_EXTERNAL_INTERRUPT_EXITING;
	in->nmi_exiting = pin & PIN_NMI_EXITING;
	in->virtual_nmis = pin & PIN_VIRTUAL_NMIS;
	in->nmi_window_exiting = proc & PROC_NMI_WINDOW_EXITING;
	in->interrupt_window_exiting = proc & PROC_INTERRUPT_WINDOW_EXITING;
}

/* SDM: "Delivery of Pending Debug Exceptions after VM Entry": blocked by MOV SS, else due at the entry. */
static bool debug_trap_is_due(u64 pending, u32 interruptibility)
{
	u64 any = BIT(16) | DR6_BS | BIT(12);
	return (pending & any) && !(interruptibility & BLOCKING_MOV_SS);
}

static struct event_in gather(const struct vcpu *v)
{
	const struct events *e = &v->events;
	struct event_in in = {
		.in_l2 = v->nested.in_l2,
		.l1_vmxon = v->nested.vmxon,
		.interrupt_flag = vcpu_read(v, VMCS_GUEST_RFLAGS) & RFLAGS_IF,
		.interruptibility = (u32)vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY),
		.activity = (enum activity_state)vcpu_read(v, VMCS_GUEST_ACTIVITY_STATE),
		.in_flight = is_in_flight(v),
		.entry_pending = e->entry_pending,
		.pending = e->pending,
	};
	if (in.in_l2)
		gather_controls(v, &in);
	if (debug_trap_is_due(vcpu_read(v, VMCS_GUEST_PENDING_DEBUG), in.interruptibility))
		in.pending |= BIT(EVENT_DEBUG_TRAP);
	if (apic_pending(v))
		in.pending |= BIT(EVENT_INTERRUPT);
	return in;
}

static void reset_l1(struct vcpu *v, enum event_kind kind)
{
	v->events.pending &= ~(u32)BIT(kind);
	if (kind == EVENT_INIT)
		vcpu_init_signal(v);
	else
		vcpu_sipi(v, v->events.sipi_vector);
}

/* Without "acknowledge interrupt on exit" it stays pending. False: none is left to acknowledge. */
static bool acknowledge_on_exit(struct vcpu *v, struct exit_record *r)
{
	if (!(v->nested.v12->exit_controls & EXIT_ACK_INTERRUPT_ON_EXIT))
		return true;
	int vector = apic_acknowledge(v);
	r->intr_info = INTR_VALID | INTR_EXTERNAL << 8 | (u32)vector;
	return vector >= 0;
}

static void exit_to_l1(struct vcpu *v, enum event_kind kind)
{
	struct exit_record r = {.reason = event_kind_info[kind].exit_reason};

	if (kind == EVENT_SIPI)
		r.qualification = v->events.sipi_vector;
	if (kind == EVENT_NMI)
		r.intr_info = INTR_VALID | INTR_NMI << 8 | VEC_NMI;
	if (kind == EVENT_INTERRUPT && !acknowledge_on_exit(v, &r))
		return;
	v->events.pending &= ~(u32)BIT(kind);
	nested_exit(v, &r);
}

static void inject(struct vcpu *v, enum event_kind kind)
{
	ASSERT(kind == EVENT_NMI || kind == EVENT_INTERRUPT, "event kind %u is not injected", kind);
	v->events.pending &= ~(u32)BIT(kind);
	if (kind == EVENT_NMI) {
		event_put_in_flight(v, INTR_VALID | INTR_NMI << 8 | VEC_NMI, 0, 0);
		return;
	}
	int vector = apic_acknowledge(v);
	if (vector >= 0)
		event_put_in_flight(v, INTR_VALID | INTR_EXTERNAL << 8 | (u32)vector, 0, 0);
}

/*
 * "NMI-window exiting" needs "virtual NMIs". An L2 without them has them while L0 waits for blocking by MOV SS
 * to end: NMIs are not blocked then, so they block nothing, and IRET ends nothing.
 */
static bool needs_virtual_nmis(const struct vcpu *v, u32 windows)
{
	u64 both = PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	return (windows & PROC_NMI_WINDOW_EXITING) && v->nested.in_l2 &&
	       (v->nested.v12->pin_controls & both) == PIN_NMI_EXITING;
}

static void toggle_pin_controls(struct vcpu *v, u64 controls)
{
	if (controls)
		vcpu_write(v, VMCS_PIN_CONTROLS, vcpu_read(v, VMCS_PIN_CONTROLS) ^ controls);
}

/*
 * The windows that hardware is asked for, beside those that L1 asks for itself. Bochs 2.7 does not open an
 * interrupt window in a processor that has halted: HLT exits meanwhile. An ExtINT that waits is not
 * acknowledged, and would exit again and again: external interrupts do not exit until the window opens.
 */
static void set_windows(struct vcpu *v, u32 windows)
{
	struct events *e = &v->events;
	bool interrupt = windows & PROC_INTERRUPT_WINDOW_EXITING,
	     extint = interrupt && apic_extint_waits(v), virtual_nmis = needs_virtual_nmis(v, windows);
	u32 mask = WINDOWS | PROC_HLT_EXITING;
	u32 l1 = v->nested.in_l2 ? (u32)v->nested.v12->proc_controls & mask : 0;

	if (windows != e->windows)
		vcpu_write(v, VMCS_PROC_CONTROLS,
			   (vcpu_read(v, VMCS_PROC_CONTROLS) & ~(u64)mask) | windows | l1 |
				   (interrupt ? PROC_HLT_EXITING : 0));
	toggle_pin_controls(v, (extint != e->extint ? PIN_EXTERNAL_INTERRUPT_EXITING : 0) |
				       (virtual_nmis != e->virtual_nmis ? PIN_VIRTUAL_NMIS : 0));
	e->windows = windows;
	e->extint = extint;
	e->virtual_nmis = virtual_nmis;
}

static void close_windows(struct vcpu *v)
{
	if (v->events.windows || v->events.extint)
		set_windows(v, 0);
}

void event_enter_l2(struct vcpu *v)
{
	close_windows(v);
	v->events.entry_pending = true;
}

void event_leave_l2(struct vcpu *v)
{
	struct events *e = &v->events;

	close_windows(v);
	e->pending &= ~(u32)(BIT(EVENT_MTF) | BIT(EVENT_TIMER));
	e->in_flight.info = 0;
	e->entry_pending = false;
}

/*
 * Bochs 2.7 opens no interrupt window in a processor that is entered halted: it has its boundary by force.
 */
static bool window_needs_force(const struct event_in *in, const struct event_decision *d)
{
	return d->interrupt_window && in->entry_pending && in->activity == HLT && in->interrupt_flag;
}

/* What stays pending in the guest that is loaded. */
static void stay(struct vcpu *v, const struct event_in *in, const struct event_decision *d)
{
	set_windows(v, (d->nmi_window ? PROC_NMI_WINDOW_EXITING : 0) |
			       (d->interrupt_window ? PROC_INTERRUPT_WINDOW_EXITING : 0));
	if (d->force || window_needs_force(in, d))
		force_exit(v);
}

static bool anything_to_decide(const struct vcpu *v)
{
	const struct events *e = &v->events;
	return e->pending || e->windows || apic_pending(v) || (e->trace && is_in_flight(v));
}

static void decide(struct vcpu *v)
{
	while (anything_to_decide(v)) {
		struct event_in in = gather(v);
		struct event_decision d = event_decide(&in);

		if (v->events.trace)
			event_trace(v, &in, &d);
		v->events.pending &= ~d.dropped;
		if (d.exit) {
			exit_to_l1(v, d.what);
		} else if (d.reset) {
			reset_l1(v, d.what);
		} else if (d.inject) { /* now in flight: once more for what is pending beside it */
			inject(v, d.what);
		} else {
			stay(v, &in, &d);
			return;
		}
	}
}

/* SDM: "VM-Entry Controls for Event Injection". The exit clears the field's valid bit again. */
static void write_in_flight(struct vcpu *v)
{
	const struct event *e = &v->events.in_flight;

	vcpu_write(v, VMCS_ENTRY_INTERRUPTION_INFO, e->info);
	vcpu_write(v, VMCS_ENTRY_EXCEPTION_ERROR_CODE, e->error_code);
	vcpu_write(v, VMCS_ENTRY_INSTRUCTION_LENGTH, e->length);
}

/* Whether the next exit, or the entry after it, has to do with anything but the guest itself. */
static bool is_anything_left(const struct vcpu *v)
{
	const struct events *e = &v->events;
	const struct apic *a = &v->apic;

	return e->pending || e->windows || e->in_flight.info || e->forced || a->requests ||
	       a->threshold || a->extint_waits || a->extint >= 0 || v->step.active || v->step.count;
}

void event_before_entry(struct vcpu *v)
{
	if (!v->step.active) /* the one instruction of a step is no boundary */
		decide(v);
	if (is_in_flight(v))
		write_in_flight(v);
	if (!v->nested.in_l2)
		apic_update_threshold(v);
	v->events.was_forced = false;
	v->attend = is_anything_left(v);
}
