/* The capability MSRs of processors that the tests make up. */
#ifndef MACHINE_H
#define MACHINE_H

#include "vmx/caps.h"
#include "vmx/msr.h"

/* One that has every control that controls.def lists, and what L1 is never offered besides; decoded. */
void machine_all(struct caps *hw);

/* One of the first ones with VMX: no TRUE_ MSRs, no secondary controls; decoded. */
void machine_first(struct caps *hw);

static inline u64 *machine_msr(struct caps *caps, u32 number)
{
	return &caps->msr[number - CAPS_MSR_FIRST];
}

#endif
