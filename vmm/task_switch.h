#ifndef VMM_TASK_SWITCH_H
#define VMM_TASK_SWITCH_H

#include "vmm/vcpu.h"

/*
 * Does the task switch that the last exit stands for, as the processor would, up to the new task's first
 * instruction; an exception raised on the way is in flight afterwards, and an event that went through a task
 * gate is delivered. Requires vmcs01 loaded. SDM: volume 3A, "Task Switching"; volume 3C, "Treatment of
 * Task Switches".
 */
void task_switch(struct vcpu *v);

#endif
