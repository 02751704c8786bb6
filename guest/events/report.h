/*
 * The lines of a row: after each exit the VMCS, at the end the verdict. main.c says how to read them.
 */
#ifndef GUEST_EVENTS_REPORT_H
#define GUEST_EVENTS_REPORT_H

#include "guest/events/world.h"

/* The whole VMCS with which each row of this world starts. */
void report_world(const struct world *w);

/* A row begins; false: the command line's only= does not want it. Its name is made like print()'s. */
bool report_begin(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* The row needs something that L0 may hide: its lines start with "~", unless it fails. */
void report_optional(void);

/* What the machine is known to do wrong in this row. */
struct defect;
void report_defect(struct defect *defect);

/*
 * Enters L2, and notes each field of the VMCS that differs from what it was before the entry, and all exit
 * information that is defined (masks.c): to the debug port, and into the row's hash. CR2 and DR6 too: the
 * processor does not switch them.
 */
void report_enter(struct world *w);

/* One thing that the SDM fixes. The first that is wrong makes the row fail. */
void report_check(const char *what, u64 expected, u64 seen);

/* Whether the row can go on: all was right so far. */
bool report_good(void);

/* Instead of a row that the processor does not have what it needs for. */
void report_skip(void);

/* The verdict. */
void report_end(void);

void report_total(void);

/* A number of the command line: word is "storm=" and the like. */
u64 report_argument(const char *word, u64 otherwise);

#endif
