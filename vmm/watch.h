/*
 * L0 is told when a page of L1's memory is written to that it keeps something digested of: by L1, by L2
 * through EPT02 or EPT01, or by L0 itself (l1mem_write). The page is not writable in EPT01 and EPT02 while
 * the watch is on; the first write ends it, and is then done as if nothing had been.
 *
 * Two writers are not seen: a device (DMA), and the processor where it is given the page's address
 * itself (the virtual-APIC page: the user calls watch_written).
 */
#ifndef VMM_WATCH_H
#define VMM_WATCH_H

#include "vmm/vcpu.h"

/*
 * Watches a page, instead of the one that this watch had before. The watch is not on afterwards where
 * the page is not memory, or where the watch was ended so often that it does not pay: at most 16 times,
 * and beyond that once in 1024 calls of watch_worth.
 */
void watch_start(struct vcpu *v, struct watch *w, l1pa_t page);

/* Ends it without a word. */
void watch_stop(struct machine *m, struct watch *w);

/* Counts one use of what was digested. False: watch_start() would not pay. */
bool watch_worth(struct watch *w);

/* Something is about to write, or has written, to [address, address + size): watches there end. */
bool watch_written(struct machine *m, l1pa_t address, u64 size);

/* The watch on this page that is on, or 0. */
const struct watch *watch_find(const struct machine *m, u64 address);

#endif
