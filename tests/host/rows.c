/*
 * The tests that tables demand, one per row: a row without its test does not link.
 */
#include "test.h"

#define K(id, failure, title, text, control, ...) void test_chk_##id(void);
#include "nested/check.def"
#undef K
#define R(id, title, text, by, test) void test_##test(void);
#include "nested/rules.def"
#undef R

static void (*const demanded[])(void) = {
#define K(id, failure, title, text, control, ...) test_chk_##id,
#include "nested/check.def"
#undef K
#define R(id, title, text, by, test) test_##test,
#include "nested/rules.def"
#undef R
};

unsigned rows_demanded(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ARRAY_LEN(demanded); i++)
		count += demanded[i] != NULL;
	return count;
}
