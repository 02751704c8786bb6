/*
 * Whose is an exit that L2 took: L1's, because the processor would have given it to L1, or L0's? Pure.
 * SDM: "Instructions That Cause VM Exits", "Other Causes of VM Exits".
 */
#ifndef NESTED_OWNER_H
#define NESTED_OWNER_H

#include "nested/nested.h"
#include "vmx/exits.h"

struct owner_in {
	const struct vmcs12 *v;
	u32 reason; /* basic */
	u32 intr_info;
	u64 qualification;
	const u8 *msr_bitmap12; /* L1's MSR bitmap for L2, 4 KiB; 0 where it cannot be read */
	u32 msr; /* ECX, for RDMSR and WRMSR */
	bool forced; /* L0 has set the preemption timer to 0, to have control back */
};

enum owner {
	OWNER_L1,
	OWNER_L0,
	OWNER_EPT, /* an EPT violation or misconfiguration: EPT12 decides (nested/ept12.h) */
	OWNER_UNKNOWN, /* no row in exits.def: L0's bug */
};

/* L1's whatever else there is, so that nothing needs to be gathered. */
bool owner_is_l1(u32 reason);

enum owner owner_of_exit(const struct owner_in *in);

#endif
