/*
 * L1's memory as L0 reads and writes it: the one place where an l1pa becomes an hpa.
 *
 * Any address may be asked for. Where L0 lives, where no memory is, and in the xAPIC's page, reads give all ones and
 * writes are ignored; nothing of L0's is ever reached.
 */
#ifndef VMM_L1MEM_H
#define VMM_L1MEM_H

#include "vmm/machine.h"
#include "vmx/types.h"

void l1mem_read(const struct machine *m, l1pa_t address, void *to, size_t size);
void l1mem_write(struct machine *m, l1pa_t address, const void *from, size_t size);
u64 l1mem_read64(const struct machine *m, l1pa_t address);
u32 l1mem_read32(const struct machine *m, l1pa_t address);

/* A whole page in place, read-only, or 0 where L0 lives or no memory is. address: page-aligned. */
const void *l1mem_page(const struct machine *m, l1pa_t address);

/*
 * What hardware is told instead of an address that L1 named: the same one, or the page of ones where
 * L0 lives. Only for pages that hardware reads.
 */
hpa_t l1mem_hpa(const struct machine *m, l1pa_t address);

/* The same for pages that hardware writes: a page that nobody reads takes what would hit L0. */
hpa_t l1mem_hpa_writable(const struct machine *m, l1pa_t address);

#endif
