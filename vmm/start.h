/*
 * Starting L1: its image into its place, and its first state. What goes where is vmm/load.h's.
 */
#ifndef VMM_START_H
#define VMM_START_H

#include "vmm/vcpu.h"

/* Refuses where L1's image cannot be loaded. Requires memory_init(). */
void start_load_l1(struct machine *m);

/* L1's processor as its boot protocol wants it. Requires start_load_l1() and vcpu_init(). */
void start_enter_l1(struct vcpu *v);

#endif
