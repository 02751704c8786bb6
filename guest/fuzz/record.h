/*
 * What an entry did, value by value: into one hash, and printed where that is asked for.
 */
#ifndef GUEST_FUZZ_RECORD_H
#define GUEST_FUZZ_RECORD_H

#include "vmx/types.h"

struct record {
	u64 hash;
	bool print;
};

/* The name's address is what tells it from others: the same image runs bare and nested. */
void record_put(struct record *r, const char *name, u64 value);

/* L1's own state, as it is to be before every entry: kept. */
void l1_state_init(void);

/* What of L1's own state is not as it was kept, after an entry; it is put back. */
void l1_state_record(struct record *r);

#endif
