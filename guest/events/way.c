#include "guest/events/way.h"

#include "guest/lib/ept.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"

const struct way ways[] = {
#define CORE true
#define MORE false
#define X(name, kind, place, fault, code, needs, set) {#name, kind, place, fault, code, needs, set},
#include "guest/events/way.def"
#undef X
#undef CORE
#undef MORE
};
const unsigned way_count = ARRAY_LEN(ways);

#define EPTP_ACCESSED_DIRTY BIT(6)
#define EPT_D BIT(9)
#define IST2 2
#define TSS_LIMIT_SHORT 0x23 /* before IST1 */
#define NOT_CANONICAL BIT(47)
#define PML_INDEX_FULL 0xffff

static bool controls_allow(const struct way *way)
{
	if (way->kind == APIC)
		return vmx_allows(PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES);
	return way->kind != PML || vmx_allows(PROC2, PROC2_ENABLE_PML);
}

static bool mode_allows(const struct world *w, const struct way *way)
{
	bool real = w->kind == REAL_MODE, wide = w->kind == LONG_64;

	switch (way->needs) {
	case EPT12:
		return w->ept;
	case EPT12_PROTECTED:
		return w->ept && !real;
	case EPT12_WIDE:
		return w->ept && wide;
	case PROTECTED:
		return !real;
	case WIDE:
		return wide;
	case NARROW:
		return w->kind == PAE_32;
	default:
		return true;
	}
}

/* The gates of #DF and #PF have a stack of their own already; ring 3 takes the TSS's. */
static bool event_allows(const struct world *w, const struct way *way, const struct event *e)
{
	bool own_stack = e->vector == VEC_DF || e->vector == VEC_PF;

	if (way->place == GATE_BEYOND)
		return e->vector >= 16; /* the gates of exceptions stay */
	return !(way->place == STACK_NOT_CANONICAL && (own_stack || w->ring3));
}

bool way_possible(const struct world *w, const struct way *way, const struct event *e)
{
	return controls_allow(way) && mode_allows(w, way) && event_allows(w, way, e);
}

/* The gate of the event takes its stack from the TSS then. */
static bool uses_ist(const struct way *way)
{
	return way->place == AT_TSS || way->place == TSS_SHORT;
}

enum page way_stack(const struct world *w, unsigned vector)
{
	return w->kind == LONG_64 && (vector == VEC_DF || vector == VEC_PF) ? STACK2 : STACK;
}

enum page way_page(const struct world *w, const struct way *way, const struct event *e)
{
	switch (way->place) {
	case AT_GATE:
		return world_gate_page(e->vector);
	case AT_GDT:
		return GDT;
	case AT_TSS:
		return TSS;
	case AT_STACK:
	case AT_STACK_READ_ONLY:
		return way_stack(w, e->vector);
	case AT_TABLE:
		return TABLE;
	case AT_HANDLER:
		return STUBS;
	default:
		return PAGES;
	}
}

/* ---- the gate */

static void gate_change(struct world *w, const struct event *e, u64 clear, u64 set)
{
	u64 *gate = (u64 *)world_gate_here(w, e->vector);

	*gate = (*gate & ~clear) | set;
}

static void spoil_gate(struct world *w, const struct way *way, const struct event *e)
{
	const u64 present = BIT(47), type = BITS(44, 40), selector = BITS(31, 16);

	if (uses_ist(way) && way_stack(w, e->vector) == STACK)
		gate_change(w, e, 0, (u64)IST2 << 32);
	if (way->kind == TASK)
		gate_change(w, e, type | selector, 5ull << 40 | SEL_TASK << 16);
	switch (way->place) {
	case GATE_NOT_PRESENT:
		gate_change(w, e, present, 0);
		break;
	case GATE_NO_TYPE:
		gate_change(w, e, type, 0);
		break;
	case GATE_NULL:
		gate_change(w, e, selector, 0);
		break;
	case GATE_ABSENT:
		gate_change(w, e, selector, SEL_CODE_NOT_PRESENT << 16);
		break;
	default:
		break;
	}
}

static void spoil_registers(struct world *w, const struct way *way, const struct event *e)
{
	if (way->place == GATE_BEYOND)
		SET(w, GUEST_IDTR_LIMIT, e->vector * world_gate_size(w) - 1);
	if (way->place == TSS_SHORT)
		SET(w, GUEST_TR_LIMIT, TSS_LIMIT_SHORT);
	if (way->place == STACK_NOT_CANONICAL)
		SET(w, GUEST_RSP, w->now[FI_GUEST_RSP] | NOT_CANONICAL);
}

/* ---- the pages */

static void spoil_ept(struct world *w, const struct way *way, enum page page)
{
	if (way->kind == MISCONFIG)
		*w->epte[page] = (*w->epte[page] & ~(u64)EPT_R); /* write without read */
	else if (way->place == AT_STACK_READ_ONLY)
		*w->epte[page] &= ~(u64)EPT_W;
	else
		*w->epte[page] &= ~(u64)EPT_RWX;
}

static void spoil_pml(struct world *w, enum page page)
{
	world_control(w, PROC2, PROC2_ENABLE_PML);
	SET(w, EPT_POINTER, w->now[FI_EPT_POINTER] | EPTP_ACCESSED_DIRTY);
	SET(w, PML_ADDRESS, (u64)w->page[HOLE]);
	SET(w, PML_INDEX, PML_INDEX_FULL);
	*w->epte[page] &= ~EPT_D;
}

static void spoil_page(struct world *w, const struct way *way, enum page page)
{
	switch (way->kind) {
	case EPT:
	case MISCONFIG:
		spoil_ept(w, way, page);
		break;
	case APIC:
		world_control(w, PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES);
		SET(w, APIC_ACCESS_ADDRESS, (u64)w->page[page]);
		break;
	case PML:
		spoil_pml(w, page);
		break;
	case FAULT:
		*w->pte[page] &= ~PTE_P;
		break;
	default:
		break;
	}
}

void way_spoil(struct world *w, const struct way *way, const struct event *e)
{
	enum page page = way_page(w, way, e);

	spoil_gate(w, way, e);
	spoil_registers(w, way, e);
	if (page != PAGES)
		spoil_page(w, way, page);
	if (way->kind != NOTHING || way->place == FRESH)
		world_invalidate(w);
}

/* ---- back */

void way_repair(struct world *w, const struct way *way)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		bool injection = i == FI_ENTRY_INTERRUPTION_INFO || i == FI_ENTRY_EXCEPTION_ERROR_CODE ||
				 i == FI_ENTRY_INSTRUCTION_LENGTH;
		if (world_has(i) && field_info[i].group == CTL && !injection && w->now[i] != w->start[i])
			world_set(w, i, w->start[i]);
	}
	if (way->place == GATE_BEYOND)
		SET(w, GUEST_IDTR_LIMIT, w->start[FI_GUEST_IDTR_LIMIT]);
	if (way->place == TSS_SHORT)
		SET(w, GUEST_TR_LIMIT, w->start[FI_GUEST_TR_LIMIT]);
	if (way->place == STACK_NOT_CANONICAL)
		SET(w, GUEST_RSP, w->start[FI_GUEST_RSP]);
	world_tables(w);
	world_invalidate(w);
}
