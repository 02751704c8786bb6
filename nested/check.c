#include "nested/check_rules.h"

const struct check_info check_info[CHECK_COUNT] = {
	[CHECK_PASSED] = {.name = "passed", .title = "", .text = ""},
#define LIST(...) (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})
#define K(id, failure, title, text, control, ...) \
	[CHECK_##id] = {#id, title, text, chk_##id, LIST(__VA_ARGS__), failure, CI_##control},
#include "nested/check.def"
#undef K
};

/* The classes of enum check_failure are in the order in which VM entry looks for them. */
static enum check_id check_rows(const struct check_in *in, enum check_failure first,
				enum check_failure last)
{
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++) {
		const struct check_info *row = &check_info[id];

		if (row->failure >= first && row->failure <= last && !row->holds(in))
			return (enum check_id)id;
	}
	return CHECK_PASSED;
}

enum check_id check_controls_and_host(const struct check_in *in)
{
	return check_rows(in, FAIL_CTL, FAIL_HOST);
}

enum check_id check_guest(const struct check_in *in)
{
	return check_rows(in, FAIL_GUEST, FAIL_GUEST_LINK);
}
