/*
 * A storm: L1 sends itself interrupts of twelve priorities, some at a time, while L2's pages are taken
 * away under it. Each must reach its handler in L2 exactly once, and the highest that is pending first.
 *
 * Either the interrupt exits to L1, which acknowledges and injects it; or L2 takes it itself.
 */
#include "guest/events/apic.h"
#include "guest/events/report.h"
#include "guest/events/rows.h"
#include "guest/lib/console.h"
#include "guest/lib/ept.h"
#include "guest/lib/memory.h"
#include "vmx/exits.h"

#define CLASSES 12
#define VECTOR(class) (0x31 + 0x10 * (unsigned)(class))
#define DEFAULT_COUNT 4000
#define EXTERNAL(vector) (INTR_VALID | INTR_EXTERNAL << 8 | (vector))
#define PF_INFO (INTR_VALID | INTR_HW_EXCEPTION << 8 | INTR_ERROR_CODE_VALID | VEC_PF)

static struct {
	bool exits; /* external-interrupt exiting */
	u32 pending; /* bits of classes: sent, and taken neither by L1 nor by L2 */
	u32 in_l2; /* taken, and its handler has not run */
	u32 reinject; /* what the next entry injects, or 0 */
	u64 sent, handled, vectored, faults;
	u32 random;
} storm;

static unsigned random(unsigned below)
{
	storm.random = storm.random * 1664525 + 1013904223;
	return (storm.random >> 16) % below;
}

static unsigned class_of(u64 info)
{
	return (unsigned)((info & INTR_VECTOR) - VECTOR(0)) / 0x10;
}

static unsigned highest(u32 classes)
{
	return 31 - (unsigned)__builtin_clz(classes);
}

static u64 get(enum vmcs_field field)
{
	return vmcs_get(field);
}

/* ---- before an entry */

static void send_some(void)
{
	for (unsigned n = 1 + random(3); n; n--) {
		unsigned class = random(CLASSES);
		if ((storm.pending | storm.in_l2) & 1u << class)
			continue; /* the APIC would take both for one */
		apic_send((u8)VECTOR(class));
		storm.pending |= 1u << class;
		storm.sent++;
	}
}

/* Takes a page away: the stack, a part of the IDT, the handlers, or what L2 reads. */
static void spoil(struct world *w)
{
	static const enum page pages[] = {STACK, IDT_HIGH, STUBS, GDT};
	unsigned n = random(6);

	if (n < ARRAY_LEN(pages)) {
		*w->epte[pages[n]] &= ~(u64)EPT_RWX;
		world_invalidate(w);
	} else if (n == ARRAY_LEN(pages)) {
		*w->pte[HOLE] = 0;
		world_invalidate(w);
	}
}

static void repair(struct world *w)
{
	world_tables(w);
	*w->pte[HOLE] = world_page(w, HOLE) | PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
	storm.faults++;
}

/* ---- after an exit */

static void took(unsigned class)
{
	report_check("the highest first", VECTOR(highest(storm.pending)), VECTOR(class));
	storm.pending &= ~(1u << class);
	storm.in_l2 |= 1u << class;
}

static void on_interrupt(void)
{
	u64 info = get(VMCS_EXIT_INTERRUPTION_INFO);

	report_check("vectoring of an external interrupt", 0, get(VMCS_IDT_VECTORING_INFO) & INTR_VALID);
	if (!storm.pending) {
		report_check("a second time", 0, info);
		return;
	}
	took(class_of(info));
	apic_eoi();
	storm.reinject = (u32)info;
}

/* What was being delivered has left the local APIC already. */
static void on_fault(struct world *w)
{
	u64 info = get(VMCS_IDT_VECTORING_INFO);

	repair(w);
	if (!(info & INTR_VALID))
		return;
	storm.vectored++;
	if (!storm.exits && (storm.pending & 1u << class_of(info))) {
		took(class_of(info));
		apic_eoi();
	}
	report_check("in flight", 1, storm.in_l2 >> class_of(info) & 1);
	report_check("event", EXTERNAL(info & INTR_VECTOR), info);
	storm.reinject = (u32)info;
}

/* A handler runs, or L2 has come to its end. */
static bool on_vmcall(const struct world *w)
{
	u64 rip = get(VMCS_GUEST_RIP), stub = rip - STUB_VMCALL - world_page(w, STUBS);
	unsigned class = class_of(stub / STUB_SIZE);

	if (stub >= PAGE_SIZE)
		return false;
	if (!storm.exits && (storm.pending & 1u << class)) {
		took(class);
		apic_eoi();
	}
	report_check("handler once", 1, storm.in_l2 >> class & 1);
	storm.in_l2 &= ~(1u << class);
	storm.handled++;
	vmcs_set(VMCS_GUEST_RIP, rip + VMCALL_LENGTH);
	return true;
}

static bool step(struct world *w)
{
	u64 reason;

	if (storm.reinject)
		vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, storm.reinject);
	storm.reinject = 0;
	if (vm_enter_raw(w->gpr, w->launched)) {
		report_check("VMfail", 0, get(VMCS_VM_INSTRUCTION_ERROR));
		return false;
	}
	reason = get(VMCS_EXIT_REASON);
	if (reason == EXIT_REASON_EXTERNAL_INTERRUPT)
		on_interrupt();
	else if (reason == EXIT_REASON_EPT_VIOLATION)
		on_fault(w);
	else if (reason == EXIT_REASON_EXCEPTION_NMI && get(VMCS_EXIT_INTERRUPTION_INFO) == PF_INFO)
		on_fault(w);
	else if (reason == EXIT_REASON_VMCALL)
		return on_vmcall(w);
	else
		report_check("reason", EXIT_REASON_VMCALL, reason);
	return report_good();
}

/* From the first instruction of L2's code to its last; more interrupts come on the way. */
static void round(struct world *w, u64 count)
{
	vmcs_set(VMCS_GUEST_RIP, world_piece(w, PIECE_read));
	vmcs_set(VMCS_GUEST_RSP, world_page(w, STACK) + STACK_TOP);
	vmcs_set(VMCS_GUEST_RFLAGS, RFLAGS_FIXED1 | RFLAGS_IF);
	spoil(w);
	send_some();
	while (step(w))
		if (random(4) == 0 && storm.sent < count)
			send_some();
	report_check("left in flight", 0, storm.in_l2);
	report_check("left pending", 0, storm.pending);
}

static void run(struct world *w, bool exits, u64 count)
{
	if (!report_begin("%s storm, %s: %lu interrupts, each once, in order", w->name,
			  exits ? "L1 injects them" : "L2 takes them", count))
		return;
	memory_set(&storm, 0, sizeof(storm));
	storm.exits = exits;
	world_reset(w);
	world_enter(w);
	w->gpr[RBX] = world_page(w, HOLE);
	SET(w, EXCEPTION_BITMAP, 1u << VEC_PF);
	if (exits) {
		world_control(w, PIN, PIN_EXTERNAL_INTERRUPT_EXITING);
		world_control(w, EXIT, EXIT_ACK_INTERRUPT_ON_EXIT);
	}
	while (report_good() && storm.handled < count)
		round(w, count);
	report_check("handled", storm.sent, storm.handled);
	print("~ %lu sent, %lu handled; %lu faults, %lu of them during a delivery\n", storm.sent,
	      storm.handled, storm.faults, storm.vectored);
	report_end();
	world_read(w);
	apic_drain();
}

void rows_storm(struct world *w)
{
	u64 count = report_argument("storm=", DEFAULT_COUNT);

	run(w, true, count);
	run(w, false, count);
}
