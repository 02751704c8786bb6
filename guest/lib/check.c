#include "guest/lib/check.h"

#include "vmx/fields.h"

static unsigned passed, failed;

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void result(bool ok, const char *rule, const char *what)
{
	passed += ok;
	failed += !ok;
	print("%s %s %s", ok ? "ok" : "FAIL", rule, what);
}

void check_text(const char *rule, const char *what, const char *expected, const char *seen)
{
	bool ok = same(expected, seen);

	result(ok, rule, what);
	if (ok)
		print("\n");
	else
		print(": expected %s, seen %s\n", expected, seen);
}

/* One line for a check that may meet a known defect: the same whether it did or not. */
static void defect_line(const char *rule, const char *what, const char *expected, const char *defect,
			bool met)
{
	result(true, rule, what);
	print(" [known-defect]\n");
	if (met)
		print("~ known-defect %s %s: expected %s, seen %s\n", rule, what, expected, defect);
}

static void exception_text(char *text, struct trap t)
{
	static const char *const names[32] = {
		[VEC_DE] = "#DE", [VEC_DB] = "#DB", [VEC_BP] = "#BP", [VEC_OF] = "#OF", [VEC_BR] = "#BR",
		[VEC_UD] = "#UD", [VEC_NM] = "#NM", [VEC_DF] = "#DF", [VEC_TS] = "#TS", [VEC_NP] = "#NP",
		[VEC_SS] = "#SS", [VEC_GP] = "#GP", [VEC_PF] = "#PF", [VEC_MF] = "#MF", [VEC_AC] = "#AC",
	};
	const u32 with_error = 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP | 1u << VEC_SS | 1u << VEC_GP |
			       1u << VEC_PF | 1u << VEC_AC;

	if (t.vector >= 32 || !names[t.vector])
		format(text, CHECK_TEXT, t.vector == VECTOR_NO_FAULT ? "no exception" : "vector %u",
		       (u32)t.vector);
	else if (with_error & 1u << t.vector)
		format(text, CHECK_TEXT, "%s(%u)", names[t.vector], t.error);
	else
		format(text, CHECK_TEXT, "%s", names[t.vector]);
}

static void flags_text(char *text, u64 rflags)
{
	u64 error = 0, flags = rflags & ARITHMETIC_FLAGS;

	if (flags == 0) {
		format(text, CHECK_TEXT, SUCCESS);
	} else if (flags == RFLAGS_CF) {
		format(text, CHECK_TEXT, INVALID);
	} else if (flags == RFLAGS_ZF) {
		vmread(VMCS_VM_INSTRUCTION_ERROR, &error);
		format(text, CHECK_TEXT, "VMfailValid(%lu)", error);
	} else {
		format(text, CHECK_TEXT, "flags 0x%lx", flags);
	}
}

const char *outcome(char *text, struct trap t)
{
	if (t.vector != NO_EXCEPTION)
		exception_text(text, t);
	else
		flags_text(text, t.rflags);
	return text;
}

void check_insn(const char *rule, const char *what, const char *expected, struct trap seen)
{
	char text[CHECK_TEXT];

	check_text(rule, what, expected, outcome(text, seen));
}

void check_insn_defect(const char *rule, const char *what, const char *expected, const char *defect,
		       struct trap seen)
{
	char text[CHECK_TEXT];

	outcome(text, seen);
	if (same(text, expected) || same(text, defect))
		defect_line(rule, what, expected, defect, same(text, defect));
	else
		check_text(rule, what, expected, text);
}

void check_value(const char *rule, const char *what, u64 expected, u64 seen)
{
	char a[CHECK_TEXT], b[CHECK_TEXT];

	format(a, CHECK_TEXT, "0x%lx", expected);
	format(b, CHECK_TEXT, "0x%lx", seen);
	check_text(rule, what, a, b);
}

void check_true(const char *rule, const char *what, bool seen)
{
	check_text(rule, what, "yes", seen ? "yes" : "no");
}

void series_text(struct series *s, const char *item, const char *expected, const char *seen)
{
	if (s->bad || same(expected, seen))
		return;
	if (s->defect && same(s->defect, seen)) {
		s->defective = true;
		return;
	}
	s->bad = true;
	format(s->first, sizeof(s->first), "%s: expected %s, seen %s", item, expected, seen);
}

void series_insn(struct series *s, const char *item, const char *expected, struct trap seen)
{
	char text[CHECK_TEXT];

	series_text(s, item, expected, outcome(text, seen));
}

void series_value(struct series *s, const char *item, u64 expected, u64 seen)
{
	char a[CHECK_TEXT], b[CHECK_TEXT];

	format(a, CHECK_TEXT, "0x%lx", expected);
	format(b, CHECK_TEXT, "0x%lx", seen);
	series_text(s, item, a, b);
}

void series_end(struct series *s)
{
	if (s->defect && !s->bad) {
		defect_line(s->rule, s->what, "otherwise", s->defect, s->defective);
		return;
	}
	result(!s->bad, s->rule, s->what);
	if (s->bad)
		print(": %s\n", s->first);
	else
		print("\n");
}

void check_total(void)
{
	print("%u passed, %u failed\n", passed, failed);
}
