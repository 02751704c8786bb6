/*
 * The EPT pointer as VM entry checks it. SDM: "VM-Execution Control Fields" (checks), EPTP.
 */
#ifndef NESTED_EPTP_H
#define NESTED_EPTP_H

#include "vmx/caps.h"
#include "vmx/ept_entry.h"
#include "vmx/x86.h"

static inline bool eptp_valid(const struct caps *caps, u64 eptp)
{
	u64 type = eptp & EPTP_MT;
	bool type_ok = (type == MT_WB && (caps->ept_vpid & EPT_CAP_WB)) ||
		       (type == MT_UC && (caps->ept_vpid & EPT_CAP_UC));
	bool walk_ok = (eptp & BITS(5, 3)) == EPTP_WALK_4 && (caps->ept_vpid & EPT_CAP_4_LEVEL);
	bool ad_ok = !(eptp & EPTP_AD) || (caps->ept_vpid & EPT_CAP_AD);

	return type_ok && walk_ok && ad_ok && !(eptp & BITS(11, 7)) && !(eptp >> caps->maxphyaddr);
}

#endif
