/*
 * The guest part of a VMCS, from nothing: registers and controls of an L2 in one of several modes.
 */
#ifndef GUEST_LIB_L2_H
#define GUEST_LIB_L2_H

#include "guest/lib/vmx.h"

enum kind { REAL_MODE, PAGED_32, PAE_32, LONG_64 };

/* The fewest exits that the processor allows; eptp 0: no EPT. Real mode needs EPT. */
void l2_set_controls(enum kind kind, u64 eptp);

/*
 * All registers. Flat segments with the selectors of our own GDT; no interrupt table; RIP, RSP are 0.
 * Under EPT, the four entries that CR3 points to become PAE_32's PDPTEs.
 */
void l2_set_registers(enum kind kind, u64 cr3, bool ept);

/* A page directory for PAGED_32 that maps 4 GiB one to one by 4 MiB pages. */
u32 *l2_page_directory_32(void);

#endif
