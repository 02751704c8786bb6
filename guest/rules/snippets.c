#include "guest/rules/snippets.h"

#include "guest/lib/asm.h"
#include "guest/lib/memory.h"
#include "guest/rules/real_mode.h"

trap_function enter_ring3, enter_compatibility, enter_ring0;

struct trap snippet_ring3(enum snippet s, u64 operand, u64 other)
{
	return trap_call(enter_ring3, snippet64[s], operand, other);
}

struct trap snippet_compatibility(enum snippet s, u64 operand, u64 other)
{
	return trap_call(enter_compatibility, snippet32[s], operand, other);
}

struct trap snippet_ring0(enum snippet s, u64 operand, u64 other)
{
	return trap_call(enter_ring0, snippet64[s], operand, other);
}

/* The 16-bit part lies at a fixed place in the first 64 KiB, below all that a loader uses. */
struct trap snippet_real(enum snippet s)
{
	u64 size = (u64)(real_code_end - real_code);

	memory_copy((void *)REAL_CODE, real_code, size);
	return (struct trap){.vector = (int)real_run(REAL_CODE + real_snippet[s] - (u64)real_code)};
}
