#include "vmm/option.h"

#include "vmm/lib.h"

static bool ends_word(char c)
{
	return c == 0 || c == ' ' || c == '\t';
}

void option_value(const char *args, const char *name, char *value, size_t size)
{
	size_t length = strlen(name), n = 0;

	for (const char *at = args; *at; at++) {
		bool begins = at == args || ends_word(at[-1]);
		if (!begins || strncmp(at, name, length) != 0 || at[length] != '=')
			continue;
		for (at += length + 1; !ends_word(*at) && n < size - 1; at++)
			value[n++] = *at;
		break;
	}
	value[n] = 0;
}
