/*
 * The L2s of the demo: in which mode each runs, what memory and interrupt table it has.
 */
#ifndef GUEST_DEMO_GUESTS_H
#define GUEST_DEMO_GUESTS_H

#include "guest/demo/payload.h"
#include "guest/lib/l2.h"

struct guest {
	struct l2 cpu;
	const char *name;
	enum kind kind;
	bool ept;
	/* l2_memory.c makes these. */
	u64 eptp; /* 0 without EPT */
	u64 cr3;
	u64 stack; /* RSP at the start of each piece of payload */
	u64 idt; /* L2's interrupt table */
	u64 *ept_test; /* EPT12 entry of L2_EPT_TEST */
	u64 *page_test; /* page-table entry of L2_PAGE_TEST; its low half in PAGED_32 */
	u32 *ept_test_data, *page_test_data; /* the pages themselves */
	u8 *bitmap_a, *bitmap_b; /* a page each, for I/O or MSR bitmaps and MSR lists */
};

/* Makes an L2: its memory, and a VMCS that is loaded and ready. */
void guest_create(struct guest *g, const char *name, enum kind kind, bool ept);

/* All registers and controls as at the start. */
void guest_reset(struct guest *g);

/* L2 will go on with this piece of payload, with an empty stack and interrupts off. */
void guest_goto(struct guest *g, enum payload piece);

/* L2's address of a piece of payload. */
u64 guest_code(const struct guest *g, enum payload piece);

/* Sets these bits of a 32-bit control field. */
void guest_add_controls(enum vmcs_field field, u32 controls);

#endif
