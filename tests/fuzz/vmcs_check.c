/*
 * libFuzzer target: any bytes as a dump and as capability MSRs, then all that vmcs-check does with them.
 * The first byte says where the dump ends and the capabilities begin, in 256ths.
 */
#include "nested/check_report.h"
#include "tools/vmcs-check/judge.h"
#include "vmx/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

void panic(const char *file, int line, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, format, values);
	va_end(values);
	abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct dump dump;
	static struct processor processor;
	static enum verdict verdicts[CHECK_COUNT];
	static struct check_index index;
	struct text_error error;

	if (!size)
		return 0;
	const char *text = (const char *)data + 1;
	size_t split = (size - 1) * data[0] / 256;
	if (!processor_by_name(&processor, "skylake"))
		abort();
	(void)processor_read(&processor, &error, text + split, size - 1 - split);
	if (!dump_read(&dump, &error, text, split, 1 + (data[0] & 1)))
		return 0;
	if (dump.known_count < 20) /* judging what is mostly missing takes long, and reads nothing */
		return 0;
	judge(verdicts, &dump, &processor);
	check_index_make(&index);
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
		if (verdicts[id] == BROKEN)
			(void)check_nearest(&dump.in, (enum check_id)id, &index);
	return 0;
}
