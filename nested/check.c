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

static void index_row(struct check_index *index, enum check_id id)
{
	const struct check_info *row = &check_info[id];
	struct field_set fields = {{0}};

	for (unsigned i = 0; i < row->input_count; i++)
		if (row->inputs[i] < FI_COUNT)
			field_set_add(&fields, (enum field_index)row->inputs[i]);
	for (unsigned i = 0; i < row->input_count; i++) {
		index->of[row->inputs[i]].rows.w[id / 64] |= BIT(id % 64);
		field_set_add_all(&index->of[row->inputs[i]].fields, &fields);
	}
}

void check_index_make(struct check_index *index)
{
	*index = (struct check_index){0};
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
		index_row(index, (enum check_id)id);
}

bool check_list_make(struct check_list *list, const struct check_set *rows)
{
	list->count = 0;
	for (unsigned w = 0; w < CHECK_WORDS; w++)
		for (u64 left = rows->w[w]; left; left &= left - 1) {
			if (list->count == CHECK_LIST_MAX)
				return false;
			list->id[list->count++] = (u16)(64 * w + (unsigned)__builtin_ctzl(left));
		}
	return true;
}

enum check_id check_listed(const struct check_in *in, const struct check_list *list)
{
	for (unsigned n = 0; n < list->count; n++)
		if (!check_info[list->id[n]].holds(in))
			return (enum check_id)list->id[n];
	return CHECK_PASSED;
}
