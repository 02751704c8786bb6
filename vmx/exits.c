#include "exits.h"

static const char *const reason_names[EXIT_REASON_COUNT] = {
#define X(number, NAME, handler, owner, text) [number] = text,
#include "exits.def"
#undef X
};

static const char *const error_names[] = {
#define E(number, NAME, text) [number] = text,
#include "errors.def"
#undef E
};

static const char *name_of(const char *const *names, size_t count, u32 number)
{
	return number < count && names[number] ? names[number] : "?";
}

const char *exit_reason_name(u32 basic_reason)
{
	return name_of(reason_names, ARRAY_LEN(reason_names), basic_reason);
}

const char *vm_instruction_error_name(u32 number)
{
	return name_of(error_names, ARRAY_LEN(error_names), number);
}
