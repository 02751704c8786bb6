/*
 * By events: delivered to a stack in the hole, met by an instruction that writes there, or coming
 * meanwhile.
 */
#include "guest/hostile/code.h"
#include "guest/hostile/event_vector.h"
#include "guest/hostile/hole.h"
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"

#define LAPIC 0xfee00000ull
#define LAPIC_ID (LAPIC + 0x20)
#define LAPIC_SVR (LAPIC + 0xf0)
#define LAPIC_LVT_TIMER (LAPIC + 0x320)
#define LAPIC_TIMER_COUNT (LAPIC + 0x380)
#define LAPIC_TIMER_DIVIDE (LAPIC + 0x3e0)
#define LVT_PERIODIC 0x20000
#define LVT_MASKED 0x10000

struct gate {
	u64 low, high;
};

static struct gate *gate_of(unsigned vector)
{
	return (struct gate *)read_idtr().base + vector;
}

/* An interrupt gate without a stack of its own. */
static void gate_set(unsigned vector, const char *handler)
{
	u64 at = (u64)handler;

	*gate_of(vector) = (struct gate){
		(at & 0xffff) | SEL_CODE64 << 16 | 0x8eull << 40 | (at >> 16 & 0xffff) << 48, at >> 32};
}

static u64 deliver(trap_function *event, unsigned vector, const char *handler, u64 stack)
{
	struct gate old = *gate_of(vector);

	gate_set(vector, handler);
	u64 seen = trap_call(event, stack, LAPIC_ID, 0).rflags;
	*gate_of(vector) = old;
	return seen;
}

static void stacks(void)
{
	u64 top = hole_end - 8 * PAGE_SIZE + 0x800;
	u64 across = hole_base + 16;

	check_value("events", "INT n with its stack in the hole: the frame", ~0ull,
		    deliver(access_int_n, EVENT_VECTOR, event_frame, top));
	check_value("events", "#UD with its stack in the hole: the frame", ~0ull,
		    deliver(access_ud2, VEC_UD, event_frame, top));
	check_value("events", "NMI with its stack in the hole: the frame", ~0ull,
		    deliver(access_nmi, VEC_NMI, event_nmi, top));
	check_value("events", "INT n with its stack on two pages of the hole: the frame", ~0ull,
		    deliver(access_int_n, EVENT_VECTOR, event_frame, hole_end - 8 * PAGE_SIZE + 16));
	check_value("events", "INT n with its stack across the edge: IF and TF in our part", 0,
		    deliver(access_int_n, EVENT_VECTOR, event_flags, across) & (RFLAGS_IF | RFLAGS_TF));
	check_value("events", "#UD with its stack across the edge: IF and TF in our part", 0,
		    deliver(access_ud2, VEC_UD, event_flags, across) & (RFLAGS_IF | RFLAGS_TF));
	check_true("events", "after these: every page reads as all ones", hole_intact());
}

static void debug_is(const char *what, struct trap t, const char *at, u64 status)
{
	char text[CHECK_TEXT];

	check_value("events", what, VEC_DB, (u64)t.vector);
	format(text, CHECK_TEXT, "%s: where", what);
	check_value("events", text, (u64)at, t.rip);
	format(text, CHECK_TEXT, "%s: DR6", what);
	check_value("events", text, status, trap_call(access_debug_status, 0, 0, 0).rflags & 0x400f);
}

/* SDM: volume 3B, "Debug Exceptions". */
static void debug_exceptions(void)
{
	u64 page = hole_base + PAGE_SIZE;

	trap_call(access_debug_status, 0, 0, 0);
	debug_is("a write to the hole, single-stepped: #DB", trap_call(access_single_step, page, 0, 0),
		 single_stepped, DR6_BS);
	debug_is("a data breakpoint in the hole: #DB", trap_call(access_breakpoint, page, 0, 0),
		 breakpoint_met, 1);
	check_value("events", "a write to the hole after MOV to SS", (u64)NO_EXCEPTION,
		    (u64)trap_call(access_mov_ss, page, 0, 0).vector);
	debug_is("a write to the hole after MOV to SS, single-stepped: #DB",
		 trap_call(access_mov_ss_single_step, page, 0, 0), mov_ss_stepped, DR6_BS);
}

/* The next page after one of the hole is not there: the fault is ours, with our flags. */
static void faults(void)
{
	page_map(TEST_AREA, hole_base, PTE_P | PTE_W);
	page_map(TEST_AREA + PAGE_SIZE, 0, 0);
	struct trap t = trap_call(access_write_into_fault, TEST_AREA + PAGE_SIZE - 4, 0, 0);
	check_insn("events", "a write to the hole and on to no page", PF(2), t);
	check_value("events", "a write to the hole and on to no page: CR2", TEST_AREA + PAGE_SIZE, t.cr2);
	check_value("events", "a write to the hole and on to no page: TF", 0, t.rflags & RFLAGS_TF);
}

static void lapic_write(u64 at, u32 value)
{
	*(volatile u32 *)at = value;
}

static void interrupts(void)
{
	struct gate old = *gate_of(EVENT_VECTOR);

	gate_set(EVENT_VECTOR, event_timer);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_LVT_TIMER, LVT_PERIODIC | EVENT_VECTOR);
	lapic_write(LAPIC_TIMER_COUNT, 20000);
	interrupts_on();
	for (u64 page = hole_base; page < hole_end; page += PAGE_SIZE)
		*(volatile u64 *)(page + 0x800) = page;
	while (timer_interrupts < 3)
		;
	interrupts_off();
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	*gate_of(EVENT_VECTOR) = old;
	check_true("events", "timer interrupts while the hole is written: some came",
		   timer_interrupts >= 3);
	check_value("events", "timer interrupts while the hole is written: with TF", 0, timer_trap_flags);
	check_true("events", "after these: every page reads as all ones", hole_intact());
}

void hostile_events(void)
{
	stacks();
	debug_exceptions();
	faults();
	interrupts();
}
