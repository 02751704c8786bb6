/*
 * The processor: what it must have, and switching VMX on.
 */
#ifndef VMM_HARDWARE_H
#define VMM_HARDWARE_H

#include "vmm/machine.h"

/*
 * Reads what the processor has into m->hw, and what L1 gets into m->l1, efer_valid, feature_control
 * and mtrr. Refuses where something that L0 needs is missing. Before any memory is handed out.
 */
void hardware_check(struct machine *m);

/* VMX operation on this processor. Requires hardware_check() and the page pool. */
void hardware_vmxon(struct machine *m);

#endif
