/*
 * Code in assembly: what L2 runs, and instructions in forms that C does not write.
 */
#ifndef GUEST_RULES_CODE_H
#define GUEST_RULES_CODE_H

/* What the forms with a segment expect its base to be. */
#define FORM_FS_BASE 0x10000
#define FORM_GS_BASE 0x20000

#ifndef __ASSEMBLER__
#include "guest/lib/trap.h"

/* L2's code (code.S). */
extern const char l2_vmcall[], l2_vmfunc[], l2_count[]; /* l2_count: RSP + 1, ES = AX, and VMCALL */

/*
 * For trap_call(): VMLAUNCH (resume = 0) or VMRESUME directly behind an instruction that blocks
 * events. They give RFLAGS, or ENTERED where L2 ran.
 */
#define ENTERED (~0ull)
trap_function enter_after_mov_ss, enter_after_sti;

/* A memory operand in one form of address (forms.S): (address of form_cell, field, 0), gives RFLAGS. */
struct form {
	const char *text;
	trap_function *vmread, *vmwrite, *vmptrst, *vmptrld;
};
extern const struct form forms[], forms_end[];
extern u64 form_cell;
trap_function form_vmread_rbp, form_vmwrite_rbp, form_vmptrld_rbp, form_vmread_fs;

/*
 * By register, in the order of enum gpr: (field, value, 0). What is read is left in form_cell.
 */
extern trap_function *const vmread_to[], *const vmread_field[], *const vmwrite_from[];
#endif

#endif
