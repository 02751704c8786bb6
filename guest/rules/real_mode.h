/*
 * From 64-bit mode to real mode and back, on the bare processor.
 */
#ifndef GUEST_RULES_REAL_MODE_H
#define GUEST_RULES_REAL_MODE_H

#define REAL_CODE 0x8000 /* the 16-bit code is copied here */
#define REAL_STACK 0x7ff0
#define REAL_OPERAND 0x9000 /* a page for memory operands */

#ifndef __ASSEMBLER__
#include "guest/rules/snippets.h"

extern const char real_code[], real_code_end[];
extern const u64 real_snippet[SNIPPET_COUNT]; /* inside real_code */

/* Runs code at this address (below 64 KiB) in real mode; gives the vector of its exception. */
u64 real_run(u64 code);
#endif

#endif
