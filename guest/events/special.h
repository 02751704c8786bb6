/*
 * A row that is a single rule: what is set up, and what must come out.
 */
#ifndef GUEST_EVENTS_SPECIAL_H
#define GUEST_EVENTS_SPECIAL_H

#include "guest/events/world.h"
#include "vmx/exits.h"
#include "vmx/x86.h"

#define IRQ 0x41
#define EXCEPTION(vector) (INTR_VALID | INTR_HW_EXCEPTION << 8 | (vector))
#define SOFTWARE(vector) (INTR_VALID | INTR_SW_EXCEPTION << 8 | (vector))
#define PRIVILEGED(vector) (INTR_VALID | INTR_PRIV_SW_EXCEPTION << 8 | (vector))
#define NMI_INFO (INTR_VALID | INTR_NMI << 8 | VEC_NMI)
#define VNMI (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)
#define MTF_INFO (INTR_VALID | INTR_OTHER << 8)
#define FAILED(reason) (EXIT_REASON_ENTRY_FAILURE | (reason))

/* Where L2 is at the exit. */
enum where { START, END, HANDLER, STUB }; /* at the VMCALL of a handler; before its first instruction */

struct special {
	const char *name;
	/* Set up. */
	enum piece piece;
	u32 pin, proc, exit, bitmap; /* controls */
	u64 rflags;
	u32 interruptibility, injected;
	enum activity_state activity;
	u8 length; /* of the instruction, for a software event that is injected */
	u64 debug; /* pending debug exceptions */
	u64 timer; /* units of the preemption timer, where pin has it */
	bool interrupt, nmi; /* pending in the local APIC; sent by L2 by its first instruction */
	bool nmi_pending; /* at the entry */
	void (*spoil)(struct world *w);
	/* What comes. */
	u32 reason;
	enum where where;
	u8 vector; /* HANDLER, STUB */
	u32 info;
	u64 qualification;
	u32 blocking; /* interruptibility afterwards */
	enum activity_state after; /* activity state afterwards */
	bool still; /* the injected event is still to be injected */
	void (*defect)(void);
};

/* group: the word behind the world's name. */
void special_row(struct world *w, const char *group, const struct special *s);

#endif
