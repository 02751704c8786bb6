/*
 * Numbers that a seed and an index fix, so that any one entry can be made again without those before.
 */
#ifndef GUEST_FUZZ_RANDOM_H
#define GUEST_FUZZ_RANDOM_H

#include "vmx/types.h"

struct random {
	u64 state;
};

static inline u64 random_mix(u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline struct random random_start(u64 seed, u64 index)
{
	return (struct random){random_mix(seed) ^ random_mix(~index)};
}

/* SplitMix64: every state is a good one. */
static inline u64 random_next(struct random *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return random_mix(r->state);
}

/* From 0 to below n; n is small, and not 0. */
static inline unsigned random_below(struct random *r, unsigned n)
{
	return (unsigned)((random_next(r) >> 32) * n >> 32);
}

static inline bool random_chance(struct random *r, unsigned of)
{
	return random_below(r, of) == 0;
}

#endif
