/*
 * The memory of a hypervisor below us: a hole in the memory map, between two ranges of RAM below
 * 4 GiB. It reads as all ones, and ignores writes.
 */
#ifndef GUEST_HOSTILE_HOLE_H
#define GUEST_HOSTILE_HOLE_H

#include "vmx/types.h"

extern u64 hole_base, hole_end;

/* Finds it. False on the bare machine. */
bool hole_find(void);

/* Whether it still reads as all ones, at some places of every page. */
bool hole_intact(void);

/* The tests. */
void hostile_cpu(void);
void hostile_events(void);
void hostile_vmx(void);
void hostile_l2(void);

#endif
