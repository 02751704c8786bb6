/*
 * The MSR bitmap that hardware uses for L2: L1's, and what L0 itself must see. Kept for each bitmap page of
 * L1's, and made anew only after that page was written to.
 */
#ifndef VMM_BITMAP02_H
#define VMM_BITMAP02_H

#include "vmm/vcpu.h"

void bitmap02_init(struct vcpu *v);
/* Of a new vmcs02, which is loaded. */
void bitmap02_start(struct vcpu *v);

/*
 * Brings vmcs02's MSR bitmap up to date for an entry; nothing where vmcs12 uses none. Requires vmcs02
 * loaded.
 */
void bitmap02_update(struct vcpu *v);

#endif
