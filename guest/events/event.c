#include "guest/events/event.h"

#include "guest/events/apic.h"
#include "guest/lib/selectors.h"

#define RFLAGS_NT BIT(14)

const struct event events[EVENT_COUNT] = {
#define NONE NO_ERROR_CODE
#define CORE true
#define MORE false
#define X(name, type, vector, error, length, set) {#name, INTR_##type, vector, error, length, set},
#include "guest/events/event.def"
#undef X
#undef NONE
#undef CORE
#undef MORE
};

const struct raise raises[] = {
	{EVENT_extint, PIECE_home, .error = NO_ERROR_CODE, .rflags = RFLAGS_IF},
	{EVENT_nmi, PIECE_write, .error = NO_ERROR_CODE, .trap = true, .rbx = HOLE, .not_real = true},
	{EVENT_de, PIECE_de, .error = NO_ERROR_CODE},
	{EVENT_db, PIECE_nop, .error = NO_ERROR_CODE, .trap = true, .rflags = RFLAGS_TF},
	{EVENT_br, PIECE_bound, .error = NO_ERROR_CODE, .rbx = PIECES, .not_64 = true},
	{EVENT_ud, PIECE_ud2, .error = NO_ERROR_CODE},
	{EVENT_nm, PIECE_fnop, .error = NO_ERROR_CODE, .cr0 = CR0_TS},
	{EVENT_ts, PIECE_iret, .error = SEL_DATA, .rflags = RFLAGS_NT, .not_64 = true, .not_real = true},
	{EVENT_np, PIECE_load_ds, .error = SEL_NOT_PRESENT, .rax = SEL_NOT_PRESENT, .not_real = true},
	{EVENT_ss, PIECE_load_ss, .error = SEL_NOT_PRESENT, .rax = SEL_NOT_PRESENT, .not_real = true,
	 .not_ring3 = true},
	{EVENT_gp, PIECE_load_ds, .error = SEL_OUTSIDE, .rax = SEL_OUTSIDE, .not_real = true},
	{EVENT_pf, PIECE_read, .error = 0, .rbx = HOLE, .not_real = true},
	{EVENT_ac, PIECE_read, .error = 0, .rflags = RFLAGS_AC, .cr0 = CR0_AM, .rbx = PIECES,
	 .only_ring3 = true},
	{EVENT_int30, PIECE_int30, .error = NO_ERROR_CODE, .trap = true},
	{EVENT_int3, PIECE_int3, .error = NO_ERROR_CODE, .trap = true},
	{EVENT_into, PIECE_into, .error = NO_ERROR_CODE, .trap = true, .rflags = RFLAGS_OF,
	 .not_64 = true},
	{EVENT_int1, PIECE_int1, .error = NO_ERROR_CODE, .trap = true},
};
const unsigned raise_count = ARRAY_LEN(raises);

u32 event_info(const struct event *e)
{
	return INTR_VALID | (u32)e->type << 8 | e->vector |
	       (e->error == NO_ERROR_CODE ? 0 : INTR_ERROR_CODE_VALID);
}

bool event_is_software(const struct event *e)
{
	return e->type >= INTR_SW_INTERRUPT && e->type <= INTR_SW_EXCEPTION;
}

struct event event_in(const struct world *w, const struct event *e)
{
	struct event here = *e;

	if (w->kind == REAL_MODE)
		here.error = NO_ERROR_CODE;
	return here;
}

void event_inject(struct world *w, const struct event *e)
{
	SET(w, ENTRY_INTERRUPTION_INFO, event_info(e));
	if (e->error != NO_ERROR_CODE)
		SET(w, ENTRY_EXCEPTION_ERROR_CODE, (u32)e->error);
	if (event_is_software(e))
		SET(w, ENTRY_INSTRUCTION_LENGTH, e->length);
}

bool event_raisable(const struct world *w, const struct raise *r)
{
	return !(r->not_64 && w->kind == LONG_64) && !(r->not_real && w->kind == REAL_MODE) &&
	       !(r->not_ring3 && w->ring3) && !(r->only_ring3 && !w->ring3);
}

void event_raise(struct world *w, const struct raise *r)
{
	SET(w, GUEST_RIP, world_piece(w, r->piece));
	SET(w, GUEST_RFLAGS, w->now[FI_GUEST_RFLAGS] | r->rflags);
	SET(w, GUEST_CR0, w->now[FI_GUEST_CR0] | r->cr0);
	w->gpr[RAX] = r->rax;
	w->gpr[RBX] = world_page(w, r->rbx) + (r->event == EVENT_ac);
	if (r->event == EVENT_extint)
		apic_send(events[EVENT_extint].vector);
	if (r->event == EVENT_nmi) { /* L2 sends it: one that is pending at an entry is another matter */
		w->gpr[RBX] = APIC_ICR_ADDRESS;
		w->gpr[RCX] = apic_nmi_command();
	}
}

void event_unblock_virtual_nmi(struct world *w)
{
	if (!vmx_allows(PIN, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS))
		return;
	world_reset(w);
	world_control(w, PIN, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	event_inject(w, &events[EVENT_nmi]);
	world_enter(w);
	SET(w, GUEST_RIP, w->now[FI_GUEST_RIP] + VMCALL_LENGTH);
	world_enter(w);
}
