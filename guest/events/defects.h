/*
 * What the simulated machine (Bochs 2.7) does otherwise than the SDM says, by name, and in which rows.
 * Such a row passes with the SDM's result and with the defect's; its line names the defect, and what
 * the defect spoils is not compared.
 */
#ifndef GUEST_EVENTS_DEFECTS_H
#define GUEST_EVENTS_DEFECTS_H

#include "guest/events/model.h"

struct defect {
	unsigned met; /* in how many rows */
	const char *name;
	const char *what; /* the check that sees it */
	u64 bits; /* of its value, that may differ */
	struct {
		enum field_index field;
		u64 bits;
	} spoils[2]; /* what is not to be compared */
	bool everything; /* L2 runs on otherwise: nothing behind the check is compared */
};

/* Tells report.c the defects that a row of delivery.c meets. */
void defects_of_delivery(const struct flight *f);

/* The same, for the rows of pending.c and special.c: what each is stands in defects.c. */
void defect_nmi_stays_blocked(void);
void defect_mtf_never(void);
void defect_interrupt_if_0(void);
void defect_sti_blocks_timer(void);
void defect_nmi_blocks_early(void);
void defect_activity_lost(void);
void defect_window_in_hlt(void);
void defect_inject_in_hlt(void);

/* How many rows each has been met in, on lines that start with "~". */
void defects_total(void);

#endif
