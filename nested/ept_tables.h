/*
 * Tables of EPT paging structures that L0 makes, in one piece of its memory. Pure: an address of L0's
 * becomes a table by arithmetic on that one piece.
 *
 * Each table has a mark for each line of 8 entries that something was written to. So clearing costs what
 * was filled, and cutting a tree off costs nothing: it becomes garbage, and its tables are taken apart
 * one by one when new ones are wanted. Whoever cuts must see that the processor has forgotten the tree
 * (INVEPT) before the next guest runs.
 */
#ifndef NESTED_EPT_TABLES_H
#define NESTED_EPT_TABLES_H

#include "vmx/ept_entry.h"
#include "vmx/types.h"

#define EPT_ENTRIES 512
#define EPT_LINE 8 /* entries of one mark */
#define EPT_NO_TABLE (~0u)

struct ept_table {
	u64 used; /* BIT(line): something was written to it */
	u32 next; /* in the list of garbage */
	u8 level;
};

struct ept_tables {
	u64 *base; /* count tables */
	hpa_t pa; /* of base */
	struct ept_table *table; /* count */
	u32 count, fresh; /* from fresh on: never handed out */
	u32 garbage; /* the first of a list, or EPT_NO_TABLE */
};

/* base: count zeroed pages at this hpa; table: count of them, any contents. */
void ept_tables_init(struct ept_tables *t, u64 *base, hpa_t pa, struct ept_table *table, u32 count);

/* An empty table, or 0 where all are in use. level: of its entries, 0 for leaves of 4 KiB. */
u64 *ept_tables_take(struct ept_tables *t, unsigned level);

/* Empties a table; the trees below it become garbage. Gives whether anything was in it. */
bool ept_tables_clear(struct ept_tables *t, u64 *table);

/*
 * The table of this level for an address, under a root, made with what is missing on the way; a large
 * page in the way goes, and *cut is set. 0: no table left.
 */
u64 *ept_tables_reach(struct ept_tables *t, u64 *root, u64 address, unsigned level, bool *cut);

/* Writes one entry. A tree that was below it becomes garbage: gives whether there was one. */
bool ept_tables_set(struct ept_tables *t, u64 *table, unsigned index, u64 entry);

static inline hpa_t ept_tables_pa(const struct ept_tables *t, const u64 *table)
{
	return (hpa_t){t->pa.v + ((u64)table - (u64)t->base)};
}

static inline u64 *ept_tables_at(const struct ept_tables *t, u64 entry)
{
	return (u64 *)((u64)t->base + ((entry & EPT_ADDRESS) - t->pa.v));
}

static inline u32 ept_tables_index(const struct ept_tables *t, const u64 *table)
{
	return (u32)(((u64)table - (u64)t->base) / PAGE_SIZE);
}

/* Marks the lines of entries [first, end), end > first: they may be written to directly. */
static inline void ept_tables_mark(struct ept_tables *t, const u64 *table, unsigned first, unsigned end)
{
	t->table[ept_tables_index(t, table)].used |= BITS((end - 1) / EPT_LINE, first / EPT_LINE);
}

#endif
