/*
 * EPT02: EPT12 composed with what L1 has, and the tables it is made of. SDM: "EPT Translation Mechanism",
 * "Accessed and Dirty Flags for EPT", "Caching Translation Information" for EPT.
 */
#include "machine.h"
#include "nested/ept02.h"
#include "test.h"
#include "vmx/x86.h"

#include <string.h>

#define WB ((u64)MT_WB << EPT_MT_SHIFT)
#define SIZE_2M 0x200000ull
#define SIZE_1G 0x40000000ull

/* EPT12's tables are these pages of L1's memory: the root, and two of each lower level. */
#define L1_TABLES 0x100000ull
#define PAGE_COUNT 7
#define ROOT12 L1_TABLES
#define TABLE12(level, i) (L1_TABLES + PAGE_SIZE * (1 + 2 * (level) + (i)))

#define TABLES 64
#define TABLES_HPA 0x7f000000ull

/* L1 has its memory at its own address, but for this page, which is read-only and lies elsewhere. */
#define SPECIAL 0x40605000ull
#define SPECIAL_HPA 0x7e000000ull
#define HOLE (SPECIAL + PAGE_SIZE) /* and this one, which it has not */

struct world {
	u64 memory[PAGE_COUNT][512];
	u64 arena[TABLES][512];
	struct ept_table info[TABLES];
	struct ept_tables tables;
	struct ept02_root root;
	struct ept02_in in;
	unsigned writes, asked, asked_to_write;
};

static struct world w;

static void write12(void *context, l1pa_t address, u64 value)
{
	u64 offset = address.v - L1_TABLES;

	w.writes++;
	EXPECT(context == &w && address.v % 8 == 0 && offset < sizeof(w.memory));
	if (offset < sizeof(w.memory))
		w.memory[offset / PAGE_SIZE][offset % PAGE_SIZE / 8] = value;
}

static struct ept_extent around(void *context, l1pa_t address, bool write)
{
	u64 page = address.v & PAGE_MASK;

	EXPECT(context == &w);
	w.asked++;
	w.asked_to_write += write;
	if (page == SPECIAL)
		return (struct ept_extent){page, PAGE_SIZE, EPT_SPECIAL | SPECIAL_HPA | EPT_R | EPT_X};
	if (page == HOLE)
		return (struct ept_extent){page, PAGE_SIZE, EPT_SPECIAL};
	if (page < SPECIAL)
		return (struct ept_extent){0, SPECIAL, 0};
	return (struct ept_extent){HOLE + PAGE_SIZE, BIT(52) - HOLE - PAGE_SIZE, 0};
}

static void start(u64 flags, u32 tables)
{
	struct caps hw, l1;

	memset(&w, 0, sizeof(w));
	machine_all(&hw);
	caps_l1(&l1, &hw);
	w.in = (struct ept02_in){
		.memory = {.base = (const u8 *)w.memory - L1_TABLES,
			   .end = L1_TABLES + sizeof(w.memory),
			   .hole_size = L1_TABLES,
			   .absent = ~0ul,
			   .context = &w,
			   .write = write12},
		.page_sizes = BIT(0) | BIT(1) | BIT(2),
		.context = &w,
		.around = around,
	};
	ept12_rules_init(&w.in.rules, &l1);
	ept_tables_init(&w.tables, w.arena[0], (hpa_t){TABLES_HPA}, w.info, tables);
	w.root = (struct ept02_root){.eptp12 = ROOT12 | EPTP_WALK_4 | MT_WB | flags,
				     .table = ept_tables_take(&w.tables, 3)};
	w.memory[0][0] = TABLE12(2, 0) | EPT_RWX;
}

/* The entry of EPT12 for l2pa 0 + index, in the first table of this level. */
static u64 *entry12(unsigned level, unsigned index)
{
	return &w.memory[1 + 2 * level][index];
}

/* A first table of 4 KiB leaves for the first 2 MiB, each l2pa at 1 GiB + itself. */
static void map_4k(void)
{
	*entry12(2, 0) = TABLE12(1, 0) | EPT_RWX;
	*entry12(1, 0) = TABLE12(0, 0) | EPT_RWX;
	for (unsigned i = 0; i < 512; i++)
		*entry12(0, i) = (SIZE_1G + i * PAGE_SIZE) | EPT_RWX | WB;
}

static struct ept02_filled fill(u64 address, u64 access)
{
	return ept02_fill(&w.tables, &w.root, &w.in, (l2pa_t){address}, access);
}

/* EPT02's own leaf for an address, 0 where there is none. */
static u64 leaf02(u64 address, unsigned *level)
{
	const u64 *table = w.root.table;

	for (*level = 3;; --*level) {
		u64 entry = table[EPT_INDEX(address, *level)];
		if (!(entry & EPT_RWX) || *level == 0 || (entry & EPT_LARGE))
			return entry;
		EXPECT((entry & EPT_RWX) == EPT_RWX);
		table = ept_tables_at(&w.tables, entry);
		EXPECT(ept_tables_index(&w.tables, table) < w.tables.count);
	}
}

static u64 leaf(u64 address)
{
	unsigned level;
	return leaf02(address, &level);
}

static unsigned mapped(u64 from, u64 to)
{
	unsigned n = 0;

	for (u64 a = from; a < to; a += PAGE_SIZE)
		n += leaf(a) != 0;
	return n;
}

/* --- extents --- */

/* Whatever the order in which they come: the memory between two things, or the thing itself. */
TEST(ept_extent_between_things)
{
	static const struct ept_extent things[] = {{0x5000, 0x3000, 0x123 | EPT_R},
						   {0x10000, PAGE_SIZE, EPT_R},
						   {0x11000, PAGE_SIZE, 0},
						   {0xa000, 0, 7}};
	static const struct {
		u64 address;
		struct ept_extent expected;
	} rows[] = {
		{0, {0, 0x5000, 0}},
		{0x4fff, {0, 0x5000, 0}},
		{0x5000, {0x5000, 0x3000, EPT_SPECIAL | 0x123 | EPT_R}},
		{0x7fff, {0x5000, 0x3000, EPT_SPECIAL | 0x123 | EPT_R}},
		{0x8000, {0x8000, 0x8000, 0}},
		{0x10008, {0x10000, PAGE_SIZE, EPT_SPECIAL | EPT_R}},
		{0x11008, {0x11000, PAGE_SIZE, EPT_SPECIAL}},
		{0x12000, {0x12000, BIT(52) - 0x12000, 0}},
		{BIT(52) - 1, {0x12000, BIT(52) - 0x12000, 0}},
	};

	for (unsigned order = 0; order < 4; order++)
		for (unsigned r = 0; r < ARRAY_LEN(rows); r++) {
			struct ept_extent e = EPT_EVERYTHING;
			for (unsigned i = 0; i < ARRAY_LEN(things); i++) {
				const struct ept_extent *t = &things[(i * 3 + order) % 4];
				ept_extent_bound(&e, rows[r].address, t->base, t->size, t->special);
			}
			EXPECT_EQ(e.base, rows[r].expected.base);
			EXPECT_EQ(e.size, rows[r].expected.size);
			EXPECT_EQ(e.special, rows[r].expected.special);
		}
}

TEST(ept_extent_of_two_things_the_first)
{
	struct ept_extent e = EPT_EVERYTHING;

	ept_extent_bound(&e, 0x5008, 0x5000, PAGE_SIZE, EPT_R);
	ept_extent_bound(&e, 0x5008, 0x4000, 3 * PAGE_SIZE, EPT_RWX);
	EXPECT_EQ(e.base, 0x5000);
	EXPECT_EQ(e.special, EPT_SPECIAL | EPT_R);
}

/* --- one page --- */

TEST(ept02_page_sizes)
{
	static const u64 target[] = {0x81234000, 0x81200000, 0x80000000};
	u64 at = 3 * PAGE_SIZE + 2 * SIZE_2M + 0x10;
	unsigned level;

	for (unsigned leaf12 = 0; leaf12 <= 2; leaf12++)
		for (unsigned largest = 0; largest <= 2; largest++) {
			start(0, TABLES);
			w.in.page_sizes = BITS(largest, 0);
			*entry12(2, 0) = TABLE12(1, 0) | EPT_RWX;
			*entry12(1, 2) = TABLE12(0, 0) | EPT_RWX;
			u64 *e = leaf12 == 2 ? entry12(2, 0) :
				 leaf12 == 1 ? entry12(1, 2) :
					       entry12(0, 3);
			*e = target[leaf12] | EPT_RWX | WB | (leaf12 ? EPT_LARGE : 0);
			struct ept02_filled f = fill(at, EPT_W);
			unsigned expected = leaf12 < largest ? leaf12 : largest;
			u64 where = target[leaf12] + (at & (EPT_SIZE(leaf12) - 1));
			EXPECT_EQ(f.walk.kind, EPT12_MAPPED);
			EXPECT(f.leaf && !f.cut);
			EXPECT_EQ(leaf02(at, &level), (where & ~(EPT_SIZE(expected) - 1)) | EPT_RWX | WB |
							      (expected ? EPT_LARGE : 0));
			EXPECT_EQ(level, expected);
			EXPECT_EQ(*f.leaf, leaf(at));
		}
}

/* Rights are those that both levels give; the memory type is EPT12's. */
TEST(ept02_rights_and_type)
{
	static const u64 rights[] = {EPT_R, EPT_R | EPT_W, EPT_R | EPT_X, EPT_RWX, EPT_X};

	for (unsigned i = 0; i < ARRAY_LEN(rights); i++)
		for (unsigned upper = 0; upper < ARRAY_LEN(rights); upper++) {
			u64 both = rights[i] & rights[upper];
			start(0, TABLES);
			map_4k();
			*entry12(1, 0) = TABLE12(0, 0) | rights[upper];
			*entry12(0, 5) = SPECIAL | rights[i] | EPT_IPAT;
			*entry12(0, 100) = SIZE_1G | rights[i] | EPT_IPAT;
			if (!both)
				continue;
			fill(5 * PAGE_SIZE, both & -both);
			EXPECT_EQ(leaf(5 * PAGE_SIZE), SPECIAL_HPA | (both & ~EPT_W) | EPT_IPAT);
			fill(100 * PAGE_SIZE, both & -both);
			EXPECT_EQ(leaf(100 * PAGE_SIZE), SIZE_1G | both | EPT_IPAT);
		}
}

TEST(ept02_nothing_without_ept12)
{
	start(0, TABLES);
	map_4k();
	*entry12(0, 4) &= ~EPT_W;
	*entry12(0, 5) = 0;
	*entry12(0, 6) |= BIT(51);
	EXPECT_EQ(fill(4 * PAGE_SIZE, EPT_W).walk.kind, EPT12_VIOLATION);
	EXPECT_EQ(fill(5 * PAGE_SIZE, EPT_R).walk.kind, EPT12_VIOLATION);
	EXPECT_EQ(fill(6 * PAGE_SIZE, EPT_R).walk.kind, EPT12_MISCONFIGURATION);
	EXPECT_EQ(fill(BIT(48), EPT_R).walk.kind, EPT12_VIOLATION);
	EXPECT_EQ(mapped(0, SIZE_2M), 0);
	EXPECT(!ept_tables_clear(&w.tables, w.root.table)); /* not a table was made */
	EXPECT_EQ(w.tables.fresh, 1);
}

TEST(ept02_what_l1_has_not)
{
	start(0, TABLES);
	map_4k();
	*entry12(0, 9) = HOLE | EPT_RWX | WB;
	struct ept02_filled f = fill(9 * PAGE_SIZE, EPT_R);
	EXPECT_EQ(f.walk.kind, EPT12_MAPPED);
	EXPECT(f.leaf && *f.leaf == 0);
	fill(8 * PAGE_SIZE, EPT_R); /* nor as a page beside another */
	EXPECT_EQ(leaf(9 * PAGE_SIZE), 0);
	EXPECT_EQ(mapped(0, SIZE_2M), 7);
}

TEST(ept02_beside_a_page_that_lies_elsewhere)
{
	start(0, TABLES);
	map_4k();
	for (unsigned i = 0; i < 4; i++)
		*entry12(0, i) = SPECIAL | EPT_RWX | WB;
	fill(0, EPT_R);
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(leaf(i * PAGE_SIZE), SPECIAL_HPA | EPT_R | EPT_X | WB);
	EXPECT_EQ(leaf(4 * PAGE_SIZE), (SIZE_1G + 4 * PAGE_SIZE) | EPT_RWX | WB);
}

/* The write is told to the one below for the page that is written to, and for no other. */
TEST(ept02_says_what_is_written_to)
{
	start(0, TABLES);
	map_4k();
	for (unsigned i = 0; i < 8; i++)
		*entry12(0, i) = (SPECIAL + SIZE_2M * i) | EPT_RWX | WB;
	fill(0, EPT_R);
	EXPECT_EQ(w.asked_to_write, 0);
	fill(8 * PAGE_SIZE, EPT_R | EPT_W);
	EXPECT_EQ(w.asked_to_write, 1);
}

/* --- pages beside it --- */

TEST(ept02_a_line_around_the_fault)
{
	start(0, TABLES);
	map_4k();
	fill(21 * PAGE_SIZE, EPT_R);
	for (unsigned i = 16; i < 24; i++)
		EXPECT_EQ(leaf(i * PAGE_SIZE), (SIZE_1G + i * PAGE_SIZE) | EPT_RWX | WB);
	EXPECT_EQ(mapped(0, SIZE_2M), 8);
	EXPECT_EQ(w.asked, 1);
	EXPECT_EQ(w.writes, 0);
}

static void expect_beside(const char *what, u64 change, bool expected)
{
	start(0, TABLES);
	map_4k();
	*entry12(0, 17) ^= change;
	fill(21 * PAGE_SIZE, EPT_R);
	if ((leaf(17 * PAGE_SIZE) != 0) != expected || mapped(0, SIZE_2M) != 7u + expected)
		test_fail(__FILE__, __LINE__, "%s", what);
}

TEST(ept02_beside_only_what_is_alike)
{
	expect_beside("not present", EPT_RWX, false);
	expect_beside("fewer rights", EPT_W, false);
	expect_beside("a misconfiguration", EPT_R, false);
	expect_beside("another memory type", EPT_MT, false);
	expect_beside("IPAT", EPT_IPAT, false);
	expect_beside("an address too wide", BIT(39), false);
	expect_beside("ignored bits", BITS(63, 52) | BITS(11, 10), true);
	expect_beside("accessed and dirty, which are off", EPT_A | EPT_D, true);
	expect_beside("another place", 0x12345ull << 12, true);
}

TEST(ept02_beside_large_pages)
{
	unsigned level;

	start(0, TABLES);
	*entry12(2, 0) = TABLE12(1, 0) | EPT_RWX;
	for (unsigned i = 0; i < 8; i++)
		*entry12(1, i) = (4 * SIZE_1G + i * SIZE_2M) | EPT_LARGE | EPT_RWX | WB;
	*entry12(1, 3) |= BIT(13); /* reserved */
	*entry12(1, 4) = TABLE12(0, 0) | EPT_RWX;
	fill(0, EPT_R);
	for (unsigned i = 0; i < 8; i++)
		EXPECT_EQ(leaf02(i * SIZE_2M, &level) != 0, i != 3 && i != 4);
	EXPECT_EQ(leaf(7 * SIZE_2M), (4 * SIZE_1G + 7 * SIZE_2M) | EPT_LARGE | EPT_RWX | WB);
	/* A table beside it stays as it is. */
	*entry12(0, 0) = SIZE_1G | EPT_RWX | WB;
	fill(4 * SIZE_2M, EPT_R);
	ept_tables_set(&w.tables, ept_tables_at(&w.tables, ept_tables_at(&w.tables, w.root.table[0])[0]),
		       7, 0);
	EXPECT(!fill(7 * SIZE_2M, EPT_R).cut);
	EXPECT_EQ(leaf(4 * SIZE_2M), SIZE_1G | EPT_RWX | WB);
}

/* One large page of EPT12's over L1's small ones. */
TEST(ept02_beside_in_one_large_page)
{
	start(0, TABLES);
	*entry12(2, 0) = SIZE_1G | EPT_LARGE | EPT_RWX | WB;
	u64 at = (SPECIAL & (SIZE_1G - 1)) - 4 * PAGE_SIZE; /* SPECIAL is at the 5th page of its line */
	fill(at, EPT_W);
	EXPECT_EQ(leaf(at), (SPECIAL - 4 * PAGE_SIZE) | EPT_RWX | WB);
	EXPECT_EQ(leaf(at + 4 * PAGE_SIZE), SPECIAL_HPA | EPT_R | EPT_X | WB);
	EXPECT_EQ(leaf(at + 5 * PAGE_SIZE), 0);
	EXPECT_EQ(mapped(at & ~(SIZE_2M - 1), (at & ~(SIZE_2M - 1)) + SIZE_2M), 7);
}

TEST(R83_beside_only_what_was_accessed)
{
	start(EPTP_AD, TABLES);
	map_4k();
	*entry12(0, 1) |= EPT_A;
	*entry12(0, 2) |= EPT_A | EPT_D;
	fill(0, EPT_R);
	EXPECT_EQ(leaf(0), SIZE_1G | EPT_R | EPT_X | WB); /* clean: the first write is to be seen */
	EXPECT_EQ(leaf(PAGE_SIZE), (SIZE_1G + PAGE_SIZE) | EPT_R | EPT_X | WB);
	EXPECT_EQ(mapped(0, SIZE_2M), 2);
	EXPECT_EQ(*entry12(0, 3) & (EPT_A | EPT_D), 0);
	EXPECT_EQ(*entry12(0, 1) & EPT_D, 0);
	fill(0, EPT_W);
	EXPECT_EQ(leaf(0), SIZE_1G | EPT_RWX | WB);
	EXPECT_EQ(leaf(PAGE_SIZE) & EPT_W, 0);
	EXPECT_EQ(leaf(2 * PAGE_SIZE), (SIZE_1G + 2 * PAGE_SIZE) | EPT_RWX | WB);
	EXPECT_EQ(mapped(0, SIZE_2M), 3);
	EXPECT_EQ(w.writes, 3 + 1 + 1); /* three tables, accessed, dirty */
}

/* What is there already is not written over: not even where EPT12 has changed meanwhile. */
TEST(ept02_beside_leaves_what_is_there)
{
	start(0, TABLES);
	map_4k();
	fill(0, EPT_R);
	*entry12(0, 3) = 3 * SIZE_1G | EPT_RWX | WB;
	*entry12(0, 1) = 0;
	fill(0, EPT_R);
	EXPECT_EQ(leaf(3 * PAGE_SIZE), (SIZE_1G + 3 * PAGE_SIZE) | EPT_RWX | WB);
	EXPECT(leaf(PAGE_SIZE) != 0);
	fill(3 * PAGE_SIZE, EPT_R);
	EXPECT_EQ(leaf(3 * PAGE_SIZE), 3 * SIZE_1G | EPT_RWX | WB);
}

/* --- runs --- */

TEST(ept02_runs_grow)
{
	static const unsigned ends[] = {8, 24, 56, 120, 184, 248};

	start(0, TABLES);
	map_4k();
	for (unsigned i = 0, at = 0; i < ARRAY_LEN(ends); at = ends[i++]) {
		fill(at * PAGE_SIZE, EPT_W);
		EXPECT_EQ(mapped(0, SIZE_2M), ends[i]);
	}
	fill(400 * PAGE_SIZE, EPT_W); /* elsewhere: short again */
	EXPECT_EQ(mapped(0, SIZE_2M), 256);
	for (unsigned at = 408; at < 512; at++)
		if (!leaf(at * PAGE_SIZE))
			fill(at * PAGE_SIZE, EPT_W);
	EXPECT_EQ(mapped(0, SIZE_2M), 248 + 112);
	EXPECT_EQ(w.root.next, SIZE_2M); /* a run ends with its table */
}

TEST(ept02_runs_grow_over_what_is_left_out)
{
	start(0, TABLES);
	map_4k();
	fill(0, EPT_W);
	fill(16 * PAGE_SIZE, EPT_W); /* 8 pages are left out, as many as the run had */
	EXPECT_EQ(mapped(0, SIZE_2M), 8 + 16);
	fill(49 * PAGE_SIZE, EPT_W); /* 17, of 16 */
	EXPECT_EQ(mapped(0, SIZE_2M), 8 + 16 + 8);
	fill(40 * PAGE_SIZE, EPT_W); /* back */
	EXPECT_EQ(mapped(0, SIZE_2M), 8 + 16 + 8 + 8);
}

/* --- tables --- */

TEST(ept02_clear_forgets_everything)
{
	start(0, TABLES);
	map_4k();
	fill(0, EPT_R);
	fill(300 * PAGE_SIZE, EPT_R);
	EXPECT(ept_tables_clear(&w.tables, w.root.table));
	EXPECT_EQ(mapped(0, SIZE_2M), 0);
	EXPECT(!ept_tables_clear(&w.tables, w.root.table));
	fill(0, EPT_R);
	EXPECT_EQ(mapped(0, SIZE_2M), 8);
	EXPECT_EQ(w.tables.fresh, 4); /* the three tables were used again, */
	EXPECT_EQ(w.tables.garbage, EPT_NO_TABLE); /* and nothing else has become garbage */
}

/* With four tables there is one address at a time; the others' are had back whatever was in them. */
TEST(ept02_tables_used_up)
{
	start(0, 4);
	map_4k();
	*entry12(1, 1) = TABLE12(0, 0) | EPT_RWX;
	for (unsigned i = 0; i < 100; i++) {
		EXPECT(fill(0, EPT_R).leaf);
		struct ept02_filled f = fill(SIZE_2M, EPT_R);
		EXPECT_EQ(f.walk.kind, EPT12_MAPPED);
		EXPECT(!f.leaf);
		EXPECT(leaf(0) != 0);
		ept_tables_clear(&w.tables, w.root.table);
		EXPECT(fill(SIZE_2M, EPT_R).leaf);
		EXPECT_EQ(leaf(0), 0);
		ept_tables_clear(&w.tables, w.root.table);
	}
	EXPECT_EQ(w.tables.fresh, 4);
}

TEST(ept02_large_page_and_table_change_places)
{
	start(0, TABLES);
	map_4k();
	EXPECT(!fill(0, EPT_R).cut);
	*entry12(1, 0) = 2 * SIZE_1G | EPT_LARGE | EPT_RWX | WB;
	EXPECT(fill(SIZE_2M / 2, EPT_R).cut); /* the tree below it is garbage now */
	EXPECT_EQ(leaf(0), 2 * SIZE_1G | EPT_LARGE | EPT_RWX | WB);
	EXPECT(!fill(0, EPT_W).cut);
	*entry12(1, 0) = TABLE12(0, 0) | EPT_RWX;
	EXPECT(fill(0, EPT_R).cut);
	EXPECT_EQ(mapped(0, SIZE_2M), 8);
	EXPECT_EQ(w.tables.fresh, 4);
}

/* Which of a table's entries are not zero although no mark says so. */
static void expect_marks(u64 *table)
{
	const struct ept_table *info = &w.info[ept_tables_index(&w.tables, table)];

	for (unsigned i = 0; i < 512; i++)
		EXPECT(!table[i] || (info->used >> i / EPT_LINE & 1));
}

/* --- any EPT12: EPT02 allows nothing that it does not --- */

static u64 random_state;

static u64 random(u64 n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % n;
}

/* Mostly plain, sometimes anything. */
static u64 random_bits(void)
{
	static const u64 rights[] = {EPT_RWX, EPT_RWX, EPT_RWX, EPT_R, EPT_R | EPT_W, EPT_X, EPT_W, 0};
	u64 bits = rights[random(8)] | (random(2) ? EPT_A : 0) | (random(2) ? EPT_D : 0);

	return bits | (random(16) ? 0 : BIT(random(64)));
}

static u64 random_entry(unsigned level)
{
	u64 bits = random_bits(), type = random(8) ? WB : random(8) << EPT_MT_SHIFT;

	if (level > 0 && level < 3 && random(3) == 0)
		return (SIZE_1G + random(4) * EPT_SIZE(level)) | EPT_LARGE | bits | type;
	if (level > 0)
		return TABLE12(level - 1, random(2)) | bits;
	return (random(4) ? SPECIAL + (random(16) - 8) * PAGE_SIZE : SIZE_1G + random(64) * PAGE_SIZE) |
	       bits | type;
}

#define USED 12 /* entries of each table */

static void random_ept12(void)
{
	for (unsigned page = 0; page < PAGE_COUNT; page++)
		for (unsigned i = 0; i < USED; i++)
			w.memory[page][i] = random_entry(page == 0 ? 3 : (page - 1) / 2);
}

static u64 random_address(void)
{
	return random(2) << 39 | random(USED) << 30 | random(USED) << 21 | random(USED) << 12;
}

/* What EPT02 has for an address, held against a walk of EPT12 that must have nothing left to mark. */
static void expect_allowed(u64 address)
{
	unsigned level;
	u64 entry = leaf02(address, &level), rights = entry & EPT_RWX, page;

	if (!rights)
		return;
	struct ept12_result r =
		ept12_walk(&w.in.memory, &w.in.rules, w.root.eptp12, (l2pa_t){address}, rights);
	u64 special = around(&w, r.address, false).special;
	u64 l1 = special ? special : (r.address.v & PAGE_MASK) | EPT_RWX;
	EXPECT_EQ(r.kind, EPT12_MAPPED);
	EXPECT_EQ(rights & ~l1, 0);
	page = (entry & EPT_ADDRESS & ~(EPT_SIZE(level) - 1)) |
	       (address & (EPT_SIZE(level) - 1) & PAGE_MASK);
	EXPECT_EQ(page, l1 & EPT_ADDRESS);
	EXPECT_EQ(entry & (EPT_MT | EPT_IPAT), r.leaf & (EPT_MT | EPT_IPAT));
	EXPECT_EQ(entry & (EPT_A | EPT_D), 0);
}

static void expect_all_allowed(void)
{
	unsigned writes = w.writes;

	for (u64 n = 0; n < 2 * USED * USED * USED; n++)
		expect_allowed((n % 2) << 39 | (n / 2 % USED) << 30 | (n / 2 / USED % USED) << 21 |
			       n / 2 / USED / USED << 12);
	EXPECT_EQ(w.writes, writes); /* no flag is missing */
}

TEST(ept02_allows_only_what_ept12_does)
{
	static const u64 accesses[] = {EPT_R, EPT_W, EPT_X, EPT_R | EPT_W};
	unsigned mapped_once = 0;

	random_state = 1;
	for (unsigned round = 0; round < 60; round++) {
		start(round % 2 ? EPTP_AD : 0, TABLES);
		w.in.page_sizes = BITS(round % 3, 0);
		for (unsigned generation = 0; generation < 3; generation++) {
			random_ept12();
			w.root.eptp12 = ROOT12 | EPTP_WALK_4 | MT_WB | (round % 2 ? EPTP_AD : 0);
			w.memory[0][0] = TABLE12(2, 0) | EPT_RWX | EPT_A;
			for (unsigned i = 0; i < 40; i++) {
				u64 address = random_address(), access = accesses[random(4)];
				struct ept02_filled f = fill(address, access);
				if (f.walk.kind == EPT12_MAPPED && !f.leaf) {
					ept_tables_clear(&w.tables, w.root.table);
					f = fill(address, access);
					EXPECT(f.leaf);
				}
				mapped_once += f.walk.kind == EPT12_MAPPED;
			}
			expect_all_allowed();
			for (unsigned i = 0; i < w.tables.fresh; i++)
				expect_marks(w.arena[i]);
			ept_tables_clear(&w.tables, w.root.table);
		}
	}
	EXPECT(mapped_once > 1000);
}
