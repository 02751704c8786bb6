#include "nested/event.h"

#include "vmx/exits.h"

#define A BIT(ACTIVE)
#define H BIT(HLT)
#define S BIT(SHUTDOWN)
#define W BIT(WAIT_FOR_SIPI)
const struct event_kind_info event_kind_info[EVENT_COUNT] = {
#define EV(kind, exit, blocked_in, text) [EVENT_##kind] = {text, exit, blocked_in},
#include "nested/event.def"
#undef EV
};
#undef A
#undef H
#undef S
#undef W

const struct event_rule_info event_rule_info[EVENT_RULE_COUNT] = {
#define R(rule, text, title) [EVENT_RULE_##rule] = {text, title},
#include "nested/event_rule.def"
#undef R
};

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
	enum event_rule rule;
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
		return (struct verdict){EXITS, EVENT_RULE_INIT_EXITS};
	if (in->l1_vmxon)
		return (struct verdict){STAYS, EVENT_RULE_INIT_BLOCKED};
	return (struct verdict){RESETS, EVENT_RULE_INIT_RESETS};
}

static struct verdict sipi(const struct event_in *in)
{
	if (in->in_l2)
		return (struct verdict){EXITS, EVENT_RULE_SIPI_EXITS};
	return (struct verdict){RESETS, EVENT_RULE_SIPI_STARTS};
}

static struct verdict mtf(const struct event_in *in)
{
	(void)in;
	return (struct verdict){EXITS, EVENT_RULE_MTF_EXITS};
}

static struct verdict debug_trap(const struct event_in *in)
{
	(void)in;
	return (struct verdict){DELIVERED, EVENT_RULE_DEBUG_TRAP};
}

static struct verdict timer(const struct event_in *in)
{
	(void)in;
	return (struct verdict){EXITS, EVENT_RULE_TIMER_EXITS};
}

static struct verdict nmi_window(const struct event_in *in)
{
	if (nmi_blocked(in) || (in->interruptibility & BLOCKING_MOV_SS))
		return (struct verdict){STAYS, EVENT_RULE_NMI_WINDOW_CLOSED};
	return (struct verdict){EXITS, EVENT_RULE_NMI_WINDOW_OPEN};
}

/*
 * An NMI that exits is blocked by MOV SS, and by an NMI where L1 does not virtualize that; then no IRET
 * of L2 ends it.
 */
static struct verdict nmi_exit(const struct event_in *in)
{
	if (!in->virtual_nmis && nmi_blocked(in))
		return (struct verdict){STAYS, EVENT_RULE_NMI_BLOCKED_HERE};
	if ((in->interruptibility & BLOCKING_MOV_SS) && !nmi_blocked(in))
		return (struct verdict){WAITS, EVENT_RULE_NMI_SHADOWED};
	return (struct verdict){EXITS, EVENT_RULE_NMI_EXITS};
}

static struct verdict nmi(const struct event_in *in)
{
	if (in->nmi_exiting)
		return nmi_exit(in);
	if (nmi_blocked(in) || shadowed(in))
		return (struct verdict){WAITS, EVENT_RULE_NMI_BLOCKED};
	return (struct verdict){INJECTED, EVENT_RULE_NMI_TAKEN};
}

static struct verdict interrupt_window(const struct event_in *in)
{
	if (!in->interrupt_flag || shadowed(in))
		return (struct verdict){STAYS, EVENT_RULE_INTERRUPT_WINDOW_CLOSED};
	return (struct verdict){EXITS, EVENT_RULE_INTERRUPT_WINDOW_OPEN};
}

static struct verdict interrupt(const struct event_in *in)
{
	if (in->external_interrupt_exiting) {
		/* With IF = 0 no window tells when the blocking is over; it is the NMI window's to tell. */
		if (shadowed(in) && (in->interrupt_flag || !nmi_blocked(in)))
			return (struct verdict){WAITS, EVENT_RULE_INTERRUPT_SHADOWED};
		return (struct verdict){EXITS, EVENT_RULE_INTERRUPT_EXITS};
	}
	if (shadowed(in))
		return (struct verdict){WAITS, EVENT_RULE_INTERRUPT_SHADOWED};
	if (!in->interrupt_flag)
		return (struct verdict){WAITS, EVENT_RULE_INTERRUPT_MASKED};
	return (struct verdict){INJECTED, EVENT_RULE_INTERRUPT_TAKEN};
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
static void act(struct event_decision *d, enum event_kind kind, enum event_rule rule)
{
	d->what = kind;
	d->rule = rule;
}

/* Where nothing is, the first kind that waits does. */
static void name(struct event_decision *d, enum event_kind kind, enum event_rule rule)
{
	if (d->what == EVENT_COUNT)
		act(d, kind, rule);
}

/* Where nothing waits either, the first that stays pending, or is the entry's own, says why. */
static void stay(struct event_decision *d, enum event_rule rule)
{
	if (d->rule == EVENT_RULE_NOTHING)
		d->rule = rule;
}

/* What hardware does before the next kind can be looked at. */
enum gate { OPEN, VM_ENTRY, DEBUG_TRAP, DELIVERY };
static const enum event_rule event_waits[] = {
	[VM_ENTRY] = EVENT_RULE_EVENT_AFTER_ENTRY,
	[DEBUG_TRAP] = EVENT_RULE_EVENT_AFTER_TRAP,
	[DELIVERY] = EVENT_RULE_EVENT_AFTER_EVENT,
};
static const enum event_rule exit_waits[] = {
	[VM_ENTRY] = EVENT_RULE_EXIT_AFTER_ENTRY,
	[DEBUG_TRAP] = EVENT_RULE_EXIT_AFTER_TRAP,
	[DELIVERY] = EVENT_RULE_EXIT_AFTER_EVENT,
};

/*
 * One kind. True where the decision is complete: what has lower priority is looked at again when control
 * comes back.
 */
static bool decide(struct event_decision *d, const struct event_in *in, enum event_kind kind,
		   enum gate *gate)
{
	struct verdict v = verdicts[kind](in);

	switch (v.fate) {
	case STAYS:
		stay(d, v.rule);
		return false;
	case DELIVERED:
		stay(d, v.rule);
		if (*gate != DELIVERY)
			*gate = DEBUG_TRAP;
		return false;
	case WAITS:
		name(d, kind, v.rule);
		wait_for(d, in, kind);
		return false;
	case INJECTED:
		if (*gate != OPEN) {
			name(d, kind, event_waits[*gate]);
			wait_for(d, in, kind);
			return false;
		}
		act(d, kind, v.rule);
		d->inject = true;
		*gate = DELIVERY;
		return false;
	case EXITS:
		if (*gate != OPEN && is_window(kind))
			return false;
		if (*gate != OPEN)
			name(d, kind, exit_waits[*gate]);
		else
			act(d, kind, v.rule);
		d->force = *gate != OPEN;
		d->exit = *gate == OPEN;
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
	struct event_decision d = {
		.what = EVENT_COUNT,
		.rule = in->in_flight ? EVENT_RULE_IN_FLIGHT : EVENT_RULE_NOTHING,
	};
	enum gate gate = in->in_flight ? DELIVERY : in->entry_pending ? VM_ENTRY : OPEN;
	u32 pending = candidates(in);

	for (enum event_kind kind = 0; kind < EVENT_COUNT; kind++) {
		if (!(pending >> kind & 1))
			continue;
		if (kind == EVENT_SIPI && blocked_by_activity(in, kind)) {
			d.dropped = BIT(EVENT_SIPI);
			stay(&d, EVENT_RULE_SIPI_DISCARDED);
		} else if (blocked_by_activity(in, kind)) {
			stay(&d, EVENT_RULE_ACTIVITY_STATE);
		} else if (decide(&d, in, kind, &gate)) {
			break;
		}
	}
	return d;
}
