/*
 * From 64-bit mode to modes outside long mode, and back, on the bare processor.
 */
#ifndef GUEST_RULES_LEGACY_H
#define GUEST_RULES_LEGACY_H

#define LOW_CODE 0x8000 /* 16-bit code is copied here */
#define LOW_STACK 0x7ff0
#define LOW_OPERAND 0x9000 /* a page for memory operands */

/* The modes; LEGACY_PROTECTED is 32-bit, ring 0, without paging, LEGACY_PAE the same with PAE paging, by legacy_cr3. */
#define LEGACY_REAL 0
#define LEGACY_PROTECTED 1
#define LEGACY_V86 2
#define LEGACY_PAE 3

#define LEGACY_VECTORS 0x41 /* up to the one that says "no exception" */

#ifndef __ASSEMBLER__
#include "guest/rules/snippets.h"

extern const char low_code[], low_code_end[];
extern const u64 snippet16[SNIPPET_COUNT]; /* inside low_code */

/* The interrupt table of the 32-bit modes, to be filled with these entries of 8 bytes each. */
extern u64 legacy_idt_32[LEGACY_VECTORS];
extern const char legacy_entries_32[LEGACY_VECTORS][8];
extern u32 legacy_cr3;

/*
 * Runs code in this mode until it raises an exception, and gives the vector. tss: our own, whose
 * stack for ring 0 it sets as a 32-bit TSS has it, for LEGACY_V86.
 */
u64 legacy_run(u64 code, u64 mode, u64 tss);

/* Runs 32-bit code under PAE paging, with all that it needs. */
void legacy_run_pae(const char *code);
#endif

#endif
