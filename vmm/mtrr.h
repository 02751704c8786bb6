/*
 * MTRRs as L1 sees them, and what they say of a range. Pure.
 * SDM: volume 3A, "Memory Type Range Registers (MTRRs)".
 */
#ifndef VMM_MTRR_H
#define VMM_MTRR_H

#include "vmx/types.h"

#define MTRR_VARIABLE_MAX 32
#define MTRR_FIXED 11
#define MTRR_DEF_E BIT(11)
#define MTRR_DEF_FE BIT(10)
#define MTRR_MASK_VALID BIT(11)

struct mtrr_state {
	u64 cap, def_type;
	u64 fixed[MTRR_FIXED];
	struct {
		u64 base, mask;
	} variable[MTRR_VARIABLE_MAX];
	unsigned variable_count;
	u8 maxphyaddr;
};

/* Where the value of an MTRR is kept, or 0 where `msr` is none that this processor has. */
u64 *mtrr_register(struct mtrr_state *s, u32 msr);

/* Whether WRMSR of this value is legal (else #GP). msr must be one that mtrr_register() knows. */
bool mtrr_value_legal(const struct mtrr_state *s, u32 msr, u64 value);

/*
 * The memory type of a physical range, or -1 where it is not the same throughout. size: a power of
 * two, base aligned to it. Below 1 MiB ranges larger than 4 KiB are taken as mixed.
 */
int mtrr_type(const struct mtrr_state *s, u64 base, u64 size);

#endif
