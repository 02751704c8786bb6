/*
 * Pages: our own, and the page tables that map them. Addresses below 4 GiB are mapped one to one.
 */
#ifndef GUEST_LIB_MEMORY_H
#define GUEST_LIB_MEMORY_H

#include "vmx/types.h"
#include "vmx/x86.h"

/* A zeroed page of our own; there are some hundreds, and none is given back. */
void *page_alloc(void);

/*
 * The linear addresses from here (1 TiB) are free for tests: nothing is mapped. Below, the first
 * 4 GiB are mapped one to one.
 */
#define TEST_AREA BIT(40)

/* Maps a 4 KiB page in the current page tables with these flags (PTE_P for a page that is there). */
void page_map(u64 linear, u64 physical, u64 flags);

/* Changes only the flags of a page that page_map() mapped. */
void page_flags(u64 linear, u64 flags);

/* The flags of its entry. */
u64 page_get_flags(u64 linear);

/* The table of 4 KiB entries for this address becomes the page at `physical`, whatever that is. */
void page_set_table(u64 linear, u64 physical);

void *memory_set(void *to, int value, size_t n);
void *memory_copy(void *to, const void *from, size_t n);
bool memory_equal(const void *a, const void *b, size_t n);

#endif
