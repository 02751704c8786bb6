/*
 * A write to where L0 lives is ignored: the instruction, or the delivery of an event, runs once with the
 * page turned into one that takes the write, and that is made all ones again right after it.
 *
 * What ends it is the next exit, whichever: of the trap flag after an instruction, of a preemption timer
 * of 0 after a delivery (which would push the trap flag). Not the monitor trap flag: L1 may be using that.
 * Until then the guest's exceptions exit too, so that none is delivered with the trap flag set. One trace
 * remains: PUSHF, half to L0's memory and half to L1's own, stores TF as 1 and IF as 0 there.
 *
 * SDM: "VMX-Preemption Timer"; volume 3B, "Single-Step Exception Condition".
 */
#ifndef VMM_STEP_H
#define VMM_STEP_H

#include "vmm/vcpu.h"

/*
 * The write just missed at this EPT leaf (4 KiB, the page of ones). What is in v->exit decides how to
 * step; an event in it is injected again by the caller. Requires the VMCS loaded that took the exit.
 */
void step_write(struct vcpu *v, u64 *leaf);

/* There is a step to end, or to forget. */
static inline bool step_is_on(const struct vcpu *v)
{
	return v->step.active || v->step.count;
}

/*
 * Requires v->exit filled and nothing done about it yet. The step, if there was one, is over, and the
 * guest's state is its own again. True: that was all there is to this exit.
 */
NOINLINE bool step_exit(struct vcpu *v);

/* EPT tables are going: what a step has of them is no longer theirs. */
void step_forget(struct vcpu *v);

#endif
