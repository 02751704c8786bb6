/*
 * vmcs12: the VMCS that L1 writes for L2, as L0 keeps it in L1's own VMCS region.
 *
 * The layout is ours (the SDM leaves the data area to the processor); the first two words are the
 * SDM's. Every field is held as 64 bits, no wider than its width. While a VMCS is current L0 works
 * on a copy in its own memory and writes it back on VMCLEAR and on the VMPTRLD of another one, so
 * all that is read from a region must be taken as written by L1.
 *
 * SDM: "Format of the VMCS Region".
 */
#ifndef NESTED_VMCS12_H
#define NESTED_VMCS12_H

#include "vmx/fields.h"
#include "vmx/types.h"

#define VMCS12_SHADOW BIT(31) /* of .revision: a shadow VMCS */

enum vmcs12_launch { VMCS12_CLEAR = 0, VMCS12_LAUNCHED = 1 };

struct vmcs12 {
	u32 revision; /* bits 30:0 VMCS12_REVISION, bit 31 shadow-VMCS indicator */
	u32 abort; /* VMX-abort indicator */
	u32 launch; /* enum vmcs12_launch */
	u32 reserved;
	union {
		u64 f[FI_COUNT]; /* by enum field_index */
		struct {
#define F(width, NAME, member, encoding, group, merge, control) u64 member;
#include "vmx/fields.def"
#undef F
		};
	};
};

_Static_assert(sizeof(struct vmcs12) <= 4096, "vmcs12 fits a VMCS region");
_Static_assert(offsetof(struct vmcs12, abort) == 4, "the SDM fixes the VMX-abort indicator");

/* A control of vmcs12, taking "activate secondary controls" into account. */
static inline bool v12_proc2(const struct vmcs12 *v, u32 control)
{
	return (v->proc_controls & PROC_ACTIVATE_SECONDARY) && (v->proc2_controls & control);
}

#endif
