/* The words for a VM entry of L1's that is refused: which rule, and the values that broke it. Pure. */
#ifndef VMM_REFUSAL_PURE_H
#define VMM_REFUSAL_PURE_H

#include "nested/check.h"
#include "nested/rules.h"

#define REFUSAL_TEXT 448

/* One line without a newline, for a row of check.def that does not hold. */
void refusal_check(char text[REFUSAL_TEXT], const struct check_in *in, enum check_id id,
		   const struct check_index *index);

/* The same for entry `index` (from 1) of the VM-entry MSR-load area, which cannot be loaded. */
void refusal_msr(char text[REFUSAL_TEXT], u32 index, u32 number, u64 value, enum rule_id rule);

#endif
