#include "test.h"
#include "vmx/controls.h"
#include "vmx/exits.h"

#include <string.h>

static bool is_listed(u32 reason)
{
	switch (reason) {
#define X(number, NAME, handler, owner, text) case number:
#include "vmx/exits.def"
#undef X
		return true;
	default:
		return false;
	}
}

TEST(exit_reasons_have_names)
{
#define X(number, NAME, handler, owner, text) EXPECT(!strcmp(exit_reason_name(EXIT_REASON_##NAME), text));
#include "vmx/exits.def"
#undef X
}

TEST(exit_reason_name_takes_any_number)
{
	for (u32 reason = 0; reason < 0x20000; reason++)
		if (!is_listed(reason))
			EXPECT(!strcmp(exit_reason_name(reason), "?"));
	EXPECT(!strcmp(exit_reason_name(~0u), "?"));
	EXPECT(!strcmp(exit_reason_name(0x80000021), "?"));
}

TEST(vm_instruction_errors_have_names)
{
#define E(number, NAME, text) EXPECT(!strcmp(vm_instruction_error_name(VMERR_##NAME), text));
#include "vmx/errors.def"
#undef E
}

TEST(vm_instruction_error_name_takes_any_number)
{
	static const u32 unknown[] = {0, 14, 21, 27, 29, 100, 0x80000000, ~0u};

	for (unsigned i = 0; i < ARRAY_LEN(unknown); i++)
		EXPECT(!strcmp(vm_instruction_error_name(unknown[i]), "?"));
}

/* No bit of a control word is listed twice. */
TEST(controls_are_listed_once)
{
	u32 seen[CONTROL_WORDS] = {0};

	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++) {
		u32 mask = 1u << control_info[i].bit;

		EXPECT(!(seen[control_info[i].word] & mask));
		seen[control_info[i].word] |= mask;
	}
}
