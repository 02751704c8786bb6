/*
 * An L2 in one mode, in memory of its own: each thing that the delivery of an event touches lies on a
 * page of its own, so that one of them can be taken away.
 */
#ifndef GUEST_EVENTS_WORLD_H
#define GUEST_EVENTS_WORLD_H

#include "guest/events/payload.h"
#include "guest/lib/l2.h"

/* The pages. L2's linear address is base + index * PAGE_SIZE; its physical one too where there is EPT12. */
enum page {
	IDT_LOW, /* the gates of vectors below 16 */
	IDT_HIGH, /* the others */
	GDT,
	TSS,
	STACK, /* the stack of every handler but two */
	STACK2, /* the stack of #DF and #PF in 64-bit mode (IST1); that of ring 3 */
	STUBS,
	PIECES,
	TABLE, /* the page table that maps these pages */
	HOLE, /* mapped nowhere */
	PAGES
};

#define STACK_TOP 0xf00

/* L2's selectors: those of selectors.h, and these. */
#define SEL_NOT_PRESENT 0x50 /* a data segment */
#define SEL_TASK 0x58 /* an available 32-bit TSS */
#define SEL_CODE_NOT_PRESENT 0x60
#define SEL_OUTSIDE 0x7f8 /* beyond the table */

struct world {
	const char *name;
	enum kind kind;
	bool ept, ring3;
	u64 base, idt, cr3, eptp;
	u8 *page[PAGES]; /* our own address of each */
	u64 *pte[PAGES], *epte[PAGES];
	void *region;
	bool launched;
	u64 gpr[GPR_COUNT];
	u64 start[FI_COUNT]; /* the VMCS at the start of each row */
	u64 now[FI_COUNT]; /* the VMCS, as last written or read */
};

/* Whether the processor has what this L2 needs; NULL if so, otherwise what it lacks. */
const char *world_lacks(enum kind kind, bool ept);

void world_create(struct world *w, const char *name, enum kind kind, bool ept, bool ring3);

/* Memory, VMCS and registers as at the start; the VMCS becomes current. EPT12 is not invalidated. */
void world_reset(struct world *w);

/* L2's tables and EPT12 as at the start, without its stacks. */
void world_tables(struct world *w);

/* INVEPT or INVVPID, whatever there is: our changes to the tables count from here on. */
void world_invalidate(const struct world *w);

/* A field of the VMCS; `now` follows. */
void world_set(struct world *w, enum field_index field, u64 value);
#define SET(w, NAME, value) world_set(w, FI_##NAME, value)

/* Adds to a control word, with what activates it. */
void world_control(struct world *w, enum control_word word, u32 controls);

/* Until the next exit: 0, and `now` becomes the VMCS, or the RFLAGS of an entry that failed. */
u64 world_enter(struct world *w);

/* Reads the VMCS into `now`, after accesses that did not go by world_set(). */
void world_read(struct world *w);

/* L2's linear addresses. */
u64 world_page(const struct world *w, enum page page);
u64 world_piece(const struct world *w, enum piece piece);
u64 world_piece_end(const struct world *w, enum piece piece);
u64 world_stub(const struct world *w, unsigned vector);
unsigned world_gate_size(const struct world *w);
u64 world_gate(const struct world *w, unsigned vector);

/* Our own address of a gate of L2's. */
u8 *world_gate_here(const struct world *w, unsigned vector);

/* Whether a field exists here. */
bool world_has(enum field_index field);

/* Which page holds this vector's gate. */
static inline enum page world_gate_page(unsigned vector)
{
	return vector < 16 ? IDT_LOW : IDT_HIGH;
}

#endif
