/*
 * The state of VMX as L1 knows it, and an image of a VMCS. Pure.
 */
#ifndef NESTED_NESTED_H
#define NESTED_NESTED_H

#include "nested/vmcs12.h"
#include "vmx/caps.h"
#include "vmx/types.h"

#define NO_VMCS (~0ul)

struct nested {
	bool vmxon; /* L1 is in VMX operation */
	bool in_l2; /* vmcs02 runs */
	u64 vmxon_pointer; /* l1pa */
	u64 current; /* l1pa of the current VMCS, or NO_VMCS */
	struct vmcs12 *v12; /* L0's copy of the current VMCS; meaningful where current is not NO_VMCS */
};

/* Values for the fields of a VMCS, by dense index. */
struct vmcs_image {
	u64 f[FI_COUNT];
};

#endif
