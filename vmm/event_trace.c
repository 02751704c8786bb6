/*
 * trace=events: each decision about events as a line of the log. The text is stable; tests read it:
 *
 *   event: L2: in flight: external interrupt 0x20; pending: external interrupt: enter, then force an
 *   exit: an exit waits for the event in flight (SDM: Event Injection)
 */
#include "vmm/console.h"
#include "vmm/event.h"
#include "vmm/lib.h"

#define TEXT_MAX 200
#define VECTOR_MAX 8

static const char *type_name(u32 info)
{
	static const char *const names[8] = {
		[INTR_EXTERNAL] = "external interrupt",
		[INTR_NMI] = "NMI",
		[INTR_HW_EXCEPTION] = "hardware exception",
		[INTR_SW_INTERRUPT] = "software interrupt",
		[INTR_PRIV_SW_EXCEPTION] = "privileged software exception",
		[INTR_SW_EXCEPTION] = "software exception",
		[INTR_OTHER] = "other event",
	};
	const char *name = names[INTR_TYPE(info)];
	return name ? name : "?";
}

/* The vector: as an exception's mnemonic, where it has one. An NMI's is no news. */
static const char *say_vector(char *text, u32 info)
{
	static const char *const mnemonics[] = {
		[VEC_DE] = "#DE",   [VEC_DB] = "#DB", [VEC_BP] = "#BP", [VEC_OF] = "#OF",
		[VEC_BR] = "#BR",   [VEC_UD] = "#UD", [VEC_NM] = "#NM", [VEC_DF] = "#DF",
		[VEC_CSO] = "#CSO", [VEC_TS] = "#TS", [VEC_NP] = "#NP", [VEC_SS] = "#SS",
		[VEC_GP] = "#GP",   [VEC_PF] = "#PF", [VEC_MF] = "#MF", [VEC_AC] = "#AC",
		[VEC_MC] = "#MC",   [VEC_XM] = "#XM", [VEC_VE] = "#VE", [VEC_CP] = "#CP",
	};
	u32 vector = info & INTR_VECTOR, type = INTR_TYPE(info);

	if (type == INTR_NMI || type == INTR_OTHER)
		return "";
	if (type != INTR_EXTERNAL && type != INTR_SW_INTERRUPT && vector < ARRAY_LEN(mnemonics) &&
	    mnemonics[vector])
		fmt(text, VECTOR_MAX, " %s", mnemonics[vector]);
	else
		fmt(text, VECTOR_MAX, " %#x", vector);
	return text;
}

static void say_in_flight(char *text, const struct event *e, const struct event_in *in)
{
	char vector[VECTOR_MAX];
	int used = 0;

	if (e->info & INTR_VALID)
		used = fmt(text, TEXT_MAX, "%s%s", type_name(e->info), say_vector(vector, e->info));
	if (in->entry_pending)
		used += fmt(text + used, TEXT_MAX - (size_t)used, "%sVM entry", used ? ", " : "");
	if (!used)
		fmt(text, TEXT_MAX, "nothing");
}

static void say_pending(char *text, u32 pending)
{
	int used = 0;

	for (unsigned kind = 0; kind < EVENT_COUNT; kind++)
		if (pending >> kind & 1)
			used += fmt(text + used, TEXT_MAX - (size_t)used, "%s%s", used ? ", " : "",
				    event_kind_info[kind].name);
	if (!used)
		fmt(text, TEXT_MAX, "nothing");
}

static void say_action(char *text, const struct event_decision *d)
{
	const char *window = d->nmi_window && d->interrupt_window ? ", both windows awaited" :
			     d->nmi_window                        ? ", NMI window awaited" :
			     d->interrupt_window                  ? ", interrupt window awaited" :
								    "";

	if (d->exit)
		fmt(text, TEXT_MAX, "exit %u to L1", event_kind_info[d->what].exit_reason);
	else if (d->reset)
		fmt(text, TEXT_MAX, "reset L1");
	else
		fmt(text, TEXT_MAX, "enter%s%s%s", d->inject ? " with it injected" : "",
		    d->force ? ", then force an exit" : "", window);
}

void event_trace(const struct vcpu *v, const struct event_in *in, const struct event_decision *d)
{
	char in_flight[TEXT_MAX], pending[TEXT_MAX], action[TEXT_MAX];
	const struct event_rule_info *rule = &event_rule_info[d->rule];

	say_in_flight(in_flight, &v->events.in_flight, in);
	say_pending(pending, in->pending);
	say_action(action, d);
	log_line("event: %s: in flight: %s; pending: %s: %s: %s%s%s%s", in->in_l2 ? "L2" : "L1",
		 in_flight, pending, action, rule->text, *rule->title ? " (SDM: " : "", rule->title,
		 *rule->title ? ")" : "");
}
