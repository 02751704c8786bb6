/* Numbers and words in a line of text that may hold anything. */
#ifndef VMCS_CHECK_TEXT_H
#define VMCS_CHECK_TEXT_H

#include "vmx/types.h"

#include <string.h>

struct text {
	const char *at, *end; /* of the line */
};

static inline bool text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool text_is_word(char c)
{
	return text_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline void text_skip_blanks(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
}

/* Steps over a string that is next, or stays. */
static inline bool text_skip(struct text *t, const char *string)
{
	size_t length;

	if (t->at == t->end || *t->at != *string) /* most often */
		return false;
	length = strlen(string);
	if ((size_t)(t->end - t->at) < length || memcmp(t->at, string, length) != 0)
		return false;
	t->at += length;
	return true;
}

static inline int text_digit(char c, unsigned base)
{
	int digit = text_is_digit(c)       ? c - '0' :
		    (c >= 'a' && c <= 'f') ? c - 'a' + 10 :
		    (c >= 'A' && c <= 'F') ? c - 'A' + 10 :
					     99;

	return digit < (int)base ? digit : -1;
}

/* A number: hexadecimal after 0x, else in the base given. False: none, too large, or more letters on. */
static inline bool text_number(struct text *t, unsigned base, u64 *value)
{
	const char *first;

	if (text_skip(t, "0x") || text_skip(t, "0X"))
		base = 16;
	*value = 0;
	for (first = t->at; t->at < t->end && text_digit(*t->at, base) >= 0; t->at++) {
		u64 digit = (u64)text_digit(*t->at, base);

		if (*value > (~0ull - digit) / base)
			return false;
		*value = *value * base + digit;
	}
	return t->at > first && !(t->at < t->end && text_is_word(*t->at));
}

/* The next line of [*at, end), without its end; *at moves past it. */
static inline struct text text_line(const char **at, const char *end)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	struct text line = {*at, newline ? newline : end};

	*at = newline ? newline + 1 : end;
	return line;
}

#endif
