/*
 * Every event against everything that its delivery can meet: a row each.
 */
#include "guest/events/apic.h"
#include "guest/events/defects.h"
#include "guest/events/model.h"
#include "guest/events/report.h"
#include "guest/events/rows.h"
#include "guest/lib/asm.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "vmx/exits.h"

#define CR2_BEFORE 0x5000

/* ---- what an exit tells */

static u64 valid_info(u64 info)
{
	return info & INTR_VALID ? info & ~(u64)INTR_NMI_UNBLOCKING : 0;
}

static void check_event(const char *what, const char *what_error, const struct event *e, u64 info,
			u64 error)
{
	report_check(what, event_info(e), valid_info(info));
	if (e->error != NO_ERROR_CODE)
		report_check(what_error, (u32)e->error, error);
}

static void check_vectoring(const struct world *w, const struct event *e)
{
	if (!e) {
		report_check("vectoring", 0, valid_info(w->now[FI_IDT_VECTORING_INFO]));
		return;
	}
	check_event("vectoring", "vectoring-error", e, w->now[FI_IDT_VECTORING_INFO],
		    w->now[FI_IDT_VECTORING_ERROR_CODE]);
	if (event_is_software(e))
		report_check("length", e->length, w->now[FI_EXIT_INSTRUCTION_LENGTH]);
}

static void check_interruption(const struct world *w, const struct event *e)
{
	if (!e) {
		report_check("interruption", 0, valid_info(w->now[FI_EXIT_INTERRUPTION_INFO]));
		return;
	}
	check_event("interruption", "interruption-error", e, w->now[FI_EXIT_INTERRUPTION_INFO],
		    w->now[FI_EXIT_INTERRUPTION_ERROR_CODE]);
	if (event_is_software(e))
		report_check("length", e->length, w->now[FI_EXIT_INSTRUCTION_LENGTH]);
}

/* What holds for every exit here. */
static void check_always(const struct world *w, const struct event *e)
{
	report_check("injection", 0, w->now[FI_ENTRY_INTERRUPTION_INFO] & INTR_VALID);
	report_check("activity", ACTIVE, w->now[FI_GUEST_ACTIVITY_STATE]);
	report_check("interruptibility", e->type == INTR_NMI ? BLOCKING_NMI : 0,
		     w->now[FI_GUEST_INTERRUPTIBILITY]);
	report_check("pending-debug", 0, w->now[FI_GUEST_PENDING_DEBUG]);
}

/* ---- frames and flags */

static unsigned frame_words(const struct world *w, const struct event *e)
{
	unsigned words = w->kind == LONG_64 || w->ring3 ? 5 : 3;
	return words + (e->error != NO_ERROR_CODE);
}

static u64 frame_rsp(const struct world *w, const struct event *e)
{
	unsigned word = w->kind == LONG_64 ? 8 : w->kind == PAE_32 ? 4 : 2;

	return world_page(w, way_stack(w, e->vector)) + STACK_TOP - word * frame_words(w, e);
}

static u64 frame_word(const struct world *w, const struct event *e, unsigned i)
{
	const u8 *at = w->page[way_stack(w, e->vector)] + frame_rsp(w, e) % PAGE_SIZE;

	return w->kind == LONG_64 ? ((const u64 *)at)[i] :
	       w->kind == PAE_32  ? ((const u32 *)at)[i] :
				    ((const u16 *)at)[i];
}

static void frame_set_rip(const struct world *w, const struct event *e, u64 rip)
{
	u8 *at = w->page[way_stack(w, e->vector)] + frame_rsp(w, e) % PAGE_SIZE;
	unsigned i = e->error != NO_ERROR_CODE;

	if (w->kind == LONG_64)
		((u64 *)at)[i] = rip;
	else if (w->kind == PAE_32)
		((u32 *)at)[i] = (u32)rip;
	else
		((u16 *)at)[i] = (u16)rip;
}

/* Flags that a delivery clears. SDM: "Flag Usage By Exception- or Interrupt-Handler Procedure". */
static u64 handler_rflags(const struct world *w, u64 rflags)
{
	const u64 nt = BIT(14);
	u64 cleared = RFLAGS_TF | RFLAGS_RF;

	cleared |= w->kind == REAL_MODE ? RFLAGS_IF | RFLAGS_AC : nt | RFLAGS_VM;
	return rflags & ~cleared;
}

/* ---- the exit during the delivery */

static void check_addresses(const struct flight *f, const struct outcome *o)
{
	const struct world *w = f->w;

	if (o->reason == EXIT_REASON_EPT_VIOLATION || o->reason == EXIT_REASON_EPT_MISCONFIGURATION)
		report_check("physical", world_page(w, o->page),
			     w->now[FI_GUEST_PHYSICAL_ADDRESS] & PAGE_MASK);
	if (o->linear)
		report_check("linear", world_page(w, o->page),
			     w->now[FI_GUEST_LINEAR_ADDRESS] & PAGE_MASK);
}

/* #PF changes CR2 when L2 raises it, unless it exits itself. SDM: "Architectural State Before a VM Exit". */
static u64 cr2_expected(const struct flight *f, const struct outcome *o)
{
	bool raised = f->r && f->r->event == EVENT_pf;
	bool itself = !o->handler && !o->vectoring && o->reason == EXIT_REASON_EXCEPTION_NMI;

	return raised && !itself ? world_page(f->w, f->r->rbx) : CR2_BEFORE;
}

/* SDM: "Saving RIP, RSP, RFLAGS, and SSP". */
static u64 rf_expected(const struct flight *f, const struct outcome *o)
{
	bool fault = o->reason == EXIT_REASON_EXCEPTION_NMI && o->direct.type == INTR_HW_EXCEPTION;
	bool itself = fault && !o->vectoring && f->r && f->r->trap;

	return (fault && !itself) || model_sets_rf(f) ? RFLAGS_RF : 0;
}

/* L2 is where the event met it. */
static void check_interrupted(const struct flight *f, const struct outcome *o, u64 rflags)
{
	report_check("RIP", model_rip(f), f->w->now[FI_GUEST_RIP]);
	report_check("RSP", f->rsp, f->w->now[FI_GUEST_RSP]);
	report_check("RFLAGS", rflags | rf_expected(f, o), f->w->now[FI_GUEST_RFLAGS]);
	report_check("CR2", cr2_expected(f, o), read_cr2());
}

/* The delivery is over; the handler's first instruction is not there. */
static void check_fetch(const struct flight *f, const struct outcome *o, u64 rflags)
{
	report_check("RIP", world_stub(f->w, f->e.vector), f->w->now[FI_GUEST_RIP]);
	report_check("RSP", frame_rsp(f->w, &f->e), f->w->now[FI_GUEST_RSP]);
	report_check("RFLAGS", handler_rflags(f->w, rflags) | RFLAGS_RF, f->w->now[FI_GUEST_RFLAGS]);
	report_check("CR2", cr2_expected(f, o), read_cr2());
}

static void check_exit(const struct flight *f, const struct outcome *o, u64 rflags)
{
	const struct world *w = f->w;
	bool exception = o->reason == EXIT_REASON_EXCEPTION_NMI;
	bool lost = o->reason == EXIT_REASON_TRIPLE_FAULT || (exception && o->direct.vector == VEC_DF);

	report_check("reason", o->reason, w->now[FI_EXIT_REASON]);
	report_check("qualification", o->qualification,
		     w->now[FI_EXIT_QUALIFICATION] & o->qualification_mask);
	check_vectoring(w, o->vectoring ? &o->event : NULL);
	check_interruption(w, exception ? &o->direct : NULL);
	check_addresses(f, o);
	check_always(w, &f->e);
	if (exception || o->vectoring) {
		if (!lost)
			check_interrupted(f, o, rflags);
	} else if (!lost) {
		check_fetch(f, o, rflags);
	}
}

/* ---- the handler */

static void check_vmcall(const struct world *w, u64 rip)
{
	report_check("reason", EXIT_REASON_VMCALL, w->now[FI_EXIT_REASON]);
	report_check("RIP", rip, w->now[FI_GUEST_RIP]);
	report_check("length", VMCALL_LENGTH, w->now[FI_EXIT_INSTRUCTION_LENGTH]);
	check_vectoring(w, NULL);
	check_interruption(w, NULL);
}

/* The handler of e runs; it is to return to `back` (0: that is not defined). */
static void check_handler(const struct flight *f, const struct event *e, u64 back, u64 rflags)
{
	const struct world *w = f->w;
	unsigned at = e->error != NO_ERROR_CODE;

	check_vmcall(w, world_stub(w, e->vector) + STUB_VMCALL);
	check_always(w, &f->e);
	report_check("RSP", frame_rsp(w, e), w->now[FI_GUEST_RSP]);
	report_check("RFLAGS", handler_rflags(w, rflags), w->now[FI_GUEST_RFLAGS]);
	if (at)
		report_check("error-on-stack", (u32)e->error, frame_word(w, e, 0));
	if (back)
		report_check("RIP-on-stack", back, frame_word(w, e, at));
}

/* ---- a row */

static u64 piece_end(const struct flight *f)
{
	enum piece piece = PIECE_home;
	u64 at = model_rip(f);

	for (unsigned i = 0; i < PIECE_COUNT; i++)
		if (world_piece(f->w, i) == at || world_piece_end(f->w, i) == at)
			piece = i;
	return world_piece_end(f->w, piece);
}

/* The handler returns, behind the piece, and L2 does nothing else. */
static void run_return(struct world *w, const struct flight *f, const struct event *served)
{
	u64 end = piece_end(f);

	frame_set_rip(w, served, end);
	SET(w, GUEST_RIP, w->now[FI_GUEST_RIP] + VMCALL_LENGTH);
	report_enter(w);
	check_vmcall(w, end);
	report_check("RSP", f->rsp, w->now[FI_GUEST_RSP]);
	report_check("interruptibility", 0, w->now[FI_GUEST_INTERRUPTIBILITY]);
}

/* As every hypervisor does: put it right, and inject again what was being delivered. */
static void run_again(struct world *w, struct flight *f, const struct outcome *o)
{
	way_repair(w, f->way);
	if (f->way->place == STACK_NOT_CANONICAL)
		f->rsp = w->now[FI_GUEST_RSP];
	SET(w, GUEST_INTERRUPTIBILITY, 0);
	if (o->vectoring)
		event_inject(w, &o->event);
	else if (o->reason == EXIT_REASON_EXCEPTION_NMI)
		event_inject(w, &o->direct);
	report_enter(w);
}

static void run_outcome(struct world *w, struct flight *f, u64 rflags)
{
	struct outcome o = model_outcome(f);
	u64 back = model_return(f);

	if (!o.handler) {
		check_exit(f, &o, rflags);
		if (o.reason == EXIT_REASON_TRIPLE_FAULT || (o.direct.vector == VEC_DF && !o.vectoring))
			return;
		if (!report_good())
			return;
		run_again(w, f, &o);
		o.handler = true;
		o.chained = false;
		o.event = f->e;
		rflags |= rf_expected(f, &o);
	}
	if (o.chained)
		back = o.event.vector == VEC_DF ? 0 : model_rip(f);
	check_handler(f, &o.event, back, rflags);
	if (report_good())
		run_return(w, f, &o.event);
}

/* SDM: "Checks on Guest RIP, RFLAGS, and SSP": an external interrupt needs IF. */
static void inject(struct world *w, const struct event *e)
{
	if (e->type == INTR_EXTERNAL)
		SET(w, GUEST_RFLAGS, w->now[FI_GUEST_RFLAGS] | RFLAGS_IF);
	event_inject(w, e);
}

/*
 * L2 runs one instruction of its code, so that no fault of L0's lies between TF and the trap: with TF,
 * Bochs saves a pending single-step trap at any exit, and entering again takes it too early.
 */
static void warm(struct world *w)
{
	world_enter(w);
	SET(w, GUEST_RIP, w->start[FI_GUEST_RIP]);
}

static void run(struct world *w, struct flight *f)
{
	u64 rflags;

	world_reset(w);
	way_spoil(w, f->way, &f->e);
	if (f->r && f->r->event == EVENT_db && f->way->kind != PML)
		warm(w);
	SET(w, EXCEPTION_BITMAP, f->bitmap);
	SET(w, GUEST_RIP, model_rip(f));
	write_cr2(CR2_BEFORE);
	write_dr6(DR6_INIT);
	if (f->r)
		event_raise(w, f->r);
	else
		inject(w, &f->e);
	rflags = w->now[FI_GUEST_RFLAGS];
	f->rsp = w->now[FI_GUEST_RSP];
	report_enter(w);
	run_outcome(w, f, rflags);
	report_end();
	apic_unblock_nmi();
	apic_drain();
}

static const char *bitmap_name(u32 bitmap)
{
	return bitmap == 0            ? "" :
	       bitmap == ~0u          ? ", all exit" :
	       bitmap == 1u << VEC_DF ? ", #DF exits" :
					", exits";
}

static void row(struct world *w, struct flight *f)
{
	if (!report_begin("%s %s %s: %s%s", w->name, f->r ? "raise" : "inject", f->e.name, f->way->name,
			  bitmap_name(f->bitmap)))
		return;
	if (f->way->kind == PML)
		report_optional();
	defects_of_delivery(f);
	run(w, f);
}

/* The exception bitmaps that make a difference. */
static void rows_bitmaps(struct world *w, struct flight *f)
{
	struct outcome o;

	row(w, f);
	if (f->way->kind == NOTHING && f->way->place == NOWHERE) {
		f->bitmap = ~0u;
		row(w, f);
	}
	if (f->way->kind != FAULT)
		return;
	f->bitmap = 1u << f->way->fault;
	row(w, f);
	f->bitmap = 1u << VEC_DF;
	o = model_outcome(f);
	if (!o.handler && o.direct.vector == VEC_DF)
		row(w, f);
}

static void rows_ways(struct world *w, const struct event *e, const struct raise *r, bool all)
{
	struct flight f = {.w = w, .e = event_in(w, e), .r = r};

	if (r && e->error != NO_ERROR_CODE && w->kind != REAL_MODE)
		f.e.error = r->error | (r->event == EVENT_pf && w->ring3 ? (int)PFEC_U : 0);
	for (unsigned i = 0; i < way_count; i++) {
		f.way = &ways[i];
		f.bitmap = 0;
		if (way_possible(w, f.way, &f.e) && (f.way->core || (all && e->core)) &&
		    !(r && f.way->place == AT_TABLE)) /* L2 could not run */
			rows_bitmaps(w, &f);
	}
}

static bool injectable(const struct world *w, const struct event *e)
{
	return !(w->kind == LONG_64 && e->type == INTR_SW_EXCEPTION && e->vector == VEC_OF);
}

void rows_delivery(struct world *w, bool all)
{
	for (unsigned i = 0; i < EVENT_COUNT; i++)
		if ((all || events[i].core) && injectable(w, &events[i]))
			rows_ways(w, &events[i], NULL, all);
	for (unsigned i = 0; i < raise_count; i++)
		if ((all || events[raises[i].event].core) && event_raisable(w, &raises[i]))
			rows_ways(w, &events[raises[i].event], &raises[i], all);
}
