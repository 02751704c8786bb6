#include "guest/demo/report.h"

#include "guest/lib/console.h"

#define TEXT 80
#define NO_QUALIFICATION (~0ull)

static unsigned passed, failed, skipped;

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* What was expected and what was seen go through the same format: equal texts are equal facts. */
static void report(const struct guest *g, const char *what, const char *expected, const char *seen)
{
	bool ok = same(expected, seen);

	passed += ok;
	failed += !ok;
	print("%-12s | %-44s | expect %s | seen %s | %s\n", g->name, what, expected, seen,
	      ok ? "ok" : "FAIL");
}

void report_skip(const struct guest *g, const char *what, const char *missing)
{
	skipped++;
	print("%-12s | %-44s | skip: this processor has no %s\n", g->name, what, missing);
}

void report_total(void)
{
	print("total: %u ok, %u failed, %u skipped\n", passed, failed, skipped);
}

/* Text of an exit with what makes it: an entry that failed has a text of its own. */
static void exit_text(char *text, u32 reason, const char *detail)
{
	if (reason & EXIT_REASON_ENTRY_FAILURE)
		format(text, TEXT, "entry failure %u", reason & 0xffff);
	else
		format(text, TEXT, "exit %u%s", reason, detail);
}

static bool entry_failed(const struct guest *g, char *text)
{
	if (!g->cpu.exit.failed)
		return false;
	format(text, TEXT, "VMfail %u", (u32)vmcs_get(VMCS_VM_INSTRUCTION_ERROR));
	return true;
}

static void length_text(char *text, u32 reason, u32 length, u64 qualification)
{
	char detail[TEXT];

	if (qualification == NO_QUALIFICATION)
		format(detail, TEXT, " len %u", length);
	else
		format(detail, TEXT, " len %u qual 0x%lx", length, qualification);
	exit_text(text, reason, detail);
}

void expect_reason(struct guest *g, const char *what, enum exit_reason reason)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	exit_text(expected, reason, "");
	if (!entry_failed(g, seen))
		exit_text(seen, e->reason, "");
	report(g, what, expected, seen);
}

void expect_exit(struct guest *g, const char *what, enum exit_reason reason, u32 length)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	length_text(expected, reason, length, NO_QUALIFICATION);
	if (!entry_failed(g, seen))
		length_text(seen, e->reason, e->length, NO_QUALIFICATION);
	report(g, what, expected, seen);
}

void expect_exit_qualified(struct guest *g, const char *what, enum exit_reason reason, u32 length,
			   u64 qualification)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	length_text(expected, reason, length, qualification);
	if (!entry_failed(g, seen))
		length_text(seen, e->reason, e->length, e->qualification);
	report(g, what, expected, seen);
}

/* The error code field says nothing where bit 11 of the information is 0. */
static void exception_text(char *text, u32 reason, u32 info, u32 error, u64 qualification)
{
	char detail[TEXT];

	if (info & INTR_ERROR_CODE_VALID)
		format(detail, TEXT, " info 0x%x error 0x%x qual 0x%lx", info, error, qualification);
	else
		format(detail, TEXT, " info 0x%x qual 0x%lx", info, qualification);
	exit_text(text, reason, detail);
}

void expect_exception(struct guest *g, const char *what, u32 interruption, u32 error, u64 qualification)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	exception_text(expected, EXIT_REASON_EXCEPTION_NMI, interruption, error, qualification);
	if (!entry_failed(g, seen))
		exception_text(seen, e->reason, e->interruption, e->interruption_error, e->qualification);
	report(g, what, expected, seen);
}

static void offset_text(char *text, u32 reason, u64 offset)
{
	char detail[TEXT];

	format(detail, TEXT, " at +%lu", offset);
	exit_text(text, reason, detail);
}

void expect_exit_at(struct guest *g, const char *what, enum exit_reason reason, enum payload piece,
		    u64 offset)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	offset_text(expected, reason, offset);
	if (!entry_failed(g, seen))
		offset_text(seen, e->reason, e->rip - guest_code(g, piece));
	report(g, what, expected, seen);
}

static void ept_text(char *text, u32 reason, u64 access, u64 physical)
{
	char detail[TEXT];

	if (reason == EXIT_REASON_EPT_VIOLATION)
		format(detail, TEXT, " access 0x%lx physical 0x%lx", (u64)(access & BITS(8, 0)),
		       physical);
	else
		format(detail, TEXT, " physical 0x%lx", physical);
	exit_text(text, reason, detail);
}

void expect_ept_exit(struct guest *g, const char *what, enum exit_reason reason, u64 access, u64 physical)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	ept_text(expected, reason, access, physical);
	if (!entry_failed(g, seen))
		ept_text(seen, e->reason, e->qualification, e->physical);
	report(g, what, expected, seen);
}

void expect_vmfail(struct guest *g, const char *what, enum vm_instruction_error error)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	format(expected, TEXT, "VMfail %u", (u32)error);
	if (!entry_failed(g, seen))
		exit_text(seen, e->reason, "");
	report(g, what, expected, seen);
}

void expect_entry_failure(struct guest *g, const char *what)
{
	char expected[TEXT], seen[TEXT];
	const struct vm_exit *e = vm_enter(&g->cpu);

	exit_text(expected, EXIT_REASON_ENTRY_GUEST_STATE | EXIT_REASON_ENTRY_FAILURE, "");
	if (!entry_failed(g, seen))
		exit_text(seen, e->reason, "");
	report(g, what, expected, seen);
}

void expect_value(const struct guest *g, const char *what, u64 expected, u64 seen)
{
	char a[TEXT], b[TEXT];

	format(a, TEXT, "0x%lx", expected);
	format(b, TEXT, "0x%lx", seen);
	report(g, what, a, b);
}

void expect_vmcall(struct guest *g)
{
	const struct vm_exit *e = vm_enter(&g->cpu);
	char seen[TEXT];

	if (!e->failed && e->reason == EXIT_REASON_VMCALL)
		return;
	if (!entry_failed(g, seen))
		exit_text(seen, e->reason, "");
	report(g, "L2 goes on to its VMCALL", "exit 18", seen);
}
