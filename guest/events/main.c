/*
 * Events in flight: every event that can be on its way into L2, against everything that its delivery
 * can meet; what is pending at an entry, in which order it is taken; and a storm of interrupts. An
 * ordinary L1: it prints the same on the bare processor and under a hypervisor.
 *
 * A row is one line:
 *
 *   ok 64e inject int30: ept stack 5f3a9c01
 *
 * world     64e, 64: a 64-bit L2, with EPT12 and without; 32e, 32: a 32-bit one (PAE paging); real: in
 *           real mode; user: in ring 3 of 64-bit mode
 * event     (event.def) injected by L1 at the entry, or raised by L2 itself
 * way       (way.def) what the delivery meets; "exits": that fault is in the exception bitmap, "#DF
 *           exits": only the double fault that comes of it, "all exit": every exception
 * [name]    a defect of the simulated machine (defects.c) that this row may meet
 * number    a hash of the row's fields
 *
 * After each exit every field of the VMCS that differs from what it was before the entry is printed, and all
 * exit information that is defined (masks.c): into the log, by the debug port, and with `fields` here too.
 *
 * A row enters L2, and checks what the SDM fixes: a fault of the delivery is an exit with the event in
 * the IDT-vectoring information, or another handler, or a double or triple fault without (model.c).
 * Then it puts right what was spoiled, injects what was being delivered, and checks that exactly the
 * event's handler runs (each is one VMCALL), on the right stack, and returns to the right place.
 *
 * `pending` rows have several things pending at one entry, and check that they come out one by one in
 * the right order (pending.c); `special` rows are single rules (special.c), `activity` rows
 * those of the HLT and shutdown states (activity.c); `storm` rows count (storm.c).
 *
 * Arguments: `storm=N`, how many interrupts; `only=TEXT` runs the rows with TEXT in their names ("+" is a
 * blank), as with `fields`.
 */
#include "guest/events/apic.h"
#include "guest/events/report.h"
#include "guest/events/rows.h"
#include "guest/lib/console.h"
#include "guest/lib/start.h"

static const struct {
	const char *name;
	enum kind kind;
	bool ept, ring3;
	bool all; /* every event and way */
	bool pending; /* the rows of pending.c and special.c too */
} worlds[] = {
	{.name = "64e", .kind = LONG_64, .ept = true, .all = true, .pending = true},
	{.name = "64", .kind = LONG_64},
	{.name = "32e", .kind = PAE_32, .ept = true},
	{.name = "32", .kind = PAE_32, .pending = true},
	{.name = "real", .kind = REAL_MODE, .ept = true},
	{.name = "user", .kind = LONG_64, .ept = true, .ring3 = true},
};

static void run(unsigned i)
{
	static struct world w;
	const char *lacking = world_lacks(worlds[i].kind, worlds[i].ept);

	if (lacking) {
		print("~ %s: this processor has no %s\n", worlds[i].name, lacking);
		return;
	}
	world_create(&w, worlds[i].name, worlds[i].kind, worlds[i].ept, worlds[i].ring3);
	report_world(&w);
	rows_delivery(&w, worlds[i].all);
	if (worlds[i].pending) {
		rows_pending(&w);
		rows_special(&w);
		rows_activity(&w);
		if (worlds[i].ept)
			rows_storm(&w);
	}
}

void guest_main(void)
{
	print("Events in flight\n");
	if (!vmx_present() || !vmx_prepare()) {
		print("FAIL this processor has no VMX, or the firmware forbids it\n");
		return;
	}
	vmx_on();
	apic_init();
	for (unsigned i = 0; i < ARRAY_LEN(worlds); i++)
		run(i);
	report_total();
}
