#include "vmm/refusal_pure.h"

#include "nested/check_report.h"
#include "vmm/lib.h"

/* Adds to the text; what there is no room for is cut off. */
static void __attribute__((format(printf, 3, 4)))
add(char text[REFUSAL_TEXT], size_t *used, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = fmt_va(text + *used, REFUSAL_TEXT - *used, format, args);
	va_end(args);
	*used += (size_t)length;
	if (*used > REFUSAL_TEXT - 1)
		*used = REFUSAL_TEXT - 1;
}

void refusal_check(char text[REFUSAL_TEXT], const struct check_in *in, enum check_id id,
		   const struct check_index *index)
{
	const struct check_info *row = &check_info[id];
	struct check_fix fix = check_nearest(in, id, index);
	size_t used = 0;

	add(text, &used, "%s: %s (SDM: %s):", row->name, row->text, row->title);
	for (unsigned i = 0; i < row->input_count; i++)
		add(text, &used, " %s=%#lx", check_input_name(row->inputs[i]),
		    (unsigned long)check_input_value(in, row->inputs[i]));
	if (fix.found)
		add(text, &used, "; nearest legal %s=%#lx", field_info[fix.field].name,
		    (unsigned long)fix.value);
}

void refusal_msr(char text[REFUSAL_TEXT], u32 index, u32 number, u64 value, enum rule_id rule)
{
	const struct rule_info *info = &rule_info[rule];
	size_t used = 0;

	add(text, &used, "%s: %s (SDM: %s): entry %u: MSR %#x=%#lx", info->name, info->text, info->title,
	    index, number, (unsigned long)value);
}
