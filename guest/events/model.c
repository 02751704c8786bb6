#include "guest/events/model.h"

#include "guest/lib/selectors.h"
#include "vmx/exits.h"

/* Exit qualification for EPT violations. */
#define EPT_ACCESS_READ BIT(0)
#define EPT_ACCESS_WRITE BIT(1)
#define EPT_ACCESS_FETCH BIT(2)
#define EPT_MAY_READ BIT(3)
#define EPT_MAY_FETCH BIT(5)
#define EPT_LINEAR_VALID BIT(7)
#define EPT_TRANSLATED BIT(8) /* not an access to a paging structure */
#define EPT_DEFINED (BITS(5, 0) | EPT_LINEAR_VALID | EPT_TRANSLATED)
/* For APIC accesses: bits 15:12. */
#define APIC_LINEAR_DELIVERY (3ull << 12)
#define APIC_TYPE BITS(15, 12)
/* For task switches. */
#define TASK_BY_GATE (3ull << 30)

#define EXT 1
#define GATE_IN_IDT 2

static bool contributory(unsigned vector)
{
	return vector == VEC_DE || (vector >= VEC_TS && vector <= VEC_GP);
}

static bool page_fault(unsigned vector)
{
	return vector == VEC_PF || vector == VEC_VE;
}

/* SDM: "Conditions for Generating a Double Fault". */
static bool doubles(const struct event *first, const struct event *second)
{
	if (first->type != INTR_HW_EXCEPTION)
		return false;
	if (contributory(first->vector))
		return contributory(second->vector);
	return page_fault(first->vector) && (contributory(second->vector) || page_fault(second->vector));
}

static struct event exception(const struct world *w, u8 vector, int error)
{
	const struct event e = {"", INTR_HW_EXCEPTION, vector, error, 0, false};

	return event_in(w, &e);
}

/* SDM: "Error Code": EXT is 0 if INT n, INT3 or INTO was being delivered. */
static int fault_error(const struct way *way, const struct event *e)
{
	bool program = e->type == INTR_SW_INTERRUPT || e->type == INTR_SW_EXCEPTION;
	int ext = program ? 0 : EXT;

	switch (way->code) {
	case READ:
		return 0;
	case WRITE:
		return PFEC_W;
	case GATE:
		return e->vector * 8 | GATE_IN_IDT | ext;
	case TR:
		return SEL_TSS | ext;
	case CS:
		return SEL_CODE_NOT_PRESENT | ext;
	default:
		return ext;
	}
}

/* Whether the delivery of e meets what was spoiled for the delivery of f->e. */
static bool meets(const struct flight *f, const struct event *e)
{
	switch (f->way->place) {
	case AT_GATE:
		return world_gate_page(e->vector) == world_gate_page(f->e.vector);
	case AT_STACK:
	case STACK_NOT_CANONICAL:
		return way_stack(f->w, e->vector) == way_stack(f->w, f->e.vector);
	case TSS_SHORT:
		return e->vector == f->e.vector || way_stack(f->w, e->vector) == STACK2;
	default:
		return e->vector == f->e.vector;
	}
}

static struct outcome exit_direct(const struct event *direct, const struct event *delivered)
{
	struct outcome o = {.reason = EXIT_REASON_EXCEPTION_NMI, .direct = *direct, .page = PAGES};

	if (delivered) {
		o.vectoring = true;
		o.event = *delivered;
	}
	return o;
}

/* The delivery of e, which may be the original event or a fault met by it. */
static struct outcome deliver(const struct flight *f, const struct event *e, bool chained)
{
	struct event fault = exception(f->w, f->way->fault, fault_error(f->way, e));
	struct event df = exception(f->w, VEC_DF, 0);

	if (f->way->kind != FAULT || !meets(f, e))
		return (struct outcome){.handler = true, .event = *e, .chained = chained, .page = PAGES};
	if (f->bitmap & 1u << fault.vector) {
		struct outcome o = exit_direct(&fault, e);
		o.qualification_mask = fault.vector == VEC_PF ? PAGE_MASK : ~0ull;
		if (fault.vector == VEC_PF)
			o.qualification = world_page(f->w, f->way->place == AT_GATE ?
								   world_gate_page(e->vector) :
								   way_stack(f->w, e->vector));
		return o;
	}
	if (e->type == INTR_HW_EXCEPTION && e->vector == VEC_DF)
		return (struct outcome){
			.reason = EXIT_REASON_TRIPLE_FAULT, .qualification_mask = ~0ull, .page = PAGES};
	if (!doubles(e, &fault))
		return deliver(f, &fault, true);
	if (f->bitmap & 1u << VEC_DF) {
		struct outcome o = exit_direct(&df, NULL);
		o.qualification_mask = ~0ull;
		return o;
	}
	return deliver(f, &df, true);
}

/* ---- exits that are not for an exception */

static u64 ept_qualification(const struct way *way)
{
	switch (way->place) {
	case AT_STACK:
		return EPT_ACCESS_WRITE | EPT_LINEAR_VALID | EPT_TRANSLATED;
	case AT_STACK_READ_ONLY:
		return EPT_ACCESS_WRITE | EPT_MAY_READ | EPT_MAY_FETCH | EPT_LINEAR_VALID |
		       EPT_TRANSLATED;
	case AT_HANDLER:
		return EPT_ACCESS_FETCH | EPT_LINEAR_VALID | EPT_TRANSLATED;
	case AT_TABLE:
		return EPT_ACCESS_READ | EPT_LINEAR_VALID;
	default:
		return EPT_ACCESS_READ | EPT_LINEAR_VALID | EPT_TRANSLATED;
	}
}

static struct outcome exit_on_the_way(const struct flight *f)
{
	const struct way *way = f->way;
	struct outcome o = {.event = f->e,
			    .vectoring = way->place != AT_HANDLER,
			    .qualification_mask = ~0ull,
			    .page = way_page(f->w, way, &f->e)};

	switch (way->kind) {
	case EPT:
		o.reason = EXIT_REASON_EPT_VIOLATION;
		o.qualification = ept_qualification(way);
		o.qualification_mask = EPT_DEFINED;
		o.linear = way->place != AT_TABLE;
		break;
	case MISCONFIG:
		o.reason = EXIT_REASON_EPT_MISCONFIGURATION;
		break;
	case APIC:
		o.reason = EXIT_REASON_APIC_ACCESS;
		o.qualification = APIC_LINEAR_DELIVERY;
		o.qualification_mask = APIC_TYPE;
		break;
	case PML:
		o.reason = EXIT_REASON_PML_FULL;
		break;
	default:
		o.reason = EXIT_REASON_TASK_SWITCH;
		o.qualification = TASK_BY_GATE | SEL_TASK;
		break;
	}
	return o;
}

/* ---- the whole */

/* L2's own exceptions are intercepted; what L1 injects is not, nor is INT n. */
static bool intercepted(const struct flight *f)
{
	return f->r && f->e.vector < 32 && f->e.type != INTR_NMI && f->e.type != INTR_SW_INTERRUPT &&
	       (f->bitmap & 1u << f->e.vector);
}

static struct outcome exit_for_itself(const struct flight *f)
{
	struct outcome o = exit_direct(&f->e, NULL);

	o.qualification_mask = ~0ull;
	if (f->e.vector == VEC_PF)
		o.qualification = world_page(f->w, f->r->rbx);
	if (f->r->event == EVENT_db)
		o.qualification = DR6_BS;
	return o;
}

struct outcome model_outcome(const struct flight *f)
{
	if (intercepted(f))
		return exit_for_itself(f);
	if (f->way->kind == NOTHING || f->way->kind == FAULT)
		return deliver(f, &f->e, false);
	return exit_on_the_way(f);
}

u64 model_rip(const struct flight *f)
{
	enum piece piece = f->r ? f->r->piece : PIECE_home;
	bool behind = f->r && f->r->trap && !event_is_software(&f->e);

	if (!f->r && event_is_software(&f->e)) /* injected at an instruction of its kind */
		for (unsigned i = 0; i < raise_count; i++)
			if (events[raises[i].event].vector == f->e.vector &&
			    events[raises[i].event].type == f->e.type)
				piece = raises[i].piece;
	return behind ? world_piece_end(f->w, piece) : world_piece(f->w, piece);
}

u64 model_return(const struct flight *f)
{
	return model_rip(f) + (event_is_software(&f->e) ? f->e.length : 0);
}

bool model_sets_rf(const struct flight *f)
{
	return f->r && f->e.type == INTR_HW_EXCEPTION && !f->r->trap;
}
