/*
 * R18: INVEPT and INVVPID. SDM: "INVEPT - Invalidate Translations Derived from EPT", "INVVPID -
 * Invalidate Translations Based on VPID".
 *
 * Where the processor has not the instruction or the type, its checks pass without being tried: a
 * line that starts with "~" says so.
 */
#include "guest/lib/check.h"
#include "guest/lib/ept.h"
#include "guest/lib/memory.h"
#include "guest/rules/rules.h"
#include "guest/rules/state.h"

struct descriptor {
	u64 low, high;
};

static const struct {
	u64 type, cap;
	const char *name;
} vpid_types[] = {
	{INVVPID_ADDRESS, VPID_CAP_ADDRESS, "individual address"},
	{INVVPID_SINGLE_CONTEXT, VPID_CAP_SINGLE, "single context"},
	{INVVPID_ALL, VPID_CAP_GLOBAL, "all contexts"},
	{INVVPID_SINGLE_KEEP_GLOBALS, VPID_CAP_RETAIN_GLOBALS, "single context, retaining globals"},
};

static bool has(u64 caps)
{
	return (ept_vpid_cap() & caps) == caps;
}

static void try_invept(struct series *s, u64 need, const char *item, const char *expected, u64 type,
		       const struct descriptor *d)
{
	if (has(EPT_CAP_INVEPT | need))
		series_insn(s, item, expected, invept(type, d));
}

static void try_invvpid(struct series *s, u64 need, const char *item, const char *expected, u64 type,
			const struct descriptor *d)
{
	if (has(VPID_CAP_INVVPID | need))
		series_insn(s, item, expected, invvpid(type, d));
}

static void r18_types(void)
{
	struct series ept = {.rule = "R18", .what = "INVEPT of each type that does not exist: error 28"};
	struct series vpid = {.rule = "R18",
			      .what = "INVVPID of each type that does not exist: error 28"};
	static const u64 none[] = {4, 5, 100, BIT(31), 0xffffffff, ~0ull};
	struct descriptor d = {ept_create(), 0}, v = {1, 0};
	char item[CHECK_TEXT];

	state_current();
	try_invept(&ept, 0, "0", VALID(28), 0, &d);
	try_invept(&ept, 0, "3", VALID(28), 3, &d);
	if (!has(EPT_CAP_INVEPT_SINGLE))
		try_invept(&ept, 0, "1", VALID(28), 1, &d);
	if (!has(EPT_CAP_INVEPT_GLOBAL))
		try_invept(&ept, 0, "2", VALID(28), 2, &d);
	for (unsigned i = 0; i < ARRAY_LEN(vpid_types); i++)
		if (!has(vpid_types[i].cap))
			try_invvpid(&vpid, 0, vpid_types[i].name, VALID(28), vpid_types[i].type, &v);
	for (unsigned i = 0; i < ARRAY_LEN(none); i++) {
		format(item, CHECK_TEXT, "0x%lx", none[i]);
		try_invept(&ept, 0, item, VALID(28), none[i], &d);
		try_invvpid(&vpid, 0, item, VALID(28), none[i], &v);
	}
	series_end(&ept);
	series_end(&vpid);
}

/* In 64-bit mode the type is a 64-bit register. The simulated machine takes the low half. */
static void r18_wide_types(void)
{
	struct series all = {
		.rule = "R18", .what = "types with one of bits 63:32: error 28", .defect = SUCCESS};
	struct descriptor d = {ept_create(), 0}, v = {1, 0};

	state_current();
	try_invept(&all, EPT_CAP_INVEPT_SINGLE, "INVEPT", VALID(28), BIT(32) | INVEPT_SINGLE_CONTEXT, &d);
	try_invept(&all, EPT_CAP_INVEPT_GLOBAL, "INVEPT", VALID(28), BIT(63) | INVEPT_GLOBAL, &d);
	for (unsigned i = 0; i < ARRAY_LEN(vpid_types); i++)
		try_invvpid(&all, vpid_types[i].cap, "INVVPID", VALID(28),
			    BIT(32 + i) | vpid_types[i].type, &v);
	series_end(&all);
}

static void r18_invept(void)
{
	struct series good = {.rule = "R18", .what = "INVEPT of each type that exists"};
	struct series bad = {.rule = "R18", .what = "INVEPT, single context, bad EPT pointer: error 28"};
	struct descriptor d = {ept_create(), 0}, e;

	state_current();
	try_invept(&good, EPT_CAP_INVEPT_SINGLE, "single context", SUCCESS, INVEPT_SINGLE_CONTEXT, &d);
	try_invept(&good, EPT_CAP_INVEPT_GLOBAL, "global", SUCCESS, INVEPT_GLOBAL, &d);
	e = (struct descriptor){~0ull, ~0ull};
	try_invept(&good, EPT_CAP_INVEPT_GLOBAL, "global, any descriptor", SUCCESS, INVEPT_GLOBAL, &e);
	series_end(&good);
	e = (struct descriptor){d.low ^ 1, 0};
	try_invept(&bad, EPT_CAP_INVEPT_SINGLE, "memory type 7", VALID(28), INVEPT_SINGLE_CONTEXT, &e);
	e = (struct descriptor){d.low & ~0x38ull, 0};
	try_invept(&bad, EPT_CAP_INVEPT_SINGLE, "1 level", VALID(28), INVEPT_SINGLE_CONTEXT, &e);
	e = (struct descriptor){d.low | BIT(11), 0};
	try_invept(&bad, EPT_CAP_INVEPT_SINGLE, "bit 11", VALID(28), INVEPT_SINGLE_CONTEXT, &e);
	e = (struct descriptor){d.low | BIT(63), 0};
	try_invept(&bad, EPT_CAP_INVEPT_SINGLE, "bit 63", VALID(28), INVEPT_SINGLE_CONTEXT, &e);
	e = (struct descriptor){d.low | address_too_wide(), 0};
	try_invept(&bad, EPT_CAP_INVEPT_SINGLE, "too wide", VALID(28), INVEPT_SINGLE_CONTEXT, &e);
	series_end(&bad);
}

static void r18_invvpid(void)
{
	struct series good = {.rule = "R18", .what = "INVVPID of each type that exists"};
	struct series reserved = {.rule = "R18",
				  .what = "INVVPID, reserved bits of the descriptor: error 28"};
	struct series zero = {.rule = "R18",
			      .what = "INVVPID with VPID 0: error 28, but not for all contexts"};
	struct series address = {.rule = "R18",
				 .what = "INVVPID, non-canonical address: error 28 for type 0"};

	state_current();
	for (unsigned i = 0; i < ARRAY_LEN(vpid_types); i++) {
		u64 type = vpid_types[i].type, cap = vpid_types[i].cap;
		const char *name = vpid_types[i].name;
		bool all = type == INVVPID_ALL, single = type == INVVPID_ADDRESS;
		try_invvpid(&good, cap, name, SUCCESS, type, &(struct descriptor){1, 0x1000});
		try_invvpid(&good, cap, name, SUCCESS, type, &(struct descriptor){0xffff, ~0ull});
		try_invvpid(&reserved, cap, name, VALID(28), type, &(struct descriptor){1 | BIT(16), 0});
		try_invvpid(&reserved, cap, name, VALID(28), type, &(struct descriptor){1 | BIT(63), 0});
		try_invvpid(&zero, cap, name, all ? SUCCESS : VALID(28), type,
			    &(struct descriptor){0, 0});
		try_invvpid(&address, cap, name, single ? VALID(28) : SUCCESS, type,
			    &(struct descriptor){1, BIT(62)});
	}
	series_end(&good);
	series_end(&reserved);
	series_end(&zero);
	series_end(&address);
}

/*
 * The type is checked before the descriptor is read (the simulated machine does it the other way
 * round); the descriptor is read also for the types that need none.
 */
static void r18_descriptor(void)
{
	struct series read = {.rule = "R18", .what = "the descriptor is read for every type: #PF"};
	struct series type = {.rule = "R18",
			      .what = "a bad type comes before a bad descriptor: error 28",
			      .defect = PF(0)};
	const struct descriptor *missing = (const struct descriptor *)TEST_AREA;

	state_current();
	page_map(TEST_AREA, 0, 0);
	try_invept(&read, EPT_CAP_INVEPT_SINGLE, "INVEPT 1", PF(0), INVEPT_SINGLE_CONTEXT, missing);
	try_invept(&read, EPT_CAP_INVEPT_GLOBAL, "INVEPT 2", PF(0), INVEPT_GLOBAL, missing);
	for (unsigned i = 0; i < ARRAY_LEN(vpid_types); i++)
		try_invvpid(&read, vpid_types[i].cap, vpid_types[i].name, PF(0), vpid_types[i].type,
			    missing);
	series_end(&read);
	try_invept(&type, 0, "INVEPT", VALID(28), 77, missing);
	try_invvpid(&type, 0, "INVVPID", VALID(28), 77, missing);
	series_end(&type);
}

/* The descriptor ends on another page, or on one that is not there. */
static void r18_across_pages(void)
{
	struct series all = {.rule = "R18", .what = "a descriptor across two pages"};
	u64 *first = page_alloc(), *second = page_alloc();
	const struct descriptor *d = (const struct descriptor *)(TEST_AREA + PAGE_SIZE - 8);

	state_current();
	page_map(TEST_AREA, (u64)first, PTE_P | PTE_W);
	page_map(TEST_AREA + PAGE_SIZE, (u64)second, PTE_P | PTE_W);
	first[511] = 1;
	second[0] = 0x1000;
	try_invvpid(&all, VPID_CAP_ADDRESS, "INVVPID", SUCCESS, INVVPID_ADDRESS, d);
	second[0] = BIT(62);
	try_invvpid(&all, VPID_CAP_ADDRESS, "INVVPID, the second part is bad", VALID(28), INVVPID_ADDRESS,
		    d);
	second[0] = 0x1000;
	first[511] = 0;
	try_invvpid(&all, VPID_CAP_ADDRESS, "INVVPID, the first part is bad", VALID(28), INVVPID_ADDRESS,
		    d);
	series_end(&all);
}

static void r18_without_vmcs(void)
{
	struct series all = {.rule = "R18",
			     .what = "without a current VMCS: they work, and fail as VMfailInvalid"};
	struct descriptor d = {ept_create(), 0}, v = {1, 0};

	state_no_vmcs();
	try_invept(&all, EPT_CAP_INVEPT_SINGLE, "INVEPT", SUCCESS, INVEPT_SINGLE_CONTEXT, &d);
	try_invvpid(&all, VPID_CAP_SINGLE, "INVVPID", SUCCESS, INVVPID_SINGLE_CONTEXT, &v);
	try_invept(&all, 0, "INVEPT, bad type", INVALID, 77, &d);
	try_invvpid(&all, 0, "INVVPID, bad type", INVALID, 77, &v);
	series_end(&all);
}

void rules_invalidate(void)
{
	if (!has(EPT_CAP_INVEPT))
		print("~ R18: no INVEPT\n");
	if (!has(VPID_CAP_INVVPID))
		print("~ R18: no INVVPID\n");
	r18_types();
	r18_wide_types();
	r18_invept();
	r18_invvpid();
	r18_descriptor();
	r18_across_pages();
	r18_without_vmcs();
}
