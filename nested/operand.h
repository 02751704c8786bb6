/*
 * Where the memory operand of a VMX instruction lies. Pure.
 * SDM: "VM-Exit Instruction Information", "Exit Qualification" for instructions; volume 1, "Memory
 * Operands".
 */
#ifndef NESTED_OPERAND_H
#define NESTED_OPERAND_H

#include "vmx/types.h"
#include "vmx/x86.h"

struct operand_segment {
	u64 base;
	u32 limit, ar;
};

struct operand_in {
	u32 info; /* VM-exit instruction information */
	u64 displacement; /* exit qualification */
	const u64 *gpr; /* GPR_COUNT registers, RSP in place */
	/* ES to GS. Looked at is operand_segment()'s; in 64-bit mode only the base, and that of FS and GS only. */
	const struct operand_segment *segment;
	bool long_mode; /* 64-bit mode: CS.L with EFER.LMA */
	u8 linear_bits;
};

/* The operand is a register, not memory (VMREAD, VMWRITE), and which. */
#define OPERAND_IS_REGISTER(info) ((info) >> 10 & 1)
#define OPERAND_REGISTER(info) ((enum gpr)((info) >> 3 & 15))
/* The second, always a register: the field of VMREAD and VMWRITE, the type of INVEPT and INVVPID. */
#define OPERAND_REGISTER2(info) ((enum gpr)((info) >> 28 & 15))

#define OPERAND_SEGMENTS (SEG_GS + 1)

/* The operand's segment register: any information gives one. */
unsigned operand_segment(u32 info);

/*
 * Gives the linear address of an operand of `size` bytes that is to be read or written, or false with
 * the vector of the fault (#GP or #SS, error code 0) that the segment raises.
 */
bool operand_address(const struct operand_in *in, unsigned size, bool write, u64 *linear,
		     enum vector *fault);

#endif
