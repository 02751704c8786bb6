/*
 * L0's command line.
 */
#include "test.h"
#include "vmm/option.h"

#include <string.h>

static bool gives(const char *args, const char *value)
{
	char seen[6];

	option_value(args, "log", seen, sizeof(seen));
	return strcmp(seen, value) == 0;
}

TEST(option_value)
{
	EXPECT(gives("log=e9", "e9"));
	EXPECT(gives("a log=com1 b", "com1"));
	EXPECT(gives("a\tlog=e9\tb", "e9"));
	EXPECT(gives("log=one log=two", "one"));
	EXPECT(gives("", ""));
	EXPECT(gives("log", ""));
	EXPECT(gives("log=", ""));
	EXPECT(gives("log= e9", ""));
	EXPECT(gives("blog=e9", ""));
	EXPECT(gives("logs=e9 log=x", "x"));
	EXPECT(gives("log=toolong", "toolo"));
}
