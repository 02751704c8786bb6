/*
 * A small test harness for the pure parts. A file defines tests with
 *
 *   TEST(name) { EXPECT(...); ... }
 *
 * and they enrol by themselves. A test goes on after an EXPECT that failed; it has failed all the same.
 * Tests that a table demands are named in rows.c, so that one that is missing does not link.
 */
#ifndef TEST_H
#define TEST_H

#include "vmx/types.h"

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

/* In the order of enrolment, which is the order of running. */
void test_enrol(struct test *test);

/* Counts against the running test, and prints. */
void __attribute__((format(printf, 3, 4))) test_fail(const char *file, int line, const char *format, ...);

/* How many tests the tables demand. */
unsigned rows_demanded(void);

#define TEST(id) \
	void test_##id(void); \
	static void __attribute__((constructor)) enrol_##id(void) \
	{ \
		static struct test test = {#id, test_##id, NULL}; \
		test_enrol(&test); \
	} \
	void test_##id(void)

#define EXPECT(condition) \
	do { \
		if (!(condition)) \
			test_fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

#define EXPECT_EQ(left, right) \
	do { \
		u64 left_value = (u64)(left), right_value = (u64)(right); \
		if (left_value != right_value) \
			test_fail(__FILE__, __LINE__, "%s is %#llx, %s is %#llx", #left, \
				  (unsigned long long)left_value, #right, \
				  (unsigned long long)right_value); \
	} while (0)

#endif
