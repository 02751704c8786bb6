/*
 * vmcs-check - which of VM entry's rules does a VMCS break? docs/vmcs-check.md explains it.
 * Exits 0 if no rule is broken, 1 if one is, 2 on a broken input or call.
 */
#include "nested/check_report.h"
#include "tools/vmcs-check/judge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	const char *profile, *msrs, *dump;
	unsigned number;
	bool list;
};

static void usage(FILE *to)
{
	const char *name, *about;

	fprintf(to,
		"usage: vmcs-check [-p PROFILE] [-m FILE] [-n N] [-l] DUMP\n"
		"  DUMP        text of a VMCS (Linux's dump_vmcs, Xen's, or FIELD = number); - is standard input\n"
		"  -m FILE     the processor's capability MSRs: lines `0x480 = 0x...`\n"
		"  -p PROFILE  a built-in processor, also for what FILE lacks:\n");
	for (unsigned i = 0; processor_profile(i, &name, &about); i++)
		fprintf(to, "                %-8s %s\n", name, about);
	fprintf(to, "  -n N        the N-th dump of the file (1)\n"
		    "  -l          list the rules that were skipped, with what they lack\n");
}

static void __attribute__((noreturn, format(printf, 1, 2))) quit(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "vmcs-check: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(2);
}

static void __attribute__((noreturn)) quit_at(const char *path, const struct text_error *error)
{
	if (error->line)
		fprintf(stderr, "%s:%u: %s\n", path, error->line, error->what);
	else
		fprintf(stderr, "%s: %s\n", path, error->what);
	exit(2);
}

static const char *argument(int argc, char **argv, int *i)
{
	if (*i + 1 >= argc)
		quit("%s needs an argument", argv[*i]);
	return argv[++*i];
}

static unsigned dump_number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n < 1 || n > 1000000)
		quit("-n %s: a number from 1", text);
	return (unsigned)n;
}

static struct options parse(int argc, char **argv)
{
	struct options o = {.profile = "skylake", .number = 1};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-p") == 0) {
			o.profile = argument(argc, argv, &i);
		} else if (strcmp(argv[i], "-m") == 0) {
			o.msrs = argument(argc, argv, &i);
		} else if (strcmp(argv[i], "-n") == 0) {
			o.number = dump_number(argument(argc, argv, &i));
		} else if (strcmp(argv[i], "-l") == 0) {
			o.list = true;
		} else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			exit(0);
		} else if ((argv[i][0] == '-' && argv[i][1]) || o.dump) {
			usage(stderr);
			exit(2);
		} else {
			o.dump = argv[i];
		}
	}
	if (!o.dump) {
		usage(stderr);
		exit(2);
	}
	return o;
}

/* The whole of a file, however long; never freed. */
static char *read_file(const char *path, size_t *size)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *text = NULL;
	size_t room = 0;

	if (!f)
		quit("%s: %s", path, strerror(errno));
	*size = 0;
	do {
		room += 1 << 16;
		text = realloc(text, room);
		if (!text)
			quit("%s: too large", path);
		*size += fread(text + *size, 1, room - *size, f);
	} while (*size == room);
	if (ferror(f))
		quit("%s: %s", path, strerror(errno));
	return text;
}

static void read_processor(struct processor *p, const struct options *o)
{
	struct text_error error;
	size_t size;

	if (!processor_by_name(p, o->profile))
		quit("-p %s: no such profile, see vmcs-check -h", o->profile);
	if (o->msrs) {
		const char *text = read_file(o->msrs, &size);

		if (!processor_read(p, &error, text, size))
			quit_at(o->msrs, &error);
	}
}

/* How the entry ends where this rule is the first that is broken. */
static const char *outcome(const struct check_info *row)
{
	static const char *const outcomes[] = {
		[FAIL_CTL] = "VMfailValid, error 7",
		[FAIL_HOST] = "VMfailValid, error 8",
		[FAIL_GUEST] = "exit 0x80000021",
		[FAIL_GUEST_PDPTE] = "exit 0x80000021, qualification 2",
		[FAIL_GUEST_LINK] = "exit 0x80000021, qualification 4",
	};

	return outcomes[row->failure];
}

static void print_broken(const struct dump *dump, enum check_id id, const struct check_index *index)
{
	const struct check_info *row = &check_info[id];
	struct check_fix fix = check_nearest(&dump->in, id, index);

	printf("%s: %s\n    SDM: %s; %s\n   ", row->name, row->text, row->title, outcome(row));
	for (unsigned i = 0; i < row->input_count; i++)
		if (dump->known[row->inputs[i]])
			printf(" %s=%#llx", check_input_name(row->inputs[i]),
			       (unsigned long long)check_input_value(&dump->in, row->inputs[i]));
	printf("\n");
	if (fix.found)
		printf("    nearest legal: %s=%#llx\n", field_info[fix.field].name,
		       (unsigned long long)fix.value);
}

static void print_skipped(const struct dump *dump, enum check_id id)
{
	const struct check_info *row = &check_info[id];

	printf("skipped %s, for want of:", row->name);
	for (unsigned i = 0; i < row->input_count; i++)
		if (!dump->known[row->inputs[i]])
			printf(" %s", check_input_name(row->inputs[i]));
	printf("\n");
}

static void print_missing(const struct dump *dump, const enum verdict *verdicts)
{
	bool wanted[CHECK_INPUTS] = {false}, any = false;

	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
		for (unsigned i = 0; verdicts[id] == SKIPPED && i < check_info[id].input_count; i++)
			wanted[check_info[id].inputs[i]] = true;
	for (unsigned i = 0; i < CHECK_INPUTS; i++)
		if (wanted[i] && !dump->known[i]) {
			printf("%s %s", any ? "" : "not in the dump:", check_input_name(i));
			any = true;
		}
	printf("%s", any ? "\n" : "");
}

/* A kernel that lies above 4 GiB runs in IA-32e mode; its dumps do not say so. */
static void assume_mode(struct dump *dump)
{
	if (!dump->known[IN_L1_IA32E] && dump->known[FI_HOST_RIP] && dump->v.host_rip >> 32) {
		dump->known[IN_L1_IA32E] = true;
		dump->in.l1_ia32e = true;
	}
}

static int report(struct dump *dump, const struct options *o)
{
	static enum verdict verdicts[CHECK_COUNT];
	static struct processor processor;
	static struct check_index index;
	unsigned counts[SKIPPED + 1] = {0};

	read_processor(&processor, o);
	assume_mode(dump);
	check_index_make(&index);
	judge(verdicts, dump, &processor);
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++) {
		counts[verdicts[id]]++;
		if (verdicts[id] == BROKEN)
			print_broken(dump, (enum check_id)id, &index);
		else if (verdicts[id] == SKIPPED && o->list)
			print_skipped(dump, (enum check_id)id);
	}
	print_missing(dump, verdicts);
	if (dump->dumps > 1)
		printf("dump %u of %u\n", o->number, dump->dumps);
	printf("%u rules: %u broken, %u hold, %u skipped; capabilities: %s%s%s\n", CHECK_COUNT - 1,
	       counts[BROKEN], counts[HOLDS], counts[SKIPPED], o->msrs ? o->msrs : "",
	       o->msrs ? " over " : "", processor.name);
	return counts[BROKEN] ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	static struct dump dump;
	struct text_error error;
	size_t size;
	const char *text = read_file(o.dump, &size);

	if (!dump_read(&dump, &error, text, size, o.number))
		quit_at(o.dump, &error);
	return report(&dump, &o);
}
