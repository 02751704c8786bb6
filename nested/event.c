#include "nested/event.h"

#include "vmx/exits.h"

#define A BIT(ACTIVE)
#define H BIT(HLT)
#define S BIT(SHUTDOWN)
#define W BIT(WAIT_FOR_SIPI)
const struct event_kind_info event_kind_info[EVENT_COUNT] = {
#define EV(kind, exit, blocked_in, text, title) [EVENT_##kind] = {text, title, exit, blocked_in},
#include "nested/event.def"
#undef EV
};
#undef A
#undef H
#undef S
#undef W

/* What becomes of a pending event at this boundary. */
enum fate {
	STAYS, /* it cannot be recognized now, and nothing that L0 watches will change that */
	WAITS, /* until the guest can take it: hardware is asked for an exit then */
	INJECTED,
	EXITS,
	RESETS, /* L1 itself */
	DELIVERED, /* by the entry, out of the guest-state area */
};

struct verdict {
	enum fate fate;
	const char *rule;
};

static bool shadowed(const struct event_in *in)
{
	return in->interruptibility & (BLOCKING_STI | BLOCKING_MOV_SS);
}

/* SDM: "Interruptibility State" (VM entry): under virtual NMIs the bit blocks no NMI that exits. */
static bool nmi_blocked(const struct event_in *in)
{
	return in->interruptibility & BLOCKING_NMI;
}

static struct verdict init(const struct event_in *in)
{
	if (in->in_l2)
		return (struct verdict){EXITS, "an INIT signal exits"};
	if (in->l1_vmxon)
		return (struct verdict){STAYS, "INIT is blocked in VMX root operation"};
	return (struct verdict){RESETS, "INIT outside VMX operation"};
}

static struct verdict sipi(const struct event_in *in)
{
	if (in->in_l2)
		return (struct verdict){EXITS, "a SIPI exits in the wait-for-SIPI state"};
	return (struct verdict){RESETS, "a SIPI ends the wait-for-SIPI state"};
}

static struct verdict mtf(const struct event_in *in)
{
	(void)in;
	return (struct verdict){EXITS, "an MTF VM exit is pending after the instruction"};
}

static struct verdict debug_trap(const struct event_in *in)
{
	(void)in;
	return (struct verdict){DELIVERED, "pending debug exceptions come before what is lower"};
}

static struct verdict timer(const struct event_in *in)
{
	(void)in;
	return (struct verdict){EXITS, "the VMX-preemption timer has run out"};
}

static struct verdict nmi_window(const struct event_in *in)
{
	if (nmi_blocked(in) || (in->interruptibility & BLOCKING_MOV_SS))
		return (struct verdict){STAYS, "the NMI window is closed"};
	return (struct verdict){EXITS, "NMI-window exiting, and the window is open"};
}

/*
 * An NMI that exits is blocked by MOV SS, and by an NMI where L1 does not virtualize that; then no IRET
 * of L2 ends it.
 */
static struct verdict nmi_exit(const struct event_in *in)
{
	if (!in->virtual_nmis && nmi_blocked(in))
		return (struct verdict){STAYS, "NMIs are blocked as long as this guest runs"};
	if ((in->interruptibility & BLOCKING_MOV_SS) && !nmi_blocked(in))
		return (struct verdict){WAITS, "MOV SS blocks NMIs for one instruction"};
	return (struct verdict){EXITS, "NMI exiting"};
}

static struct verdict nmi(const struct event_in *in)
{
	if (in->nmi_exiting)
		return nmi_exit(in);
	if (nmi_blocked(in) || shadowed(in))
		return (struct verdict){WAITS, "NMIs are blocked"};
	return (struct verdict){INJECTED, "the guest takes the NMI"};
}

static struct verdict interrupt_window(const struct event_in *in)
{
	if (!in->interrupt_flag || shadowed(in))
		return (struct verdict){STAYS, "the interrupt window is closed"};
	return (struct verdict){EXITS, "interrupt-window exiting, and the window is open"};
}

static struct verdict interrupt(const struct event_in *in)
{
	if (in->external_interrupt_exiting) {
		/* With IF = 0 no window tells when the blocking is over; it is the NMI window's to tell. */
		if (shadowed(in) && (in->interrupt_flag || !nmi_blocked(in)))
			return (struct verdict){WAITS,
						"STI or MOV SS blocks interrupts for one instruction"};
		return (struct verdict){EXITS, "external-interrupt exiting"};
	}
	if (!in->interrupt_flag || shadowed(in))
		return (struct verdict){WAITS, "interrupts are blocked"};
	return (struct verdict){INJECTED, "the guest takes the interrupt"};
}

static struct verdict (*const verdicts[EVENT_COUNT])(const struct event_in *in) = {
	[EVENT_INIT] = init,
	[EVENT_SIPI] = sipi,
	[EVENT_MTF] = mtf,
	[EVENT_DEBUG_TRAP] = debug_trap,
	[EVENT_TIMER] = timer,
	[EVENT_NMI_WINDOW] = nmi_window,
	[EVENT_NMI] = nmi,
	[EVENT_INTERRUPT_WINDOW] = interrupt_window,
	[EVENT_INTERRUPT] = interrupt,
};

/* What is pending, and the windows that L1 waits for. */
static u32 candidates(const struct event_in *in)
{
	return in->pending | (in->nmi_window_exiting ? BIT(EVENT_NMI_WINDOW) : 0) |
	       (in->interrupt_window_exiting ? BIT(EVENT_INTERRUPT_WINDOW) : 0);
}

static bool blocked_by_activity(const struct event_in *in, enum event_kind kind)
{
	return event_kind_info[kind].blocked_in >> in->activity & 1;
}

/* The windows that hardware is asked for: an NMI window never tells of interrupts with IF = 1. */
static void wait_for(struct event_decision *d, const struct event_in *in, enum event_kind kind)
{
	if (kind == EVENT_NMI || (in->external_interrupt_exiting && !in->interrupt_flag))
		d->nmi_window = true;
	else
		d->interrupt_window = true;
}

/* Hardware watches L1's windows as it delivers an event: they alone need no forced exit. */
static bool is_window(enum event_kind kind)
{
	return kind == EVENT_NMI_WINDOW || kind == EVENT_INTERRUPT_WINDOW;
}

/* What is exited, injected or reset for gives the decision its name, whatever of higher priority waits. */
static void act(struct event_decision *d, enum event_kind kind, const char *rule)
{
	d->what = kind;
	d->rule = rule;
}

/* Where nothing is, the first kind that waits does. */
static void name(struct event_decision *d, enum event_kind kind, const char *rule)
{
	if (d->what == EVENT_COUNT)
		act(d, kind, rule);
}

/*
 * One kind. `gate`: something is delivered before this kind can be looked at. True where the decision is
 * complete: what has lower priority is looked at again when control comes back.
 */
static bool decide(struct event_decision *d, const struct event_in *in, enum event_kind kind, bool *gate)
{
	struct verdict v = verdicts[kind](in);

	switch (v.fate) {
	case STAYS:
		return false;
	case DELIVERED:
		*gate = true;
		return false;
	case WAITS:
		name(d, kind, v.rule);
		wait_for(d, in, kind);
		return false;
	case INJECTED:
		if (*gate) {
			name(d, kind, "an event in flight is delivered first");
			wait_for(d, in, kind);
			return false;
		}
		act(d, kind, v.rule);
		d->inject = true;
		*gate = true;
		return false;
	case EXITS:
		if (*gate && is_window(kind))
			return false;
		if (*gate)
			name(d, kind, "an exit waits for the event in flight");
		else
			act(d, kind, v.rule);
		d->force = *gate;
		d->exit = !*gate;
		return true;
	case RESETS:
		act(d, kind, v.rule);
		d->reset = true;
		return true;
	}
	return false;
}

struct event_decision event_decide(const struct event_in *in)
{
	struct event_decision d = {.what = EVENT_COUNT, .rule = ""};
	bool gate = in->in_flight || in->entry_pending;
	u32 pending = candidates(in);

	for (enum event_kind kind = 0; kind < EVENT_COUNT; kind++) {
		if (!(pending >> kind & 1))
			continue;
		if (kind == EVENT_SIPI && blocked_by_activity(in, kind)) {
			d.dropped = BIT(EVENT_SIPI);
			continue;
		}
		if (!blocked_by_activity(in, kind) && decide(&d, in, kind, &gate))
			break;
	}
	return d;
}
