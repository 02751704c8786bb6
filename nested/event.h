/*
 * Events in flight and events pending: what happens next. Pure.
 *
 * Before each entry into a guest (L1 or L2) the state is gathered into struct event_in; event_decide()
 * says what the processor would do at this instruction boundary. Two rules shape it:
 *
 *   - An event in flight is finished first. That is one whose delivery an exit of L0's cut short, one
 *     that L1 injects, or a whole VM entry that L0 has emulated and hardware has not completed. Nothing
 *     that L0 makes up by itself may exit to L1 before: hardware delivers the event, and gives control
 *     back before the guest's first own instruction (.force).
 *   - Of what is pending, the highest priority is recognized; nothing is lost, the rest stays pending.
 *
 * SDM: volume 3A, "Prioritization of Concurrent Events"; volume 3C, "Event Injection", "Special Features
 * of VM Entry", "Other Causes of VM Exits", "Information for VM Exits That Occur During Event Delivery".
 */
#ifndef NESTED_EVENT_H
#define NESTED_EVENT_H

#include "vmx/types.h"
#include "vmx/x86.h"

/* An event as VM-entry and IDT-vectoring information describe it. info without INTR_VALID: none. */
struct event {
	u32 info, error_code, length;
};

/* What can be pending, in order of priority. */
enum event_kind {
#define EV(kind, exit, blocked_in, text) EVENT_##kind,
#include "event.def"
#undef EV
	EVENT_COUNT
};

struct event_kind_info {
	const char *name; /* as in the trace */
	u32 exit_reason; /* of the exit to L1 */
	u8 blocked_in; /* BIT(activity state): it stays pending there */
};

extern const struct event_kind_info event_kind_info[EVENT_COUNT];

/* Why something is decided. */
enum event_rule {
#define R(rule, text, title) EVENT_RULE_##rule,
#include "event_rule.def"
#undef R
	EVENT_RULE_COUNT
};

struct event_rule_info {
	const char *text; /* as in the trace */
	const char *title; /* SDM; "" for NOTHING */
};

extern const struct event_rule_info event_rule_info[EVENT_RULE_COUNT];

/* All that the decision depends on. */
struct event_in {
	bool in_l2; /* false: L1 runs, and the controls below are all false */
	bool l1_vmxon; /* L1 is in VMX operation: its INITs wait */
	/* vmcs12 */
	bool external_interrupt_exiting, nmi_exiting, virtual_nmis;
	bool nmi_window_exiting, interrupt_window_exiting;
	/* the guest */
	bool interrupt_flag; /* RFLAGS.IF */
	u32 interruptibility;
	enum activity_state activity;
	/* in flight */
	bool in_flight; /* the next entry delivers an event */
	bool entry_pending; /* an emulated VM entry that hardware has not completed */
	/* pending: BIT(enum event_kind). The two windows are not: they follow from the controls. */
	u32 pending;
};

struct event_decision {
	/* What exits, is injected or resets; else the first that waits. EVENT_COUNT: nothing to do but enter. */
	enum event_kind what;
	bool exit; /* to L1, with event_kind_info[what].exit_reason: nothing is entered */
	bool reset; /* INIT or SIPI for L1 itself */
	bool inject; /* the NMI or the interrupt, at the entry */
	bool force; /* an exit after the delivery, before the guest's first own instruction */
	/* Exits that hardware is asked for, so that what waits is looked at again. */
	bool nmi_window, interrupt_window;
	u32 dropped; /* BIT(enum event_kind): lost, as on a processor */
	enum event_rule rule; /* of `what`; else of what is in flight, or stays */
};

struct event_decision event_decide(const struct event_in *in);

#endif
