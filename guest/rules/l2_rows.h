/*
 * The VMX instructions that L2 executes for R19 (l2_rows.S), each with what its exit must tell.
 */
#ifndef GUEST_RULES_L2_ROWS_H
#define GUEST_RULES_L2_ROWS_H

/* VM-exit instruction information. SDM: "VM-Exit Instruction Information for ..." (tables). */
#define SCALE_1 0
#define SCALE_2 1
#define SCALE_4 2
#define SCALE_8 3
#define ADDRESS_16 (0 << 7)
#define ADDRESS_32 (1 << 7)
#define ADDRESS_64 (2 << 7)
#define REGISTER_FORM (1 << 10)
#define REG1(r) ((r) << 3)
#define SEGMENT(s) ((s) << 15)
#define INDEX(r) ((r) << 18)
#define NO_INDEX (1 << 22)
#define BASE(r) ((r) << 23)
#define NO_BASE (1 << 27)
#define REG2(r) ((r) << 28)

#ifndef __ASSEMBLER__
#include "vmx/types.h"

struct l2_row {
	u64 start, end; /* the instruction */
	u64 displacement; /* the qualification */
	const char *text;
	u32 reason;
	u32 info; /* 0: the exit has none */
};

extern const struct l2_row l2_rows_64[], l2_rows_64_end[], l2_rows_32[], l2_rows_32_end[];
#endif

#endif
