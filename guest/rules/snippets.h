/*
 * Each VMX instruction as a small piece of code (snippets.def), for rings and modes in which C does
 * not run: address operands come in RDI, fields and types in RSI. INT 0x40 behind it says "no
 * exception".
 */
#ifndef GUEST_RULES_SNIPPETS_H
#define GUEST_RULES_SNIPPETS_H

#include "guest/lib/trap.h"

enum snippet {
#define X(name, ...) SNIPPET_##name,
#include "guest/rules/snippets.def"
#undef X
	SNIPPET_COUNT
};

extern const u64 snippet64[SNIPPET_COUNT], snippet32[SNIPPET_COUNT];
extern const char *const snippet_name[SNIPPET_COUNT];

struct trap snippet_ring0(enum snippet s, u64 operand, u64 other);
struct trap snippet_ring3(enum snippet s, u64 operand, u64 other);
struct trap snippet_compatibility(enum snippet s, u64 operand, u64 other); /* ring 0 */

/*
 * Leaves long mode, and runs a snippet in real mode, in virtual-8086 mode, or in 32-bit protected mode
 * without paging. CR4 stays; must not be in VMX operation. Gives only the vector.
 */
struct trap snippet_real(enum snippet s);
struct trap snippet_v86(enum snippet s);
struct trap snippet_unpaged(enum snippet s);

#endif
