/*
 * EPT02: EPT12 composed with what L1 itself has of the machine's memory, entry by entry. Pure: the
 * tables are in an ept_tables, L1's memory and EPT01 are reached through the caller.
 * SDM: "EPT Translation Mechanism", "Accessed and Dirty Flags for EPT", "Caching Translation
 * Information" for EPT.
 */
#ifndef NESTED_EPT02_H
#define NESTED_EPT02_H

#include "nested/ept12.h"
#include "nested/ept_tables.h"

/*
 * What L1 itself has around an address, as far as it is alike: memory at its own address with all rights,
 * or one page that is something else.
 */
struct ept_extent {
	u64 base, size; /* l1pa, bytes; multiples of a page */
	u64 special; /* 0: memory; else the page's entry: BIT(63), address and rights */
};
#define EPT_SPECIAL BIT(63) /* even where a page has no address and no rights */

#define EPT_EVERYTHING ((struct ept_extent){0, BIT(52), 0})

/*
 * Takes into account one thing that is not what lies at its address: [base, base + size), size 0: nothing.
 * An extent around `address` that has it inside ends at it, or becomes it, with this entry.
 */
void ept_extent_bound(struct ept_extent *e, u64 address, u64 base, u64 size, u64 entry);

static inline bool ept_covers(const struct ept_extent *e, u64 base, u64 size)
{
	return base >= e->base && base - e->base + size <= e->size;
}

struct ept02_in {
	struct ept12_memory memory;
	struct ept12_rules rules;
	u64 page_sizes; /* BIT(level): L0's processor has such leaves */
	/* write: the page at this very address is about to be written to. */
	void *context;
	struct ept_extent (*around)(void *context, l1pa_t address, bool write);
};

/* What one EPT12 pointer gave. */
struct ept02_root {
	u64 eptp12;
	u64 *table;
	u64 next; /* the l2pa behind the last run */
	unsigned run; /* how many entries the last run was offered */
};

struct ept02_filled {
	struct ept12_result walk; /* whether and where EPT12 maps the address */
	u64 *leaf; /* mapped only: EPT02's entry for it; 0: no table was left, nothing is done */
	bool cut; /* what the processor may have cached of this root is in the way: INVEPT is needed */
};

/*
 * Makes EPT02 allow an access that EPT12 allows, and with it what EPT12 has beside it: only pages whose
 * entries differ from this one's in nothing but the address, so that with accessed and dirty flags on no
 * page is mapped before its flag is set, or written to before it is dirty. What L1 has not at all stays
 * unmapped: *leaf is 0 then.
 */
struct ept02_filled ept02_fill(struct ept_tables *tables, struct ept02_root *root,
			       const struct ept02_in *in, l2pa_t address, u64 access);

#endif
