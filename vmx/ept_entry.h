/*
 * EPT paging-structure entries and the EPT pointer: facts.
 * SDM: "The Extended Page Table Mechanism (EPT)", "Extended-Page-Table Pointer (EPTP)".
 */
#ifndef VMX_EPT_ENTRY_H
#define VMX_EPT_ENTRY_H

#include "vmx/types.h"

#define EPT_R BIT(0)
#define EPT_W BIT(1)
#define EPT_X BIT(2)
#define EPT_RWX (EPT_R | EPT_W | EPT_X)
#define EPT_MT_SHIFT 3
#define EPT_MT BITS(5, 3)
#define EPT_IPAT BIT(6)
#define EPT_LARGE BIT(7)
#define EPT_A BIT(8)
#define EPT_D BIT(9)
#define EPT_ADDRESS BITS(51, 12)

#define EPTP_MT BITS(2, 0)
#define EPTP_WALK_4 (3ul << 3)
#define EPTP_AD BIT(6)
#define EPTP_ADDRESS BITS(51, 12)

/* Level 0 is the leaf of 4 KiB, 3 the root of a 4-level table. */
#define EPT_INDEX(address, level) ((address) >> (12 + 9 * (level)) & 511)
#define EPT_SIZE(level) (PAGE_SIZE << (9 * (level)))

/* SDM: "Exit Qualification for EPT Violations". */
#define EPTV_READ BIT(0)
#define EPTV_WRITE BIT(1)
#define EPTV_FETCH BIT(2)
#define EPTV_PERMISSIONS_SHIFT 3
#define EPTV_GLA_VALID BIT(7)
#define EPTV_GLA_FINAL BIT(8) /* the access was to the translation, not to a paging structure */
#define EPTV_NMI_UNBLOCKING BIT(12)

#endif
