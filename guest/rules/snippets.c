#include "guest/rules/snippets.h"

#include "guest/lib/asm.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "guest/rules/legacy.h"

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

static void fill_idt_32(void)
{
	const u64 gate = 0xee00; /* present, ring 3 may call it, 32-bit interrupt gate */

	for (unsigned i = 0; i < LEGACY_VECTORS; i++) {
		u64 at = (u64)legacy_entries_32[i];
		legacy_idt_32[i] = (at & 0xffff) | SEL_CODE32 << 16 | gate << 32 | (at >> 16) << 48;
	}
}

/* The 16-bit part lies at a fixed place in the first 64 KiB, below all that a loader uses. */
static struct trap run_legacy(u64 code, u64 mode)
{
	memory_copy((void *)LOW_CODE, low_code, (u64)(low_code_end - low_code));
	memory_set((void *)LOW_OPERAND, 0xff, PAGE_SIZE); /* no valid pointer */
	fill_idt_32();
	return (struct trap){.vector = (int)legacy_run(code, mode, trap_tss_base())};
}

static u64 low_snippet(enum snippet s)
{
	return LOW_CODE + snippet16[s] - (u64)low_code;
}

struct trap snippet_real(enum snippet s)
{
	return run_legacy(low_snippet(s), LEGACY_REAL);
}

struct trap snippet_v86(enum snippet s)
{
	return run_legacy(low_snippet(s), LEGACY_V86);
}

void legacy_run_pae(const char *code)
{
	run_legacy((u64)code, LEGACY_PAE);
}

struct trap snippet_unpaged(enum snippet s)
{
	return run_legacy(snippet32[s], LEGACY_PROTECTED);
}
