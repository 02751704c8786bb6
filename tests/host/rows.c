/*
 * The tests that tables demand, one per row: a row without its test does not link.
 */
#include "test.h"

#define K(id, failure, title, text) void test_chk_##id(void);
#include "nested/check.def"
#undef K

static void (*const demanded[])(void) = {
#define K(id, failure, title, text) test_chk_##id,
#include "nested/check.def"
#undef K
};

unsigned rows_demanded(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ARRAY_LEN(demanded); i++)
		count += demanded[i] != NULL;
	return count;
}
