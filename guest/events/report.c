#include "guest/events/report.h"

#include "guest/events/defects.h"
#include "guest/events/masks.h"
#include "guest/lib/asm.h"
#include "guest/lib/console.h"
#include "guest/lib/memory.h"
#include "guest/lib/multiboot.h"

#define NAME_SIZE 100
#define WHY_SIZE 160
#define DEFECTS 3 /* in one row */
#define LINE_SIZE 1000
#define HASH_START 0x811c9dc5u /* FNV-1a */
#define HASH_FACTOR 0x01000193u

static struct {
	char name[NAME_SIZE], why[WHY_SIZE];
	bool bad, optional, over;
	struct defect *defects[DEFECTS];
	unsigned defect_count;
	unsigned exits;
	u32 hash;
} row;

static struct {
	char text[LINE_SIZE];
	size_t length;
} line;

static unsigned passed, failed;

/* ---- the command line */

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static bool starts(const char *text, const char *word)
{
	while (*word && *text == *word)
		text++, word++;
	return !*word;
}

static const char *find(const char *text, const char *word)
{
	for (; *text; text++)
		if (starts(text, word))
			return text;
	return NULL;
}

/* Whether the value of only= is part of the row's name; "+" stands for a blank. */
static bool wanted(void)
{
	const char *only = find(multiboot.args, "only=");
	char word[NAME_SIZE];
	size_t n = 0;

	if (!only)
		return true;
	for (only += 5; only[n] && only[n] != ' ' && n < NAME_SIZE - 1; n++)
		word[n] = only[n] == '+' ? ' ' : only[n];
	word[n] = 0;
	return find(row.name, word);
}

u64 report_argument(const char *word, u64 otherwise)
{
	const char *p = find(multiboot.args, word);
	u64 value = 0;

	if (!p)
		return otherwise;
	while (*word)
		p++, word++;
	for (; *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (u64)(*p - '0');
	return value;
}

static bool verbose(void)
{
	return multiboot_argument("fields") || find(multiboot.args, "only=");
}

/* ---- a row */

bool report_begin(const char *text, ...)
{
	va_list args;

	memory_set(&row, 0, sizeof(row));
	row.hash = HASH_START;
	va_start(args, text);
	format_list(row.name, NAME_SIZE, text, args);
	va_end(args);
	return wanted();
}

void report_optional(void)
{
	row.optional = true;
}

void report_defect(struct defect *defect)
{
	row.defects[row.defect_count++] = defect;
}

/* A defect after which nothing can be compared. */
static bool spoiled(void)
{
	for (unsigned i = 0; i < row.defect_count; i++)
		if (row.defects[i]->everything)
			return true;
	return row.optional;
}

/* ---- the fields */

__attribute__((format(printf, 1, 2))) static void add(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	line.length += format_list(line.text + line.length, LINE_SIZE - line.length, text, args);
	va_end(args);
}

/* The bits of a field that no defect spoils. */
static u64 reliable(enum field_index field)
{
	u64 mask = ~0ull;

	for (unsigned i = 0; i < row.defect_count; i++)
		for (unsigned k = 0; k < ARRAY_LEN(row.defects[i]->spoils); k++)
			if (row.defects[i]->spoils[k].field == field)
				mask &= ~row.defects[i]->spoils[k].bits;
	return mask;
}

/* A changed field, or a piece of exit information. */
static void add_field(enum field_index i, u64 value)
{
	add(" %s=%lx", field_info[i].name, value & reliable(i));
}

static void add_changes(const struct world *w, const u64 *before)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		u64 value = w->now[i];
		if (!world_has(i))
			continue;
		if (field_info[i].group == RO) {
			value &= mask_defined(i, w->now) & reliable(i);
			if (value || i == FI_EXIT_REASON)
				add_field(i, value);
		} else if ((value ^ before[i]) & reliable(i)) {
			add_field(i, value);
		}
	}
}

static void line_end(void)
{
	for (size_t i = 0; i < line.length && !spoiled(); i++)
		row.hash = (row.hash ^ (u8)line.text[i]) * HASH_FACTOR;
	if (verbose())
		print("%s%s\n", spoiled() ? "~" : "", line.text);
	print_debug("%sL1: %s:%s\n", spoiled() ? "~" : "", row.name, line.text);
	line.length = 0;
}

void report_enter(struct world *w)
{
	static u64 before[FI_COUNT];
	u64 cr2 = read_cr2(), dr6 = read_dr6(), failed_entry;

	memory_copy(before, w->now, sizeof(before));
	failed_entry = world_enter(w);
	add("  %u:", ++row.exits);
	if (failed_entry)
		add(" VMfail rflags %lx error %lx", failed_entry, w->now[FI_VM_INSTRUCTION_ERROR]);
	else
		add_changes(w, before);
	if (read_cr2() != cr2)
		add(" CR2=%lx", read_cr2());
	if (read_dr6() != dr6)
		add(" DR6=%lx", read_dr6());
	line_end();
}

void report_world(const struct world *w)
{
	print_debug("L1: %s, at the start (all other fields are 0):\n", w->name);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (world_has(i) && field_info[i].group != RO && w->start[i])
			print_debug("L1:   %s=%lx\n", field_info[i].name, w->start[i]);
}

/* ---- the verdict */

/* Whether a known defect explains this value. */
static bool excused(const char *what, u64 expected, u64 seen)
{
	for (unsigned i = 0; i < row.defect_count; i++) {
		struct defect *d = row.defects[i];
		if (!same(d->what, what) || ((expected ^ seen) & ~d->bits))
			continue;
		d->met++;
		row.over = d->everything;
		if (verbose())
			print("~ %s: %s: expected %lx, seen %lx\n", d->name, what, expected, seen);
		return true;
	}
	return false;
}

void report_check(const char *what, u64 expected, u64 seen)
{
	if (expected == seen || row.bad || row.over || excused(what, expected, seen))
		return;
	row.bad = true;
	format(row.why, WHY_SIZE, "exit %u, %s: expected %lx, seen %lx", row.exits, what, expected, seen);
}

bool report_good(void)
{
	return !row.bad && !row.over;
}

void report_end(void)
{
	passed += !row.bad;
	failed += row.bad;
	if (row.bad) {
		print("FAIL %s: %s\n", row.name, row.why);
		return;
	}
	print("%sok %s", row.optional ? "~ " : "", row.name);
	for (unsigned i = 0; i < row.defect_count; i++)
		print(" [%s]", row.defects[i]->name);
	print(" %x\n", row.hash);
}

void report_skip(void)
{
	print("~ %s: not here\n", row.name);
}

void report_total(void)
{
	defects_total();
	print("~ %u passed, %u failed\n", passed, failed);
	print("the end\n");
}
