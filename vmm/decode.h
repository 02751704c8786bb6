/*
 * Decodes and executes an instruction with one memory operand, for registers in memory that L0
 * emulates. Pure. SDM: volume 2, "Instruction Format", "Opcode Map".
 *
 * Known: MOV in all forms with memory, MOVZX, MOVSX, MOVSXD, ADD to CMP, TEST, NOT, NEG, INC, DEC,
 * XCHG, BT, BTS, BTR, BTC, STOS and LODS, of 1, 2, 4 or 8 bytes.
 */
#ifndef VMM_DECODE_H
#define VMM_DECODE_H

#include "vmx/types.h"

#define DECODE_MAX 15 /* bytes of an instruction */

enum decode_op {
	OP_ADD,
	OP_OR,
	OP_ADC,
	OP_SBB,
	OP_AND,
	OP_SUB,
	OP_XOR,
	OP_CMP,
	OP_MOV,
	OP_MOVZX,
	OP_MOVSX,
	OP_TEST,
	OP_NOT,
	OP_NEG,
	OP_INC,
	OP_DEC,
	OP_XCHG,
	OP_BT,
	OP_BTS,
	OP_BTR,
	OP_BTC,
	OP_STOS,
	OP_LODS,
};

struct decoded {
	enum decode_op op;
	u8 length; /* of the instruction, bytes */
	u8 size; /* of the memory operand, bytes */
	u8 reg_size; /* of the register operand, bytes */
	u8 address_size; /* bytes: of rDI, rSI and rCX in string instructions */
	u8 reg; /* enum gpr; meaningful where !immediate */
	bool high_byte; /* AH, CH, DH or BH: bits 15:8 of reg */
	bool immediate; /* the other operand is `value` */
	bool to_memory; /* the destination is in memory; else it is the register */
	bool repeat;
	u64 value;
};

/* bytes[count]: count at most DECODE_MAX. bits: 16, 32 or 64, of the code segment. False: not known. */
bool decode(struct decoded *d, const u8 *bytes, unsigned count, unsigned bits);

/* Whether the memory operand is read, and written. */
bool decode_reads(const struct decoded *d);
bool decode_writes(const struct decoded *d);

/* Operands, before and after. memory: zero-extended; reg: the whole general register. */
struct operands {
	u64 memory, reg, rflags;
};
void decode_execute(const struct decoded *d, struct operands *o);

#endif
