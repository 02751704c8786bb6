/*
 * EPT12: our translation of L2's guest-physical addresses, one to one for the first 4 GiB until some
 * page is changed. SDM: "The Extended Page Table Mechanism (EPT)".
 */
#ifndef GUEST_LIB_EPT_H
#define GUEST_LIB_EPT_H

#include "vmx/types.h"

#define EPT_R BIT(0)
#define EPT_W BIT(1)
#define EPT_X BIT(2)
#define EPT_RWX (EPT_R | EPT_W | EPT_X)
#define EPT_MEMORY_TYPE(type) ((u64)(type) << 3)
#define EPT_WB EPT_MEMORY_TYPE(6)
#define EPT_LARGE BIT(7)

#define EPTP_LEVELS(n) ((u64)((n)-1) << 3)

/* New tables with 2 MiB pages; gives the EPT pointer for the VMCS. */
u64 ept_create(void);

/* The entry of a 4 KiB page; a 2 MiB page around it is split. */
u64 *ept_entry(u64 eptp, u64 physical);

/* L2's guest-physical page becomes `page`, with all rights. */
void ept_map(u64 eptp, u64 physical, const void *page);

#endif
