/*
 * The groups of rows.
 */
#ifndef GUEST_EVENTS_ROWS_H
#define GUEST_EVENTS_ROWS_H

#include "guest/events/world.h"

/* Each event against what its delivery can meet; all: not only the most important events. */
void rows_delivery(struct world *w, bool all);

#endif
