/*
 * Basic exit reasons (exits.def) and VM-instruction errors (errors.def).
 */
#ifndef VMX_EXITS_H
#define VMX_EXITS_H

#include "types.h"

enum exit_reason {
#define X(number, NAME, handler, owner, text) EXIT_REASON_##NAME = number,
#include "exits.def"
#undef X
	EXIT_REASON_COUNT = 80
};

#define EXIT_REASON_ENTRY_FAILURE BIT(31)

enum vm_instruction_error {
#define E(number, NAME, text) VMERR_##NAME = number,
#include "errors.def"
#undef E
};

/* Both give a text for any number: "?" where the SDM has none. */
const char *exit_reason_name(u32 basic_reason);
const char *vm_instruction_error_name(u32 number);

#endif
