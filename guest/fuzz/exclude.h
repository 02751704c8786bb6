/*
 * Which entries are not done, and why; the mutations are made again. Each rule has a name, and is counted.
 */
#ifndef GUEST_FUZZ_EXCLUDE_H
#define GUEST_FUZZ_EXCLUDE_H

#include "guest/fuzz/fuzz.h"

struct rule {
	const char *name, *why;
	bool (*meets)(const struct entry *e); /* the entry is not done */
	u64 count;
};

/* Entries that would end L1, or whose result depends on more than the entry. */
extern struct rule harmful[];
extern const unsigned harmful_count;

/* Entries that meet a defect of the simulated machine, Bochs 2.7. */
extern struct rule defects[];
extern const unsigned defect_count;

void exclude_print_rule(const char *what, const struct rule *rule);

/* A field's value in the entry `e`. */
#define V(name) (e->image.f[FI_##name])

static inline bool proc2(const struct entry *e, u32 control)
{
	return (V(PROC_CONTROLS) & PROC_ACTIVATE_SECONDARY) && (V(PROC2_CONTROLS) & control);
}

static inline bool injects(const struct entry *e)
{
	return V(ENTRY_INTERRUPTION_INFO) & INTR_VALID;
}

/* L2 exits before its first instruction, at the latest. */
static inline bool stops_at_once(const struct entry *e)
{
	return (V(PIN_CONTROLS) & PIN_ACTIVATE_PREEMPTION_TIMER) && V(PREEMPTION_TIMER_VALUE) == 0;
}

#endif
