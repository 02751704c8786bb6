/*
 * Where L0 lives: a piece of RAM as high as possible below 4 GiB, so that every address at which an
 * L1 may want to be loaded is free; and L0's page tables.
 */
#ifndef BOOT_MEMORY_H
#define BOOT_MEMORY_H

#include "vmm/machine.h"

/*
 * Finds the place, copies the running image there, and goes on in it with the real page tables: W^X,
 * no page under a stack, nothing executable but .text. Fills l0_base, l0_size, direct_end, map and
 * pool. Refuses where memory is too small.
 */
void memory_init(struct machine *m);

#endif
