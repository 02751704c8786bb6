/*
 * What the SDM says comes of an event: handlers, exits, double and triple faults. SDM: "Interrupt 8 -
 * Double Fault Exception", "Details of Vectored-Event Injection", "VM Exits During Event Injection",
 * "Information for VM Exits That Occur During Event Delivery".
 */
#ifndef GUEST_EVENTS_MODEL_H
#define GUEST_EVENTS_MODEL_H

#include "guest/events/way.h"

/* An event on its way into L2: raised by L2 (r), or injected (r is NULL). */
struct flight {
	const struct world *w;
	struct event e;
	const struct raise *r;
	const struct way *way;
	u32 bitmap; /* the exception bitmap */
	u64 rsp; /* L2's, at the last entry */
};

struct outcome {
	bool handler; /* a handler runs: that of `event`; otherwise an exit */
	struct event event; /* what the handler serves, or what was being delivered */
	bool chained; /* the handler serves another fault than the event itself */
	/* An exit: */
	u32 reason;
	bool vectoring; /* `event` was being delivered */
	u64 qualification, qualification_mask;
	struct event direct; /* reason 0: what caused it */
	enum page page; /* exits 48 and 49: the page */
	bool linear; /* exit 48: the access was to that page's linear address */
};

/* The outcome of f's first entry. */
struct outcome model_outcome(const struct flight *f);

/* Where the event happens: L2's RIP as saved by an exit during its delivery. */
u64 model_rip(const struct flight *f);

/* Where its handler returns to. */
u64 model_return(const struct flight *f);

/* It is a fault that L2 has raised: RFLAGS.RF is 1 in the saved image. */
bool model_sets_rf(const struct flight *f);

#endif
