/*
 * What interrupts a delivery: the rows of way.def, how each is brought about, and how it is undone.
 */
#ifndef GUEST_EVENTS_WAY_H
#define GUEST_EVENTS_WAY_H

#include "guest/events/event.h"

enum way_kind { NOTHING, EPT, MISCONFIG, APIC, PML, FAULT, TASK };
enum way_place {
	NOWHERE,
	FRESH,
	AT_GATE,
	AT_GDT,
	AT_TSS,
	AT_STACK,
	AT_STACK_READ_ONLY,
	AT_TABLE,
	AT_HANDLER,
	GATE_NOT_PRESENT,
	GATE_NO_TYPE,
	GATE_BEYOND,
	GATE_NULL,
	GATE_ABSENT,
	TSS_SHORT,
	STACK_NOT_CANONICAL,
};
enum way_code { ZERO, READ, WRITE, GATE, TR, CS };
enum way_needs { ANY, EPT12, EPT12_PROTECTED, EPT12_WIDE, PROTECTED, WIDE, NARROW };

struct way {
	const char *name;
	enum way_kind kind;
	enum way_place place;
	u8 fault;
	enum way_code code;
	enum way_needs needs;
	bool core; /* tried with every event and in all worlds */
};

extern const struct way ways[];
extern const unsigned way_count;

/* Whether this world has it for that event; the processor too. */
bool way_possible(const struct world *w, const struct way *way, const struct event *e);

/* Spoils what the delivery of e needs. */
void way_spoil(struct world *w, const struct way *way, const struct event *e);

/* All is well again. */
void way_repair(struct world *w, const struct way *way);

/* Which page's mapping is spoiled, or PAGES. */
enum page way_page(const struct world *w, const struct way *way, const struct event *e);

/* The stack of this vector's handler. */
enum page way_stack(const struct world *w, unsigned vector);

#endif
