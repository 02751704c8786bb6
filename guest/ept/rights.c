/*
 * R82: who may do what. SDM: "EPT Translation Mechanism", "EPT-Induced VM Exits".
 */
#include "guest/ept/play.h"
#include "guest/lib/check.h"
#include "vmx/caps.h"
#include "vmx/msr.h"

#define PAGE (PLAY + 5 * PAGE_SIZE)

static struct play play;

/* The entry of PAGE at level 2, 1 or 0. */
static u64 *entry_at(unsigned level)
{
	return level == 2 ? &play.pdpt[PLAY_INDEX] : level == 1 ? &play.directory[0] : &play.table[5];
}

static void plain(void)
{
	*entry_at(2) = (u64)play.directory | EPT_RWX;
	*entry_at(1) = (u64)play.table | EPT_RWX;
	*entry_at(0) = page_of(1) | EPT_WB | EPT_RWX;
}

static bool can_be(u64 rights)
{
	return rights != EPT_X || play_has(EPT_CAP_EXECUTE_ONLY);
}

static const u64 rights_of[] = {0, EPT_R, EPT_R | EPT_W, EPT_R | EPT_X, EPT_RWX, EPT_X};

static void try_all(struct series *s, const char *item, u64 rights)
{
	play_invept(&play);
	for (enum access a = READ; a < ACCESSES; a++) {
		if (access_right[a] & rights)
			play_works(s, item, a, PAGE);
		else
			play_violates(s, item, a, PAGE, rights);
	}
}

static void one_level(void)
{
	struct series all = {.rule = "R82", .what = "all rights, at each level: allowed, or exit 48"};
	char item[CHECK_TEXT];

	for (unsigned level = 0; level <= 2; level++)
		for (unsigned i = 0; i < ARRAY_LEN(rights_of); i++) {
			if (!can_be(rights_of[i]))
				continue;
			plain();
			*entry_at(level) = (*entry_at(level) & ~EPT_RWX) | rights_of[i];
			format(item, CHECK_TEXT, "level %u, rights %lu", level, rights_of[i]);
			try_all(&all, item, rights_of[i]);
		}
	series_end(&all);
}

static void two_levels(void)
{
	struct series all = {.rule = "R82", .what = "rights of two levels: what both allow"};
	char item[CHECK_TEXT];

	for (unsigned i = 1; i < ARRAY_LEN(rights_of); i++)
		for (unsigned k = 1; k < ARRAY_LEN(rights_of); k++) {
			if (!can_be(rights_of[i]) || !can_be(rights_of[k]))
				continue;
			plain();
			*entry_at(1) = (u64)play.table | rights_of[i];
			*entry_at(0) = page_of(1) | EPT_WB | rights_of[k];
			format(item, CHECK_TEXT, "%lu and %lu", rights_of[i], rights_of[k]);
			try_all(&all, item, rights_of[i] & rights_of[k]);
		}
	series_end(&all);
}

/* A page beside one that L2 has touched keeps its own rights. */
static void beside(void)
{
	struct series all = {.rule = "R82", .what = "pages side by side have each its own rights"};
	char item[CHECK_TEXT];

	plain();
	for (unsigned i = 0; i < 64; i++)
		play.table[i] = page_of(i) | EPT_WB |
				(can_be(rights_of[i % 6]) ? rights_of[i % 6] : EPT_RWX);
	play_invept(&play);
	for (unsigned i = 0; i < 64; i++) {
		u64 rights = play.table[i] & EPT_RWX;
		format(item, CHECK_TEXT, "page %u", i);
		for (enum access a = READ; a < ACCESSES; a++) {
			if (access_right[a] & rights)
				play_works(&all, item, a, PLAY + i * PAGE_SIZE);
			else
				play_violates(&all, item, a, PLAY + i * PAGE_SIZE, rights);
		}
	}
	series_end(&all);
}

/* L2's own page tables: bit 8 says that the access was not to what the linear address means. */
static void page_walk(void)
{
	struct series all = {.rule = "R83", .what = "an access by L2's page walk: bit 8 is 0"};
	u64 *own = ept_entry(play.eptp, read_cr3()), kept = *own;

	plain();
	for (unsigned i = 0; i < 2; i++) {
		*own = i == 0 ? 0 : kept & ~EPT_R & ~EPT_W & ~EPT_X;
		play_invept(&play);
		const struct vm_exit *e = play_access(READ, PAGE);
		series_value(&all, "reason", EXIT_REASON_EPT_VIOLATION, e->reason);
		series_value(&all, "read, GLA valid, not final", EPT_R | BIT(7),
			     e->qualification & ~(u64)EPT_W & BITS(8, 0));
		series_value(&all, "page", read_cr3() & ENTRY_ADDRESS, e->physical & ENTRY_ADDRESS);
	}
	*own = kept;
	play_invept(&play);
	series_end(&all);
}

void test_rights(void)
{
	play_create(&play);
	play_launch(&play);
	one_level();
	two_levels();
	beside();
	page_walk();
}

static void wrong(struct series *s, const char *what, unsigned level, u64 entry)
{
	char item[CHECK_TEXT];

	plain();
	*entry_at(level) = entry;
	play_invept(&play);
	format(item, CHECK_TEXT, "level %u, %s", level, what);
	play_misconfigured(s, item, READ, PAGE);
	play_misconfigured(s, item, WRITE, PAGE);
}

static void wrong_rights(void)
{
	struct series all = {.rule = "R82", .what = "write without read, or execute-only: exit 49"};

	for (unsigned level = 0; level <= 2; level++) {
		plain();
		u64 entry = *entry_at(level) & ~EPT_RWX;
		wrong(&all, "W", level, entry | EPT_W);
		wrong(&all, "WX", level, entry | EPT_W | EPT_X);
		if (!can_be(EPT_X))
			wrong(&all, "X", level, entry | EPT_X);
	}
	series_end(&all);
}

static void wrong_bits(void)
{
	struct series all = {.rule = "R82", .what = "reserved bits and memory types: exit 49"};
	unsigned width = cpuid(0x80000008).eax & 0xff;
	static const u64 bad_types[] = {2, 3, 7};

	for (unsigned level = 0; level <= 2; level++) {
		plain();
		u64 entry = *entry_at(level);
		if (width < 52) {
			wrong(&all, "address too wide", level, entry | BIT(width));
			wrong(&all, "bit 51", level, entry | BIT(51));
		}
		for (unsigned bit = 3; level > 0 && bit <= 6; bit++)
			wrong(&all, "a reserved bit of a table", level, entry | BIT(bit));
	}
	for (unsigned i = 0; i < ARRAY_LEN(bad_types); i++) {
		wrong(&all, "memory type", 0, page_of(1) | EPT_RWX | EPT_MEMORY_TYPE(bad_types[i]));
		if (play_has(EPT_CAP_2M))
			wrong(&all, "memory type", 1,
			      EPT_LARGE | EPT_RWX | EPT_MEMORY_TYPE(bad_types[i]));
		if (play_has(EPT_CAP_1G))
			wrong(&all, "memory type", 2,
			      EPT_LARGE | EPT_RWX | EPT_MEMORY_TYPE(bad_types[i]));
	}
	series_end(&all);
}

/* The simulated machine takes bit 12, which in ordinary page tables is the PAT bit of a large page. */
static void wrong_addresses(void)
{
	struct series low = {.rule = "R82", .what = "bit 12 of a large page: exit 49", .defect = "0x12"};
	struct series all = {.rule = "R82", .what = "the other low address bits of large pages: exit 49"};

	for (unsigned bit = 12; bit <= 29; bit++) {
		struct series *s = bit == 12 ? &low : &all;
		if (play_has(EPT_CAP_2M) && bit <= 20)
			wrong(s, "2 MiB", 1, EPT_LARGE | EPT_RWX | EPT_WB | BIT(bit));
		if (play_has(EPT_CAP_1G))
			wrong(s, "1 GiB", 2, EPT_LARGE | EPT_RWX | EPT_WB | BIT(bit));
	}
	series_end(&low);
	series_end(&all);
}

/* Beside pages that are there, and after they were touched. */
static void wrong_beside(void)
{
	struct series all = {.rule = "R82", .what = "a misconfigured page beside good ones"};

	plain();
	for (unsigned i = 0; i < 16; i++)
		play.table[i] = page_of(i) | EPT_WB | EPT_RWX | (i % 4 == 3 ? EPT_MEMORY_TYPE(1) : 0);
	play_invept(&play);
	for (unsigned i = 0; i < 16; i++) {
		if (i % 4 == 3) /* type 7 */
			play_misconfigured(&all, "bad", READ, PLAY + i * PAGE_SIZE);
		else
			play_reads(&all, "good", PLAY + i * PAGE_SIZE, page_value(i));
	}
	series_end(&all);
}

void test_misconfigured(void)
{
	play_create(&play);
	play_launch(&play);
	wrong_rights();
	wrong_bits();
	wrong_addresses();
	wrong_beside();
}
