/*
 * Events in flight and pending: nested/event.c over its entire input space, against the same rules
 * written down a second time, as a table of conditions with the SDM's section titles.
 */
#include "nested/event.h"
#include "test.h"
#include "vmx/exits.h"

#include <string.h>

/* The state as one word of conditions. */
enum {
	L2 = BIT(0),
	VMXON = BIT(1),
	XINT = BIT(2), /* external-interrupt exiting */
	XNMI = BIT(3), /* NMI exiting */
	VNMI = BIT(4), /* virtual NMIs */
	NMIW = BIT(5), /* NMI-window exiting */
	INTW = BIT(6), /* interrupt-window exiting */
	IF = BIT(7),
	STI = BIT(8),
	SS = BIT(9), /* blocking by MOV SS */
	BNMI = BIT(10), /* blocking by NMI */
	FLIGHT = BIT(11),
	ENTRY = BIT(12),
	IN_HLT = BIT(13),
	IN_SHUTDOWN = BIT(14),
	IN_WFS = BIT(15),
	STATES = BIT(16), /* of all below, how many */
};

enum outcome { STAY, DROP, DEBUG, WAIT_I, WAIT_N, TAKE, LEAVE, RESET };

/* For each kind, the first row whose `set` are all 1 and whose `clear` are all 0. */
static const struct row {
	enum event_kind kind;
	u32 set, clear;
	enum outcome outcome;
} table[] = {
	/* "Activity State": wait-for-SIPI blocks INIT. "Other Causes of VM Exits": INIT signals. */
	{EVENT_INIT, IN_WFS, 0, STAY},
	{EVENT_INIT, L2, 0, LEAVE},
	/* "INIT": blocked in VMX root operation ("Restrictions on VMX Operation"). */
	{EVENT_INIT, VMXON, 0, STAY},
	{EVENT_INIT, 0, 0, RESET},
	/* "Other Causes of VM Exits": start-up IPIs are discarded outside wait-for-SIPI. */
	{EVENT_SIPI, 0, IN_WFS, DROP},
	{EVENT_SIPI, L2, 0, LEAVE},
	{EVENT_SIPI, 0, 0, RESET},
	/* "Architectural State before a VM Exit": blocked in shutdown and wait-for-SIPI, not in HLT. */
	{EVENT_MTF, IN_WFS, 0, STAY},
	{EVENT_MTF, IN_SHUTDOWN, 0, STAY},
	{EVENT_MTF, 0, 0, LEAVE},
	/* "Delivery of Pending Debug Exceptions after VM Entry": not in shutdown or wait-for-SIPI. */
	{EVENT_DEBUG_TRAP, IN_WFS, 0, STAY},
	{EVENT_DEBUG_TRAP, IN_SHUTDOWN, 0, STAY},
	{EVENT_DEBUG_TRAP, 0, 0, DEBUG},
	/* "VMX-Preemption Timer": wait-for-SIPI alone keeps it from exiting. */
	{EVENT_TIMER, IN_WFS, 0, STAY},
	{EVENT_TIMER, 0, 0, LEAVE},
	/* "NMI-Window Exiting": no virtual-NMI blocking, no blocking by MOV SS. */
	{EVENT_NMI_WINDOW, 0, NMIW, STAY},
	{EVENT_NMI_WINDOW, IN_WFS, 0, STAY},
	{EVENT_NMI_WINDOW, BNMI, 0, STAY},
	{EVENT_NMI_WINDOW, SS, 0, STAY},
	{EVENT_NMI_WINDOW, 0, 0, LEAVE},
	/* "Interruptibility State": blocking by NMI counts without virtual NMIs, or where no NMI exits. */
	{EVENT_NMI, IN_WFS, 0, STAY},
	{EVENT_NMI, XNMI | BNMI, VNMI, STAY},
	{EVENT_NMI, XNMI | BNMI | VNMI, 0, LEAVE},
	{EVENT_NMI, XNMI | SS, BNMI, WAIT_N},
	{EVENT_NMI, XNMI, 0, LEAVE},
	{EVENT_NMI, BNMI, 0, WAIT_N},
	{EVENT_NMI, SS, 0, WAIT_N},
	{EVENT_NMI, STI, 0, WAIT_N},
	{EVENT_NMI, 0, 0, TAKE},
	/* "Interrupt-Window Exiting": IF = 1, no blocking by STI or MOV SS; not in shutdown. */
	{EVENT_INTERRUPT_WINDOW, 0, INTW, STAY},
	{EVENT_INTERRUPT_WINDOW, IN_WFS, 0, STAY},
	{EVENT_INTERRUPT_WINDOW, IN_SHUTDOWN, 0, STAY},
	{EVENT_INTERRUPT_WINDOW, STI, 0, STAY},
	{EVENT_INTERRUPT_WINDOW, SS, 0, STAY},
	{EVENT_INTERRUPT_WINDOW, IF, 0, LEAVE},
	{EVENT_INTERRUPT_WINDOW, 0, 0, STAY},
	/* "Other Causes of VM Exits": external interrupts, whatever IF is; shutdown blocks them. */
	{EVENT_INTERRUPT, IN_WFS, 0, STAY},
	{EVENT_INTERRUPT, IN_SHUTDOWN, 0, STAY},
	{EVENT_INTERRUPT, XINT | STI | IF, 0, WAIT_I},
	{EVENT_INTERRUPT, XINT | SS | IF, 0, WAIT_I},
	{EVENT_INTERRUPT, XINT | STI, BNMI, WAIT_N},
	{EVENT_INTERRUPT, XINT | SS, BNMI, WAIT_N},
	{EVENT_INTERRUPT, XINT, 0, LEAVE},
	{EVENT_INTERRUPT, STI, 0, WAIT_I},
	{EVENT_INTERRUPT, SS, 0, WAIT_I},
	{EVENT_INTERRUPT, IF, 0, TAKE},
	{EVENT_INTERRUPT, 0, 0, WAIT_I},
};

static enum outcome look_up(enum event_kind kind, u32 state)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct row *r = &table[i];
		if (r->kind == kind && (state & r->set) == r->set && !(state & r->clear))
			return r->outcome;
	}
	return STAY;
}

/* What each kind comes to, in a given state: looked up once for all sets of pending events. */
static enum outcome outcomes[EVENT_COUNT];

static struct event_in unpack(u32 state, u32 pending)
{
	return (struct event_in){
		.in_l2 = state & L2,
		.l1_vmxon = state & VMXON,
		.external_interrupt_exiting = state & XINT,
		.nmi_exiting = state & XNMI,
		.virtual_nmis = state & VNMI,
		.nmi_window_exiting = state & NMIW,
		.interrupt_window_exiting = state & INTW,
		.interrupt_flag = state & IF,
		.interruptibility = (state & STI ? BLOCKING_STI : 0) |
				    (state & SS ? BLOCKING_MOV_SS : 0) |
				    (state & BNMI ? BLOCKING_NMI : 0),
		.activity = state & IN_WFS      ? WAIT_FOR_SIPI :
			    state & IN_SHUTDOWN ? SHUTDOWN :
			    state & IN_HLT      ? HLT :
						  ACTIVE,
		.in_flight = state & FLIGHT,
		.entry_pending = state & ENTRY,
		.pending = pending,
	};
}

/*
 * The states that can be. An L1 alone has none of vmcs12's controls, and its entry is not emulated;
 * virtual NMIs need NMI exiting, NMI windows need virtual NMIs (R25).
 */
static bool possible(u32 state)
{
	u32 activity = state & (IN_HLT | IN_SHUTDOWN | IN_WFS);

	if (activity & (activity - 1))
		return false;
	if (!(state & L2) && (state & (XINT | XNMI | VNMI | NMIW | INTW | ENTRY)))
		return false;
	return !((state & VNMI) && !(state & XNMI)) && !((state & NMIW) && !(state & VNMI));
}

static bool is_pending(u32 pending, enum event_kind kind)
{
	return pending >> kind & 1 || kind == EVENT_NMI_WINDOW || kind == EVENT_INTERRUPT_WINDOW;
}

static bool is_window(enum event_kind kind)
{
	return kind == EVENT_NMI_WINDOW || kind == EVENT_INTERRUPT_WINDOW;
}

/*
 * The decision, by the table: walk down; the first kind that leaves (or resets) ends the walk, and it can
 * leave at once only where nothing is delivered before it.
 */
static struct event_decision by_the_table(u32 state, u32 pending)
{
	struct event_decision d = {.what = EVENT_COUNT};
	unsigned deliveries = (state & FLIGHT ? 1 : 0) + (state & ENTRY ? 1 : 0);

	for (int k = 0; k < EVENT_COUNT; k++) {
		enum outcome o = is_pending(pending, (enum event_kind)k) ? outcomes[k] : STAY;
		if (o == DROP)
			d.dropped |= BIT(k);
		if (o == DEBUG)
			deliveries++;
		if (o == STAY || o == DROP || o == DEBUG || (o == LEAVE && deliveries && is_window(k)))
			continue;
		if (d.what == EVENT_COUNT || (!deliveries && (o == TAKE || o == LEAVE || o == RESET)))
			d.what = (enum event_kind)k;
		if (o == WAIT_I)
			d.interrupt_window = true;
		if (o == WAIT_N)
			d.nmi_window = true;
		if (o == TAKE && deliveries)
			*(k == EVENT_NMI ? &d.nmi_window : &d.interrupt_window) = true;
		if (o == TAKE && !deliveries)
			d.inject = true;
		if (o == TAKE)
			deliveries++;
		if (o == RESET)
			d.reset = true;
		if (o == LEAVE)
			*(deliveries ? &d.force : &d.exit) = true;
		if (o == RESET || o == LEAVE)
			break;
	}
	return d;
}

static bool agree(const struct event_decision *a, const struct event_decision *b)
{
	return a->what == b->what && a->exit == b->exit && a->reset == b->reset &&
	       a->inject == b->inject && a->force == b->force && a->nmi_window == b->nmi_window &&
	       a->interrupt_window == b->interrupt_window && a->dropped == b->dropped;
}

static void fail(u32 state, u32 pending, const char *what, const struct event_decision *d)
{
	test_fail(
		__FILE__, __LINE__,
		"%s: state %#x pending %#x: what %u exit %d reset %d inject %d force %d nw %d iw %d (%s)",
		what, state, pending, d->what, d->exit, d->reset, d->inject, d->force, d->nmi_window,
		d->interrupt_window, event_rule_info[d->rule].text);
}

/* Runs f over every state that can be, and every set of pending events; stops at the first failure. */
static void for_all(bool (*f)(u32 state, u32 pending))
{
	const u32 kinds = BIT(EVENT_INIT) | BIT(EVENT_SIPI) | BIT(EVENT_MTF) | BIT(EVENT_DEBUG_TRAP) |
			  BIT(EVENT_TIMER) | BIT(EVENT_NMI) | BIT(EVENT_INTERRUPT);

	for (u32 state = 0; state < STATES; state++) {
		if (!possible(state))
			continue;
		for (int k = 0; k < EVENT_COUNT; k++)
			outcomes[k] = look_up((enum event_kind)k, state);
		for (u32 pending = 0; pending < BIT(EVENT_COUNT); pending++)
			if (!(pending & ~kinds) && !f(state, pending))
				return;
	}
}

static bool same_as_table(u32 state, u32 pending)
{
	struct event_in in = unpack(state, pending);
	struct event_decision d = event_decide(&in), expected = by_the_table(state, pending);

	if (agree(&d, &expected))
		return true;
	fail(state, pending, "decided", &d);
	fail(state, pending, "the table says", &expected);
	return false;
}

TEST(event_decide_is_the_table)
{
	for_all(same_as_table);
}

/* Only what the guest can take is injected, and only what exits does: not what waits above it. */
static bool acts_on_what_can_act(u32 state, u32 pending)
{
	struct event_in in = unpack(state, pending);
	struct event_decision d = event_decide(&in);

	if ((!d.inject || outcomes[d.what] == TAKE) && (!d.exit || outcomes[d.what] == LEAVE) &&
	    (!d.reset || outcomes[d.what] == RESET))
		return true;
	fail(state, pending, "acts on what cannot", &d);
	return false;
}

TEST(event_acts_on_what_can_act)
{
	for_all(acts_on_what_can_act);
}

/* An exit and an event in flight exclude each other: no exit 1 ever carries vectoring information. */
static bool nothing_exits_in_flight(u32 state, u32 pending)
{
	struct event_in in = unpack(state, pending);
	struct event_decision d = event_decide(&in);

	if (!(d.exit && (state & (FLIGHT | ENTRY))) && !(d.exit && d.force) && !(d.exit && d.inject) &&
	    !(d.inject && (state & (FLIGHT | ENTRY))))
		return true;
	fail(state, pending, "in flight", &d);
	return false;
}

TEST(event_no_exit_while_one_is_in_flight)
{
	for_all(nothing_exits_in_flight);
}

/*
 * Every event comes out once: follow the decisions until nothing is left to do, with hardware that
 * delivers what is in flight at each entry and opens every window.
 */
static bool comes_out_once(u32 state, u32 pending)
{
	u32 left = pending & ~(u32)BIT(EVENT_SIPI), out = 0;

	if (state & (IN_SHUTDOWN | IN_WFS | BNMI | VMXON))
		return true; /* there some wait for what does not happen here */
	for (unsigned turn = 0; turn < 20 && (left & (u32)~BIT(EVENT_DEBUG_TRAP)); turn++) {
		struct event_in in = unpack(state, left);
		struct event_decision d = event_decide(&in);

		if (d.exit || d.reset || d.inject) {
			enum event_kind kind = d.inject && d.what != EVENT_NMI ? EVENT_INTERRUPT : d.what;
			if (!is_window(kind) && ((out >> kind & 1) || !(left >> kind & 1))) {
				fail(state, pending, "twice", &d);
				return false;
			}
			out |= BIT(kind);
			left &= ~(u32)BIT(kind);
			state &= ~(u32)(is_window(kind) ? (kind == EVENT_NMI_WINDOW ? NMIW : INTW) : 0);
			if (d.exit)
				continue;
		}
		/* The entry: what is in flight is delivered, one instruction's blocking ends. */
		left &= ~(u32)BIT(EVENT_DEBUG_TRAP);
		state = (state & ~(u32)(FLIGHT | ENTRY | STI | SS)) | IF;
	}
	if (!(left & ~(u32)BIT(EVENT_DEBUG_TRAP)))
		return true;
	struct event_decision none = {.what = EVENT_COUNT};
	fail(state, pending, "lost", &none);
	return false;
}

TEST(event_comes_out_once)
{
	for_all(comes_out_once);
}

/* The rows of event.def. SDM: volume 3A, "Prioritization of Concurrent Events"; R69. */
TEST(event_order_and_reasons)
{
	static const struct {
		enum event_kind kind;
		u32 reason;
	} order[] = {
		{EVENT_INIT, EXIT_REASON_INIT},
		{EVENT_SIPI, EXIT_REASON_SIPI},
		{EVENT_MTF, EXIT_REASON_MONITOR_TRAP_FLAG},
		{EVENT_DEBUG_TRAP, EXIT_REASON_EXCEPTION_NMI},
		{EVENT_TIMER, EXIT_REASON_PREEMPTION_TIMER},
		{EVENT_NMI_WINDOW, EXIT_REASON_NMI_WINDOW},
		{EVENT_NMI, EXIT_REASON_EXCEPTION_NMI},
		{EVENT_INTERRUPT_WINDOW, EXIT_REASON_INTERRUPT_WINDOW},
		{EVENT_INTERRUPT, EXIT_REASON_EXTERNAL_INTERRUPT},
	};

	EXPECT_EQ(ARRAY_LEN(order), EVENT_COUNT);
	for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
		EXPECT_EQ(order[i].kind, i);
		EXPECT_EQ(event_kind_info[i].exit_reason, order[i].reason);
	}
}

/*
 * Each decision names its rule, for the trace. "The event in flight is delivered" is said only where one is,
 * and that a window is not awaited any more only where nothing at all is pending.
 */
static bool has_a_rule(u32 state, u32 pending)
{
	struct event_in in = unpack(state, pending);
	struct event_decision d = event_decide(&in);
	bool in_flight = d.rule == EVENT_RULE_IN_FLIGHT, nothing = d.rule == EVENT_RULE_NOTHING;
	u32 waiting = pending | (state & (NMIW | INTW));

	if (d.what == EVENT_COUNT ?
		    in_flight == !!(state & FLIGHT) && (!nothing || !waiting || state & ENTRY) :
		    !in_flight && !nothing)
		return true;
	fail(state, pending, "rule", &d);
	return false;
}

TEST(event_rule_is_named)
{
	for_all(has_a_rule);
}

/* Each rule in a case of its own: its words, which the trace shows, and the SDM's section that has it. */
TEST(event_rule_words)
{
	static const struct {
		u32 state;
		enum event_kind kind; /* pending; EVENT_COUNT: nothing */
		bool trap; /* and a debug trap */
		bool stays; /* nothing is done about it, or it is lost */
		const char *text, *title;
	} cases[] = {
		{0, EVENT_COUNT, false, true, "no window is awaited any more", ""},
		{L2 | FLIGHT, EVENT_COUNT, false, true, "the event in flight is delivered",
		 "Event Injection"},
		{L2 | FLIGHT, EVENT_DEBUG_TRAP, false, true, "the event in flight is delivered",
		 "Event Injection"},
		{L2 | IN_SHUTDOWN | XINT, EVENT_INTERRUPT, false, true, "the activity state blocks it",
		 "Activity State"},
		{L2 | XINT | FLIGHT, EVENT_INTERRUPT, false, false,
		 "an exit waits for the event in flight", "Event Injection"},
		{L2 | XINT | FLIGHT | ENTRY, EVENT_INTERRUPT, false, false,
		 "an exit waits for the event in flight", "Event Injection"},
		{L2 | XINT | ENTRY, EVENT_INTERRUPT, false, false,
		 "an exit waits until VM entry is complete", "Special Features of VM Entry"},
		{L2 | XINT | ENTRY, EVENT_INTERRUPT, true, false,
		 "an exit waits for pending debug exceptions",
		 "Delivery of Pending Debug Exceptions after VM Entry"},
		{L2 | XINT | FLIGHT, EVENT_INTERRUPT, true, false,
		 "an exit waits for the event in flight", "Event Injection"},
		{L2 | IF, EVENT_INTERRUPT, true, false, "pending debug exceptions are delivered first",
		 "Delivery of Pending Debug Exceptions after VM Entry"},
		{IF | FLIGHT, EVENT_INTERRUPT, false, false, "an event in flight is delivered first",
		 "Event Injection"},
		{L2 | IF | ENTRY, EVENT_INTERRUPT, false, false, "VM entry is completed first",
		 "Special Features of VM Entry"},
		{L2, EVENT_INIT, false, false, "an INIT signal exits", "Other Causes of VM Exits"},
		{VMXON, EVENT_INIT, false, true, "INIT is blocked in VMX root operation",
		 "Restrictions on VMX Operation"},
		{0, EVENT_INIT, false, false, "INIT outside VMX operation", "Initialization Overview"},
		{L2 | IN_WFS, EVENT_SIPI, false, false, "a SIPI exits in the wait-for-SIPI state",
		 "Other Causes of VM Exits"},
		{IN_WFS, EVENT_SIPI, false, false, "a SIPI ends the wait-for-SIPI state",
		 "Multiple-Processor (MP) Initialization"},
		{L2, EVENT_SIPI, false, true, "a SIPI is discarded outside the wait-for-SIPI state",
		 "Other Causes of VM Exits"},
		{L2, EVENT_MTF, false, false, "an MTF VM exit is pending after the instruction",
		 "Monitor Trap Flag"},
		{L2, EVENT_DEBUG_TRAP, false, true, "pending debug exceptions are delivered",
		 "Delivery of Pending Debug Exceptions after VM Entry"},
		{L2, EVENT_TIMER, false, false, "the VMX-preemption timer has run out",
		 "VMX-Preemption Timer"},
		{L2 | XNMI | VNMI | NMIW | SS, EVENT_COUNT, false, true, "the NMI window is closed",
		 "NMI-Window Exiting"},
		{L2 | XNMI | VNMI | NMIW, EVENT_NMI_WINDOW, false, false,
		 "NMI-window exiting, and the window is open", "NMI-Window Exiting"},
		{L2 | XNMI | BNMI, EVENT_NMI, false, true, "NMIs are blocked as long as this guest runs",
		 "Changes to Instruction Behavior in VMX Non-Root Operation"},
		{L2 | XNMI | SS, EVENT_NMI, false, false, "MOV SS blocks NMIs for one instruction",
		 "Interruptibility State"},
		{L2 | XNMI, EVENT_NMI, false, false, "NMI exiting", "Other Causes of VM Exits"},
		{BNMI, EVENT_NMI, false, false, "NMIs are blocked", "Interruptibility State"},
		{0, EVENT_NMI, false, false, "the guest takes the NMI",
		 "VM-Entry Controls for Event Injection"},
		{L2 | INTW, EVENT_COUNT, false, true, "the interrupt window is closed",
		 "Interrupt-Window Exiting and Virtual-Interrupt Delivery"},
		{L2 | INTW | IF, EVENT_INTERRUPT_WINDOW, false, false,
		 "interrupt-window exiting, and the window is open",
		 "Interrupt-Window Exiting and Virtual-Interrupt Delivery"},
		{L2 | XINT | STI | IF, EVENT_INTERRUPT, false, false,
		 "STI or MOV SS blocks interrupts for one instruction", "Interruptibility State"},
		{SS | IF, EVENT_INTERRUPT, false, false,
		 "STI or MOV SS blocks interrupts for one instruction", "Interruptibility State"},
		{L2 | XINT, EVENT_INTERRUPT, false, false, "external-interrupt exiting",
		 "Other Causes of VM Exits"},
		{0, EVENT_INTERRUPT, false, false, "RFLAGS.IF masks interrupts",
		 "Masking Maskable Hardware Interrupts"},
		{IF, EVENT_INTERRUPT, false, false, "the guest takes the interrupt",
		 "VM-Entry Controls for Event Injection"},
	};
	u64 seen = 0;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		bool pending = cases[i].kind != EVENT_COUNT && !is_window(cases[i].kind);
		struct event_in in =
			unpack(cases[i].state, (pending ? BIT(cases[i].kind) : 0) |
						       (cases[i].trap ? BIT(EVENT_DEBUG_TRAP) : 0));
		struct event_decision d = event_decide(&in);
		const struct event_rule_info *rule = &event_rule_info[d.rule];

		EXPECT_EQ(d.what, cases[i].stays ? EVENT_COUNT : cases[i].kind);
		if (strcmp(rule->text, cases[i].text) != 0 || strcmp(rule->title, cases[i].title) != 0)
			test_fail(__FILE__, __LINE__, "rule is \"%s\" (%s), not \"%s\"", rule->text,
				  rule->title, cases[i].text);
		seen |= BIT(d.rule);
	}
	EXPECT_EQ(seen, BIT(EVENT_RULE_COUNT) - 1);
}
