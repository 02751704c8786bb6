/*
 * Events in flight and pending: gathers for nested/event.h, and applies what it decides.
 */
#ifndef VMM_EVENT_H
#define VMM_EVENT_H

#include "vmm/vcpu.h"

/* INIT, SIPI, MTF or NMI has come for the processor, whatever it runs. It is lost never. */
void event_pend(struct vcpu *v, enum event_kind kind);

/* The next entry delivers this event (VM-entry interruption information, error code, length). */
void event_put_in_flight(struct vcpu *v, u32 info, u32 error_code, u32 length);

/* Requires v->exit filled: hardware has delivered what was in flight, or says so in v->exit. */
NOINLINE void event_after_odd_exit(struct vcpu *v);
static inline void event_after_exit(struct vcpu *v)
{
	struct events *e = &v->events;

	e->in_flight.info = 0;
	e->was_forced = e->forced;
	if (e->forced || (v->exit.reason & EXIT_REASON_ENTRY_FAILURE))
		event_after_odd_exit(v);
	e->entry_pending = false;
}

/*
 * The exit came while an event was being delivered, and L0 deals with it: the same event is delivered
 * again. SDM: "Information for VM Exits That Occur During Event Delivery", "Event Injection".
 */
void event_deliver_again(struct vcpu *v);

/*
 * Last before an entry, where v->attend says that there is anything to look at: decides what becomes of what is
 * pending, exits to L1 or injects, and writes what is in flight to the loaded VMCS. Leaves loaded the VMCS that
 * is to be entered.
 */
NOINLINE void event_before_entry(struct vcpu *v);

/*
 * VMLAUNCH or VMRESUME itself failed in hardware: nothing was delivered. If it was no entry of L1's, but L0's
 * own way back into L2, there is nobody to tell: L1 ends with a report.
 */
void event_entry_failed(struct vcpu *v);

/*
 * L1 is left for L2 (requires vmcs01 still loaded), or L2 for L1 (requires vmcs02 still loaded): what was
 * about the one alone is gone.
 */
void event_enter_l2(struct vcpu *v);
void event_leave_l2(struct vcpu *v);

/* The line of a decision. vmm/event_trace.c */
void event_trace(const struct vcpu *v, const struct event_in *in, const struct event_decision *d);

#endif
