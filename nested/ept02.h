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

struct ept_leaf {
	u64 entry; /* whole, as EPT01 has it: address, rights, EPT_LARGE for level > 0; 0: not mapped */
	unsigned level; /* 0: 4 KiB, 1: 2 MiB, 2: 1 GiB */
};

struct ept02_in {
	struct ept12_memory memory;
	const struct caps *caps; /* as L1 is shown them */
	/*
	 * L1's own page at this address, at most as large as level max. Pages larger than 4 KiB are L1's
	 * own memory at its own address with all rights. write: the page is about to be written to.
	 */
	void *context;
	struct ept_leaf (*below)(void *context, l1pa_t address, unsigned max, bool write);
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
