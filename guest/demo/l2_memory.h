/*
 * What L2 sees as memory: EPT12 and page tables, both one to one apart from a few pages.
 */
#ifndef GUEST_DEMO_L2_MEMORY_H
#define GUEST_DEMO_L2_MEMORY_H

#include "guest/demo/guests.h"

/* Guest-physical pages that EPT12 maps to pages of our own. */
#define L2_REAL_IDT 0x0000ull /* real mode's interrupt table */
#define L2_EPT_TEST 0x5000ull /* its rights change */
#define L2_REAL_CODE 0x8000ull /* the 16-bit payload */
#define L2_REAL_STACK 0x9000ull

/* The linear page that L2's page tables map by a 4 KiB entry, under paging. */
#define L2_PAGE_TEST 0x40000000ull

/* L2's interrupt table fills a page and has a handler for this vector. */
#define L2_VECTOR_IRQ 0x20
#define L2_IDT_LIMIT 0xfff

/* Fills the fields of g that are about memory. */
void l2_memory_create(struct guest *g);

#endif
