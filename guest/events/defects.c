#include "guest/events/defects.h"

#include "guest/events/report.h"
#include "guest/lib/console.h"
#include "vmx/exits.h"

static struct defect defects[] = {
/*
 * SDM: "Saving RIP, RSP, RFLAGS, and SSP": an exit for a fault saves RF as the fault would have pushed
 * it, which is 1; so does an exit for an EPT violation while no event is delivered. Bochs saves RFLAGS
 * as they were.
 */
#define RF_LOST (&defects[0])
	{.name = "rf-lost",
	 .what = "RFLAGS",
	 .bits = RFLAGS_RF,
	 .spoils = {{FI_GUEST_RFLAGS, RFLAGS_RF}}},
/*
 * SDM: "Information for VM Exits Due to Vectored Events": an exception of real mode has no error code.
 * Bochs says that it has one.
 */
#define REAL_ERROR_CODE (&defects[1])
	{.name = "real-error-code",
	 .what = "interruption",
	 .bits = INTR_ERROR_CODE_VALID,
	 .spoils = {{FI_EXIT_INTERRUPTION_INFO, INTR_ERROR_CODE_VALID},
		    {FI_EXIT_INTERRUPTION_ERROR_CODE, ~0ull}}},
/*
 * SDM: "Page-Modification Logging": only a write that sets a dirty flag needs the log. Bochs exits for
 * any access to a page that is not in its TLB.
 */
#define PML_EARLY (&defects[2])
	{.name = "pml-early", .what = "vectoring", .bits = ~0ull, .everything = true},
/*
 * An exit in the first instruction of an NMI's handler saves the RIP where the NMI came, not the
 * handler's.
 */
#define NMI_RIP (&defects[3])
	{.name = "nmi-rip", .what = "RIP", .bits = ~0ull, .everything = true},
/*
 * SDM: "Updating Non-Register State": an entry with blocking by NMI 0 in the guest state unblocks NMIs.
 * Bochs leaves them as they are for L1.
 */
#define NMI_STAYS_BLOCKED (&defects[4])
	{.name = "nmi-stays-blocked", .what = "reason", .bits = ~0ull, .everything = true},
/* SDM: "Monitor Trap Flag": Bochs offers it with some processors, and never exits. */
#define MTF_NEVER (&defects[5])
	{.name = "mtf-never", .what = "reason", .bits = ~0ull, .everything = true},
/*
 * SDM: "Other Causes of VM Exits": an external interrupt exits whatever RFLAGS.IF is. Bochs looks at
 * that again only when IF changes.
 */
#define INTERRUPT_IF_0 (&defects[6])
	{.name = "interrupt-if-0", .what = "reason", .bits = ~0ull, .everything = true},
/* SDM: "VMX-Preemption Timer": blocking by STI does not matter to it. Bochs waits for one instruction. */
#define STI_BLOCKS_TIMER (&defects[7])
	{.name = "sti-blocks-timer", .what = "RIP", .bits = ~0ull, .everything = true},
/*
 * SDM: "Architectural State before a VM Exit": an NMI that exits directly blocks NMIs only after the exit.
 * Bochs saves them as blocked already.
 */
#define NMI_BLOCKS_EARLY (&defects[8])
	{.name = "nmi-blocks-early",
	 .what = "interruptibility",
	 .bits = BLOCKING_NMI,
	 .spoils = {{FI_GUEST_INTERRUPTIBILITY, BLOCKING_NMI}}},
/*
 * SDM: "Architectural State before a VM Exit": an exit directly by an event leaves the inactive state only
 * afterwards, so that is the one saved. Bochs is active already, but for its timer.
 */
#define ACTIVITY_LOST (&defects[9])
	{.name = "activity-lost",
	 .what = "activity",
	 .bits = HLT | SHUTDOWN,
	 .spoils = {{FI_GUEST_ACTIVITY_STATE, HLT | SHUTDOWN}}},
/* SDM: "Interrupt-Window Exiting and Virtual-Interrupt Delivery": it wakes from HLT. Bochs sleeps on. */
#define WINDOW_IN_HLT (&defects[10])
	{.name = "window-in-hlt", .what = "reason", .bits = ~0ull, .everything = true},
/*
 * SDM: "Checks on Guest Non-Register State": into HLT only what wakes from it may be injected. Bochs takes
 * everything.
 */
#define INJECT_IN_HLT (&defects[11])
	{.name = "inject-in-hlt", .what = "reason", .bits = ~0ull, .everything = true},
};

void defects_of_delivery(const struct flight *f)
{
	struct outcome o = model_outcome(f);
	bool fault = !o.handler && o.reason == EXIT_REASON_EXCEPTION_NMI &&
		     o.direct.type == INTR_HW_EXCEPTION;
	bool fetch = !o.handler && o.reason == EXIT_REASON_EPT_VIOLATION && !o.vectoring;

	if (fault || fetch)
		report_defect(RF_LOST);
	if (fault && f->w->kind == REAL_MODE && o.direct.error == NO_ERROR_CODE &&
	    o.direct.vector >= VEC_DF)
		report_defect(REAL_ERROR_CODE);
	if (f->way->kind == PML && f->r)
		report_defect(PML_EARLY);
	if (f->r && f->r->event == EVENT_nmi && fetch)
		report_defect(NMI_RIP);
}

void defect_nmi_stays_blocked(void)
{
	report_defect(NMI_STAYS_BLOCKED);
}

void defect_mtf_never(void)
{
	report_defect(MTF_NEVER);
}

void defect_interrupt_if_0(void)
{
	report_defect(INTERRUPT_IF_0);
}

void defect_sti_blocks_timer(void)
{
	report_defect(STI_BLOCKS_TIMER);
}

void defect_nmi_blocks_early(void)
{
	report_defect(NMI_BLOCKS_EARLY);
}

void defect_activity_lost(void)
{
	report_defect(ACTIVITY_LOST);
}

void defect_window_in_hlt(void)
{
	report_defect(WINDOW_IN_HLT);
}

void defect_inject_in_hlt(void)
{
	report_defect(INJECT_IN_HLT);
}

void defects_total(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(defects); i++)
		print("~ %s: met in %u rows\n", defects[i].name, defects[i].met);
}
