/*
 * A write to where L0 lives is ignored: the instruction runs once with the page turned into one that
 * takes the write, and that is made all ones again right after it. By the monitor trap flag where the
 * processor has one, else by the trap flag.
 */
#ifndef VMM_STEP_H
#define VMM_STEP_H

#include "vmm/vcpu.h"

/* The write just missed at this EPT leaf (4 KiB, the page of ones). Requires the VMCS loaded. */
void step_write(struct vcpu *v, u64 *leaf);

/* The exit that ends a step: true where there was one and it is done. */
bool step_trap(struct vcpu *v);

/* The tables that the leaves were in are gone: the instruction, if it goes on, misses them again. */
void step_forget(struct vcpu *v);

/* Any other exit: the step, if there was one, is over. */
void step_end(struct vcpu *v);

#endif
