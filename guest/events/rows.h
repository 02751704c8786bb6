/*
 * The groups of rows.
 */
#ifndef GUEST_EVENTS_ROWS_H
#define GUEST_EVENTS_ROWS_H

#include "guest/events/world.h"

/* Each event against what its delivery can meet; all: not only the most important events. */
void rows_delivery(struct world *w, bool all);

/* Several things pending at one entry, and their order. */
void rows_pending(struct world *w);

/* Single rules of entries and exits. */
void rows_special(struct world *w);

/* L2 in the HLT and shutdown states, and what ends them. */
void rows_activity(struct world *w);

/* Interrupts of several priorities, as many as storm= of the command line says. */
void rows_storm(struct world *w);

#endif
