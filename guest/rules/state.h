/*
 * The states that the tests start from, and the regions they use.
 */
#ifndef GUEST_RULES_STATE_H
#define GUEST_RULES_STATE_H

#include "guest/lib/vmx.h"

/* The VMXON region, and two VMCS regions. */
extern void *region_vmxon, *region_a, *region_b;

void state_init(void);

/* Outside VMX operation, ready for VMXON. */
void state_outside(void);

/* In VMX root operation, without a current VMCS; A and B are clear. */
void state_no_vmcs(void);

/* In VMX root operation, A is clear and current. */
void state_current(void);

/* The same, and A holds the state of a 64-bit L2 that runs this code in our own address space. */
void state_l2(const void *code);
void state_l2_in_current(const void *code); /* whichever VMCS is current */

/* The current-VMCS pointer; all ones where there is none. */
u64 current_vmcs(void);

/* A physical-address bit that this processor does not have: the lowest, and the highest of a pointer. */
u64 address_too_wide(void);
u64 address_top_bit(void);

/* IA32_VMX_EPT_VPID_CAP, or 0 where neither EPT nor VPID is there. */
u64 ept_vpid_cap(void);

#endif
