/*
 * EPT01: what L1 has of the machine's physical memory: everything, identity-mapped with the memory
 * types of L1's MTRRs, but L0's own pages. Filled on demand, in pages as large as both allow.
 */
#ifndef VMM_EPT01_H
#define VMM_EPT01_H

#include "nested/ept02.h"
#include "vmm/machine.h"

struct ept_leaf {
	u64 entry; /* 0: not mapped */
	unsigned level; /* 0: 4 KiB, 1: 2 MiB, 2: 1 GiB */
};

void ept01_init(struct machine *m);

/*
 * The largest leaf that may map this address: level at most `max`, and no larger than the processor,
 * L0's memory and the memory types allow. With L0's memory: the page of ones, not writable.
 */
struct ept_leaf ept01_leaf(const struct machine *m, l1pa_t address, unsigned max);

/*
 * What L1 has around an address, without memory types and so without regard to the MTRRs: what EPT02 is
 * made from, which has EPT12's types. SDM: "Memory Type Used for Translated Guest-Physical Addresses".
 */
struct ept_extent ept01_around(struct machine *m, l1pa_t address);

/* BIT(level): the processor has such leaves. */
u64 ept01_page_sizes(const struct machine *m);

/* L1 may not write there: where L0 lives, and the BIOS page that L0 shows in its own version. */
bool ept01_read_only(struct machine *m, l1pa_t address);

/* The page of L1's xAPIC: not mapped, each access is emulated (apic_access). */
bool ept01_is_apic(const struct machine *m, l1pa_t address);

/* Maps what an EPT violation of L1 missed. False: no page left for tables. */
bool ept01_fill(struct machine *m, l1pa_t address);

/* The 4 KiB leaf of this address, large pages split as needed. 0: no page left for tables. */
u64 *ept01_split(struct machine *m, l1pa_t address);

/* Forgets everything (memory types changed, or tables are to be had back). */
void ept01_drop(struct machine *m);

/* The processor forgets what it has cached of this EPT pointer of L0's. */
void ept_invalidate(const struct machine *m, u64 eptp);

/* Every level of a table tree below root but root itself goes back to the pool. */
void ept_free_below(struct machine *m, u64 *table, unsigned level);

/*
 * The entry of `address` at `level` in a table of L0's, making tables on the way down. 0: no page
 * left. Where a larger leaf is in the way it is given instead, with its level in *at.
 */
u64 *ept_entry(struct machine *m, u64 *root, u64 address, unsigned level, unsigned *at);

#endif
