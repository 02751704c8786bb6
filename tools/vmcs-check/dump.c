#include "tools/vmcs-check/dump.h"

#include "nested/check_report.h"
#include "tools/vmcs-check/text.h"

#include <stdarg.h>
#include <stdio.h>

enum section { SECTION_NONE, SECTION_OWN, SECTION_GUEST, SECTION_HOST, SECTION_CTL };
enum label_kind { ONE, PAIR, STATUS };

struct label {
	u8 section, kind;
	const char *head, *name;
	enum field_index field;
};

static const struct label labels[] = {
#define L(section, head, label, kind, FIELD) {SECTION_##section, kind, head, label, FI_##FIELD},
#include "tools/vmcs-check/labels.def"
#undef L
};

/* What a line may begin with; of segment registers and tables the numbers follow in order. */
static const struct head {
	const char *name;
	int selector, attributes, limit, base; /* fields, or FIELD_NONE */
} heads[] = {
#define SEGMENT(NAME) \
	{ \
#NAME ":", FI_GUEST_##NAME##_SELECTOR, FI_GUEST_##NAME##_AR, FI_GUEST_##NAME##_LIMIT, \
			FI_GUEST_##NAME##_BASE \
	}
#define TABLE(NAME) \
	{ \
#NAME ":", FIELD_NONE, FIELD_NONE, FI_GUEST_##NAME##_LIMIT, FI_GUEST_##NAME##_BASE \
	}
#define OTHER(NAME) \
	{ \
		NAME, FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE \
	}
	SEGMENT(CS),   SEGMENT(DS),       SEGMENT(SS),      SEGMENT(ES),
	SEGMENT(FS),   SEGMENT(GS),       SEGMENT(LDTR),    SEGMENT(TR),
	TABLE(GDTR),   TABLE(IDTR),       OTHER("CR0:"),    OTHER("CR4:"),
	OTHER("CR3:"), OTHER("VMEntry:"), OTHER("VMExit:"), OTHER("IDTVectoring:"),
};

struct reader {
	struct dump *dump;
	struct text_error *error;
	unsigned line, wanted;
	enum section section;
	const struct head *head;
	struct label pending; /* its = sign ended the last line: mail programs break there */
	struct text_error stray; /* the first name of nothing in Nestling's own format */
	bool failed;
};

static void say(struct text_error *error, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct text_error *error, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error->line = line;
	vsnprintf(error->what, sizeof(error->what), format, args);
	va_end(args);
}

static u64 *memory_input(struct dump *d, unsigned input)
{
	return input >= IN_PDPTE0 && input <= IN_PDPTE3 ? &d->in.pdpte[input - IN_PDPTE0] :
	       input == IN_CURRENT_VMCS                 ? &d->in.current_vmcs.v :
							  NULL;
}

static void put_input(struct dump *d, unsigned input, u64 value)
{
	if (input < FI_COUNT)
		d->v.f[input] = value;
	else if (memory_input(d, input))
		*memory_input(d, input) = value;
	else if (input == IN_VTPR)
		d->in.vtpr = (u32)value;
	else if (input == IN_LINK_REVISION)
		d->in.link_revision = (u32)value;
	else
		d->in.l1_ia32e = value;
}

static u64 input_mask(unsigned input)
{
	if (input < FI_COUNT)
		return field_value_mask((enum field_width)field_info[input].width);
	return input == IN_VTPR          ? 0xff :
	       input == IN_LINK_REVISION ? 0xffffffff :
	       input == IN_L1_IA32E      ? 1 :
					   ~0ull;
}

static void fail(struct reader *r, const char *what, const char *name)
{
	if (!r->failed)
		say(r->error, r->line, "%s: %s", name, what);
	r->failed = true;
}

static void set(struct reader *r, unsigned input, u64 value)
{
	struct dump *d = r->dump;

	if (d->dumps != r->wanted)
		return;
	if (value & ~input_mask(input))
		fail(r, "the value does not fit the field", check_input_name(input));
	else if (d->known[input] && check_input_value(&d->in, input) != value)
		fail(r, "given twice, with two values", check_input_name(input));
	else
		put_input(d, input, value);
	d->known_count += !d->known[input];
	d->known[input] = true;
}

int dump_input(const char *name, size_t length)
{
	for (int i = 0; i < CHECK_INPUTS; i++) {
		const char *other = check_input_name((unsigned)i);

		if (strlen(other) == length && memcmp(other, name, length) == 0)
			return i;
	}
	return -1;
}

/* The = sign after a name, with blanks around it. */
static bool skip_equals(struct text *t)
{
	struct text next = *t;

	text_skip_blanks(&next);
	if (next.at == next.end || *next.at != '=')
		return false;
	next.at++;
	text_skip_blanks(&next);
	*t = next;
	return true;
}

static void read_value(struct reader *r, struct text *t, const struct label *l)
{
	u64 value, second = 0;
	bool good;

	if (t->at == t->end) {
		r->pending = *l;
		return;
	}
	good = text_number(t, 16, &value);
	if (good && l->kind != ONE) {
		good = text_skip(t, l->kind == PAIR ? ":" : "|") && text_number(t, 16, &second);
		if (good && l->kind == STATUS && (value > 0xff || second > 0xff))
			good = false;
	}
	if (!good) {
		fail(r, "no hexadecimal number, or none of 64 bits", l->name);
		return;
	}
	set(r, l->field, l->kind == STATUS ? value << 8 | second : value);
	if (l->kind == PAIR)
		set(r, l->field == FI_GUEST_SYSENTER_CS ? FI_GUEST_SYSENTER_EIP : FI_HOST_SYSENTER_EIP,
		    second);
}

/* The rest of a line that was broken after its = sign. */
static void read_pending(struct reader *r, struct text *t)
{
	struct label l = r->pending;

	r->pending.name = NULL;
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '>'))
		t->at++;
	if (t->at == t->end)
		fail(r, "no number follows", l.name);
	else
		read_value(r, t, &l);
}

/* sel=0x0010, attr=0x0a09b, limit=0xffffffff, base=0x0 */
static bool read_named_part(struct reader *r, struct text *t)
{
	const struct {
		const char *name;
		int field;
	} parts[] = {{"sel", r->head->selector},
		     {"attr", r->head->attributes},
		     {"limit", r->head->limit},
		     {"base", r->head->base}};

	for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
		struct text next = *t;
		u64 value;

		if (parts[i].field == FIELD_NONE || !text_skip(&next, parts[i].name) ||
		    !skip_equals(&next))
			continue;
		*t = next;
		if (text_number(t, 16, &value))
			set(r, (unsigned)parts[i].field, value);
		else
			fail(r, "no hexadecimal number, or none of 64 bits", parts[i].name);
		return true;
	}
	return false;
}

/* 0008 0a099 ffffffff 0000000000000000, as Xen has it; nothing is read where it is not all there. */
static void read_columns(struct reader *r, struct text *t)
{
	const int fields[] = {r->head->selector, r->head->attributes, r->head->limit, r->head->base};
	u64 values[ARRAY_LEN(fields)];
	struct text next = *t;

	for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
		if (fields[i] == FIELD_NONE)
			continue;
		text_skip_blanks(&next);
		if (!text_number(&next, 16, &values[i]))
			return;
	}
	*t = next;
	for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i] != FIELD_NONE)
			set(r, (unsigned)fields[i], values[i]);
}

/* A head counts only with a blank, or the line's end, after it: CS: but not CS:RIP. */
static bool read_head(struct reader *r, struct text *t)
{
	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		struct text next = *t;

		if (!text_skip(&next, heads[i].name) ||
		    (next.at < next.end && *next.at != ' ' && *next.at != '\t'))
			continue;
		*t = next;
		r->head = &heads[i];
		if (r->head->limit != FIELD_NONE && r->section == SECTION_GUEST)
			read_columns(r, t);
		return true;
	}
	return false;
}

static bool read_labels(struct reader *r, struct text *t)
{
	const char *head = r->head ? r->head->name : "";

	if (r->section == SECTION_GUEST && r->head && read_named_part(r, t))
		return true;
	for (unsigned i = 0; i < ARRAY_LEN(labels); i++) {
		struct text next = *t;

		if (labels[i].section != r->section ||
		    (*labels[i].head && strcmp(labels[i].head, head) != 0) ||
		    !text_skip(&next, labels[i].name) || !skip_equals(&next))
			continue;
		*t = next;
		read_value(r, t, &labels[i]);
		return true;
	}
	return false;
}

/* Nestling's own format: a name of vmx/fields.def or of enum check_input. */
static bool read_own(struct reader *r, struct text *t)
{
	struct text next = *t;
	u64 value;
	int input;

	while (next.at < next.end && text_is_word(*next.at))
		next.at++;
	size_t length = (size_t)(next.at - t->at);
	const char *name = t->at;
	if (!length || !skip_equals(&next))
		return false;
	input = dump_input(name, length);
	if (input < 0) {
		if (!r->stray.line && r->dump->dumps == r->wanted)
			say(&r->stray, r->line, "%.*s: no such field", length < 60 ? (int)length : 60,
			    name);
		return false;
	}
	*t = next;
	if (text_number(t, 10, &value))
		set(r, (unsigned)input, value);
	else
		fail(r, "no number (0x... or decimal), or none of 64 bits",
		     check_input_name((unsigned)input));
	return true;
}

static bool read_title(struct reader *r, struct text line)
{
	static const struct {
		const char *title;
		enum section section;
	} titles[] = {{"*** VMCS ***", SECTION_OWN},
		      {"*** end of VMCS ***", SECTION_NONE},
		      {"*** Guest State ***", SECTION_GUEST},
		      {"*** Host State ***", SECTION_HOST},
		      {"*** Control State ***", SECTION_CTL}};

	for (; line.at < line.end; line.at++)
		for (unsigned i = 0; i < ARRAY_LEN(titles); i++) {
			struct text next = line;

			if (!text_skip(&next, titles[i].title))
				continue;
			r->section = titles[i].section;
			r->head = NULL;
			r->dump->dumps += r->section == SECTION_GUEST || r->section == SECTION_OWN;
			return true;
		}
	return false;
}

/* Steps over what begins at a word and is of use. */
static bool read_word(struct reader *r, struct text *t)
{
	if (r->section == SECTION_OWN)
		return read_own(r, t);
	return r->section != SECTION_NONE && (read_head(r, t) || read_labels(r, t));
}

static void read_line(struct reader *r, struct text t)
{
	bool at_word = true;
	struct text start = t;

	text_skip_blanks(&start);
	if ((start.at < start.end && *start.at == '#') || read_title(r, t))
		return;
	if (r->pending.name)
		read_pending(r, &t);
	while (t.at < t.end && !r->failed) {
		if (at_word && read_word(r, &t))
			at_word = false;
		else
			at_word = !text_is_word(*t.at++);
	}
}

/* Without titles all of it is one dump in Nestling's own format. */
static bool has_titles(const char *text, size_t size)
{
	struct text t = {text, text + size};

	for (; t.at < t.end; t.at++) {
		struct text next = t;

		if (text_skip(&next, "*** Guest State ***") || text_skip(&next, "*** VMCS ***"))
			return true;
	}
	return false;
}

bool dump_read(struct dump *dump, struct text_error *error, const char *text, size_t size, unsigned n)
{
	bool titles = has_titles(text, size);
	struct reader r = {.dump = dump,
			   .error = error,
			   .wanted = n,
			   .section = titles ? SECTION_NONE : SECTION_OWN};
	const char *at = text;

	memset(dump, 0, sizeof(*dump));
	dump->in.v = &dump->v;
	dump->dumps = titles ? 0 : 1;
	while (at < text + size && !r.failed) {
		struct text line = text_line(&at, text + size);

		r.line++;
		read_line(&r, line);
	}
	if (r.failed)
		return false;
	if (r.stray.line) {
		*error = r.stray;
		return false;
	}
	if (!dump->known_count) {
		if (titles && n > dump->dumps)
			say(error, 0, "there is no dump number %u, but %u", n, dump->dumps);
		else
			say(error, 0, "there is no VMCS field in it");
		return false;
	}
	return true;
}
