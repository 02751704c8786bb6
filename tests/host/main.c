/*
 * Runs the tests: all, or those whose name has the first argument in it. Exits with 0 only if tests ran,
 * none failed, and none that a table demands was missing.
 */
#include "test.h"
#include "vmx/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test *first, **end = &first;
static const struct test *running;
static unsigned failures_of_running;

void test_enrol(struct test *test)
{
	*end = test;
	end = &test->next;
}

static void print_failure(const char *file, int line, const char *format, va_list values)
{
	printf("FAIL %s\n     %s:%d: ", running ? running->name : "?", file, line);
	vprintf(format, values);
	printf("\n");
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	print_failure(file, line, format, values);
	va_end(values);
	failures_of_running++;
}

/* What the pure parts call where an assertion of theirs does not hold. */
void panic(const char *file, int line, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	print_failure(file, line, format, values);
	va_end(values);
	fflush(stdout);
	abort();
}

static bool passes(const struct test *test)
{
	running = test;
	failures_of_running = 0;
	test->run();
	return failures_of_running == 0;
}

int main(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : "";
	unsigned passed = 0, failed = 0;

	for (const struct test *t = first; t; t = t->next)
		if (strstr(t->name, wanted))
			*(passes(t) ? &passed : &failed) += 1;
	if (!*wanted && passed + failed < rows_demanded()) {
		printf("only %u tests ran, the tables have %u rows\n", passed + failed, rows_demanded());
		failed++;
	}
	if (passed + failed == 0)
		printf("no test is named *%s*\n", wanted);
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0 || passed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
