/*
 * The log of VM entries of L1's that are refused. With dump=refused on L0's command line each line has the
 * whole vmcs12 after it, and L1's capabilities, as tools/vmcs-check reads them (docs/vmcs-check.md).
 */
#ifndef VMM_REFUSAL_H
#define VMM_REFUSAL_H

#include "nested/check.h"
#include "vmm/machine.h"

/* A row of check.def does not hold for what `in` has gathered. */
void refusal_log(const struct machine *m, const struct check_in *in, enum check_id id);

#endif
