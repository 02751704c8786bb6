/*
 * EPT12 and its pointer. SDM: "EPT Translation Mechanism", "EPT-Induced VM Exits", "Accessed and Dirty
 * Flags for EPT".
 */
#include "machine.h"
#include "nested/ept12.h"
#include "nested/eptp.h"
#include "test.h"

/* --- an EPT12 in a few pages of L1's memory, one table each --- */

#define TABLES 0x7000ull /* the tables of levels 0 to 3 are at this, and at each page below it */
#define EPTP_PLAIN (table_at(3) | EPTP_WALK_4 | MT_WB)
#define WB ((u64)MT_WB << EPT_MT_SHIFT)

/* Another index at each level, 1 to 4, and an offset. */
#define ADDRESS (4ull << 39 | 3ull << 30 | 2ull << 21 | 1ull << 12 | 0x789)

struct ept {
	struct caps caps;
	struct ept12_memory memory;
	u64 page[5]
		[512]; /* l1pa 3000H: a page that nothing points to; then the tables by level, 3 to 0 */
	unsigned writes;
};

#define MEMORY_START 0x3000ull
#define ABSENT MEMORY_START

static u64 table_at(unsigned level)
{
	return TABLES - PAGE_SIZE * level;
}

/* The place of an entry, or 0 (and the test has failed) where the walk went astray. */
static u64 *place(const void *context, l1pa_t at)
{
	struct ept *ept = (struct ept *)context;
	u64 offset = at.v - MEMORY_START;

	if (offset < sizeof(ept->page) && at.v % 8 == 0)
		return &ept->page[offset / PAGE_SIZE][offset % PAGE_SIZE / 8];
	test_fail(__FILE__, __LINE__, "%#llx is in no table", (unsigned long long)at.v);
	return 0;
}

static void write_memory(void *context, l1pa_t at, u64 value)
{
	u64 *entry = place(context, at);

	((struct ept *)context)->writes++;
	if (entry)
		*entry = value;
}

static u64 *entry_in(struct ept *ept, unsigned level, u64 address)
{
	return &ept->page[4 - level][EPT_INDEX(address, level)];
}

static u64 *entry_at(struct ept *ept, unsigned level)
{
	return entry_in(ept, level, ADDRESS);
}

/* Maps ADDRESS by a leaf at a level, with all rights. */
static void map(struct ept *ept, unsigned leaf, u64 target)
{
	struct caps hw;

	*ept = (struct ept){.memory = {.context = ept, .write = write_memory}};
	ept->memory.base = (const u8 *)ept->page - MEMORY_START;
	ept->memory.end = MEMORY_START + sizeof(ept->page);
	ept->memory.hole_size = MEMORY_START;
	ept->memory.absent = ABSENT;
	machine_all(&hw);
	caps_l1(&ept->caps, &hw);
	for (unsigned level = 3; level > leaf; level--)
		*entry_at(ept, level) = table_at(level - 1) | EPT_RWX;
	*entry_at(ept, leaf) = target | WB | EPT_RWX | (leaf > 0 ? EPT_LARGE : 0);
}

static struct ept12_result walk_to(struct ept *ept, u64 eptp, u64 address, u64 access)
{
	struct ept12_rules rules;

	ept->writes = 0;
	ept12_rules_init(&rules, &ept->caps);
	return ept12_walk(&ept->memory, &rules, eptp, (l2pa_t){address}, access);
}

static struct ept12_result walk(struct ept *ept, u64 eptp, u64 access)
{
	return walk_to(ept, eptp, ADDRESS, access);
}

static enum ept12_kind kind(struct ept *ept, u64 access)
{
	return walk(ept, EPTP_PLAIN, access).kind;
}

/* --- translation --- */

TEST(ept12_page_sizes)
{
	static const u64 target[] = {0x4321a000, 0x43200000, 0x4000000000}, /* 4 KiB, 2 MiB, 1 GiB */
		expected[] = {0x4321a789, 0x43201789, 0x4000401789};
	struct ept ept;

	for (unsigned leaf = 0; leaf <= 2; leaf++) {
		map(&ept, leaf, target[leaf]);
		struct ept12_result r = walk(&ept, EPTP_PLAIN, EPT_R);
		EXPECT_EQ(r.kind, EPT12_MAPPED);
		EXPECT_EQ(r.level, leaf);
		EXPECT_EQ(r.address.v, expected[leaf]);
		EXPECT_EQ(r.rights, EPT_RWX);
		EXPECT_EQ(r.leaf, *entry_at(&ept, leaf));
		EXPECT_EQ(r.table.v, table_at(leaf));
	}
}

/* The table's bits 51:12 are used, and no others; the pointer's likewise. */
TEST(ept12_ignored_bits)
{
	struct ept ept;

	map(&ept, 0, 0x4321a000);
	for (unsigned level = 0; level <= 3; level++)
		*entry_at(&ept, level) |= BITS(63, 52) | BITS(11, 8);
	*entry_at(&ept, 0) |= BIT(7);
	struct ept12_result r = walk(&ept, EPTP_PLAIN, EPT_R | EPT_W | EPT_X);
	EXPECT_EQ(r.kind, EPT12_MAPPED);
	EXPECT_EQ(r.address.v, 0x4321a789);
	for (unsigned leaf = 1; leaf <= 2; leaf++) {
		map(&ept, leaf, 0x4000000000);
		for (unsigned level = leaf; level <= 3; level++)
			*entry_at(&ept, level) |= BITS(63, 52) | BITS(11, 8);
		EXPECT_EQ(kind(&ept, EPT_R), EPT12_MAPPED);
	}
}

/* Four levels translate 48 bits: an address beyond them is mapped by nothing. */
TEST(ept12_address_beyond_48_bits)
{
	struct ept ept;

	map(&ept, 0, 0x4321a000);
	for (unsigned bit = 48; bit < 52; bit++) {
		struct ept12_result r = walk_to(&ept, EPTP_PLAIN, ADDRESS | BIT(bit), EPT_R);
		EXPECT_EQ(r.kind, EPT12_VIOLATION);
		EXPECT_EQ(r.rights, 0);
	}
}

/* --- rights --- */

/* Allowed is what every level allows; execute-only ones are among them. */
TEST(ept12_rights_of_all_levels)
{
	static const u64 rights[] = {EPT_R, EPT_R | EPT_W, EPT_R | EPT_X, EPT_RWX, EPT_X};
	struct ept ept;

	for (unsigned n = 0; n < 5 * 5 * 5 * 5; n++) {
		u64 all = EPT_RWX;

		map(&ept, 0, 0x4321a000);
		for (unsigned level = 0, m = n; level <= 3; level++, m /= 5) {
			*entry_at(&ept, level) &= ~EPT_RWX | rights[m % 5];
			all &= rights[m % 5];
		}
		for (u64 access = 1; access <= EPT_RWX; access++) {
			struct ept12_result r = walk(&ept, EPTP_PLAIN, access);
			EXPECT_EQ(r.kind, (access & ~all) ? EPT12_VIOLATION : EPT12_MAPPED);
			EXPECT_EQ(r.rights, all);
		}
	}
}

TEST(ept12_rights_of_large_pages)
{
	struct ept ept;

	for (unsigned leaf = 1; leaf <= 2; leaf++) {
		map(&ept, leaf, 0x4000000000);
		*entry_at(&ept, leaf) &= ~EPT_W;
		EXPECT_EQ(kind(&ept, EPT_R | EPT_X), EPT12_MAPPED);
		struct ept12_result r = walk(&ept, EPTP_PLAIN, EPT_W);
		EXPECT_EQ(r.kind, EPT12_VIOLATION);
		EXPECT_EQ(r.rights, EPT_R | EPT_X);
	}
}

/* Not present: whatever else the entry holds, and whatever lies below it. */
TEST(ept12_not_present)
{
	struct ept ept;

	for (unsigned level = 0; level <= 3; level++) {
		map(&ept, 0, 0x4321a000);
		*entry_at(&ept, level) = ~EPT_RWX;
		if (level > 0)
			*entry_at(&ept, level - 1) = EPT_W;
		struct ept12_result r = walk(&ept, EPTP_PLAIN, EPT_R);
		EXPECT_EQ(r.kind, EPT12_VIOLATION);
		EXPECT_EQ(r.rights, 0);
	}
}

/* Where no memory is, and in the hole, a table reads as ones: reserved bits at each level. */
TEST(ept12_tables_where_no_memory_is)
{
	static const u64 nowhere[] = {0x1000, 0x2000, ABSENT, 0x8000, 0x7ffffff000};
	struct ept ept;

	for (unsigned i = 0; i < ARRAY_LEN(nowhere); i++) {
		for (unsigned level = 1; level <= 3; level++) {
			map(&ept, 0, 0x4321a000);
			*entry_at(&ept, level) = nowhere[i] | EPT_RWX;
			EXPECT_EQ(kind(&ept, EPT_R), EPT12_MISCONFIGURATION);
		}
		EXPECT_EQ(walk(&ept, nowhere[i] | EPTP_WALK_4 | MT_WB, EPT_R).kind,
			  EPT12_MISCONFIGURATION);
	}
}

/* --- misconfigurations --- */

TEST(R82_write_without_read)
{
	struct ept ept;

	for (unsigned level = 0; level <= 3; level++)
		for (u64 execute = 0; execute <= EPT_X; execute += EPT_X) {
			map(&ept, 0, 0x4321a000);
			*entry_at(&ept, level) &= ~EPT_RWX;
			*entry_at(&ept, level) |= EPT_W | execute;
			EXPECT_EQ(kind(&ept, EPT_R), EPT12_MISCONFIGURATION);
			EXPECT_EQ(kind(&ept, EPT_W), EPT12_MISCONFIGURATION);
		}
}

TEST(R82_execute_only)
{
	struct ept ept;

	for (unsigned level = 0; level <= 3; level++) {
		map(&ept, 0, 0x4321a000);
		*entry_at(&ept, level) &= ~(EPT_R | EPT_W);
		EXPECT_EQ(kind(&ept, EPT_X), EPT12_MAPPED);
		EXPECT_EQ(kind(&ept, EPT_R), EPT12_VIOLATION);
		EXPECT_EQ(kind(&ept, EPT_W), EPT12_VIOLATION);
		ept.caps.ept_vpid &= ~EPT_CAP_EXECUTE_ONLY;
		EXPECT_EQ(kind(&ept, EPT_X), EPT12_MISCONFIGURATION);
		EXPECT_EQ(kind(&ept, EPT_R), EPT12_MISCONFIGURATION);
		*entry_at(&ept, level) |= EPT_R;
		EXPECT_EQ(kind(&ept, EPT_R | EPT_X), EPT12_MAPPED);
	}
}

TEST(R82_address_beyond_the_physical_width)
{
	struct ept ept;

	for (unsigned leaf = 0; leaf <= 2; leaf++)
		for (unsigned level = leaf; level <= 3; level++)
			for (unsigned bit = 39; bit < 52; bit++) {
				map(&ept, leaf, 0x4000000000);
				*entry_at(&ept, level) |= BIT(bit);
				EXPECT_EQ(kind(&ept, EPT_R), EPT12_MISCONFIGURATION);
			}
	map(&ept, 0, 0x4321a000 | BITS(51, 39));
	ept.caps.maxphyaddr = 52;
	struct ept12_result r = walk(&ept, EPTP_PLAIN, EPT_R);
	EXPECT_EQ(r.kind, EPT12_MAPPED);
	EXPECT_EQ(r.address.v, 0x4321a789 | BITS(51, 39));
}

/* Entries that name a table: bits 7:3 at the top, 6:3 below it, where bit 7 makes them leaves. */
TEST(R82_reserved_bits_of_tables)
{
	struct ept ept;

	for (unsigned level = 1; level <= 3; level++)
		for (unsigned bit = 3; bit <= (level == 3 ? 7 : 6); bit++) {
			map(&ept, 0, 0x4321a000);
			*entry_at(&ept, level) |= BIT(bit);
			EXPECT_EQ(kind(&ept, EPT_R), EPT12_MISCONFIGURATION);
		}
}

TEST(R82_reserved_bits_of_large_pages)
{
	struct ept ept;

	for (unsigned leaf = 1; leaf <= 2; leaf++)
		for (unsigned bit = 12; bit < 39; bit++) {
			map(&ept, leaf, 0);
			*entry_at(&ept, leaf) |= BIT(bit);
			EXPECT_EQ(kind(&ept, EPT_R),
				  bit < (leaf == 1 ? 21 : 30) ? EPT12_MISCONFIGURATION : EPT12_MAPPED);
		}
}

TEST(R82_large_pages_that_are_not_offered)
{
	struct ept ept;

	for (unsigned leaf = 1; leaf <= 2; leaf++) {
		map(&ept, leaf, 0x4000000000);
		ept.caps.ept_vpid &= ~(leaf == 1 ? EPT_CAP_1G : EPT_CAP_2M); /* the other size */
		EXPECT_EQ(kind(&ept, EPT_R), EPT12_MAPPED);
		ept.caps.ept_vpid &= ~(leaf == 1 ? EPT_CAP_2M : EPT_CAP_1G);
		EXPECT_EQ(kind(&ept, EPT_R), EPT12_MISCONFIGURATION);
	}
	map(&ept, 0, 0x4321a000);
	ept.caps.ept_vpid &= ~(EPT_CAP_2M | EPT_CAP_1G);
	EXPECT_EQ(kind(&ept, EPT_R), EPT12_MAPPED);
}

TEST(R82_memory_types)
{
	struct ept ept;

	for (unsigned leaf = 0; leaf <= 2; leaf++)
		for (u64 type = 0; type < 8; type++)
			for (u64 ipat = 0; ipat <= EPT_IPAT; ipat += EPT_IPAT) {
				bool reserved = type == 2 || type == 3 || type == 7;

				map(&ept, leaf, 0x4000000000);
				*entry_at(&ept, leaf) &= ~EPT_MT;
				*entry_at(&ept, leaf) |= type << 3 | ipat;
				struct ept12_result r = walk(&ept, EPTP_PLAIN, EPT_R);
				EXPECT_EQ(r.kind, reserved ? EPT12_MISCONFIGURATION : EPT12_MAPPED);
				if (!reserved)
					EXPECT_EQ(r.leaf & (EPT_MT | EPT_IPAT), type << 3 | ipat);
			}
}

/* SDM: "Prioritization of EPT Misconfigurations and EPT Violations": rights come last. */
TEST(R82_misconfiguration_before_missing_rights)
{
	struct ept ept;

	map(&ept, 0, 0x4321a000);
	*entry_at(&ept, 3) &= ~EPT_W;
	*entry_at(&ept, 0) |= BIT(51);
	EXPECT_EQ(kind(&ept, EPT_W), EPT12_MISCONFIGURATION);
	*entry_at(&ept, 0) &= ~BIT(51);
	EXPECT_EQ(kind(&ept, EPT_W), EPT12_VIOLATION);
	*entry_at(&ept, 2) |= BIT(3); /* met before an entry that is not present */
	*entry_at(&ept, 1) = 0;
	EXPECT_EQ(kind(&ept, EPT_W), EPT12_MISCONFIGURATION);
}

/* --- accessed and dirty flags --- */

static void expect_flags(struct ept *ept, unsigned leaf, u64 upper, u64 last, int line)
{
	for (unsigned level = leaf; level <= 3; level++)
		if ((*entry_at(ept, level) & (EPT_A | EPT_D)) != (level == leaf ? last : upper))
			test_fail(__FILE__, line, "level %u: %#llx", level,
				  (unsigned long long)*entry_at(ept, level));
}

#define FLAGS(ept, leaf, upper, last) expect_flags(ept, leaf, upper, last, __LINE__)

TEST(R83_accessed_and_dirty)
{
	struct ept ept;

	for (unsigned leaf = 0; leaf <= 2; leaf++) {
		map(&ept, leaf, 0x4000000000);
		EXPECT_EQ(walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_R).leaf & EPT_D, 0);
		FLAGS(&ept, leaf, EPT_A, EPT_A);
		EXPECT_EQ(ept.writes, 4 - leaf);
		EXPECT_EQ(walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_X).leaf & EPT_D, 0);
		EXPECT_EQ(ept.writes, 0); /* there already */
		EXPECT_EQ(walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_W).leaf, *entry_at(&ept, leaf));
		FLAGS(&ept, leaf, EPT_A, EPT_A | EPT_D);
		EXPECT_EQ(ept.writes, 1);
		EXPECT_EQ(walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_R).leaf, *entry_at(&ept, leaf));
		EXPECT_EQ(ept.writes, 0);
		EXPECT_EQ(*entry_at(&ept, leaf) & ~(EPT_A | EPT_D),
			  0x4000000000 | WB | EPT_RWX | (leaf > 0 ? EPT_LARGE : 0));
	}
}

/* A walk of L2's page tables is a read and a write to them where the flags are on. */
TEST(R83_write_to_a_clean_page)
{
	struct ept ept;

	for (unsigned leaf = 0; leaf <= 2; leaf++) {
		map(&ept, leaf, 0x4000000000);
		EXPECT_EQ(walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_R | EPT_W).leaf, *entry_at(&ept, leaf));
		FLAGS(&ept, leaf, EPT_A, EPT_A | EPT_D);
	}
}

TEST(R83_flags_that_are_off)
{
	struct ept ept;

	for (unsigned leaf = 0; leaf <= 2; leaf++) {
		map(&ept, leaf, 0x4000000000);
		EXPECT_EQ(walk(&ept, EPTP_PLAIN, EPT_W).leaf & (EPT_A | EPT_D), 0);
		EXPECT_EQ(ept.writes, 0);
		FLAGS(&ept, leaf, 0, 0);
	}
}

/* What was not done leaves nothing dirty. */
TEST(R83_no_dirty_flag_without_the_write)
{
	struct ept ept;

	map(&ept, 0, 0x4321a000);
	*entry_at(&ept, 1) &= ~EPT_W;
	EXPECT_EQ(walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_W).kind, EPT12_VIOLATION);
	EXPECT_EQ(*entry_at(&ept, 0) & EPT_D, 0);
	map(&ept, 0, 0x4321a000);
	*entry_at(&ept, 0) |= BIT(51);
	EXPECT_EQ(walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_W).kind, EPT12_MISCONFIGURATION);
	EXPECT_EQ(*entry_at(&ept, 0) & EPT_D, 0);
}

/* Each level's index comes from its own nine bits, and the last 8 bytes of a table are an entry too. */
TEST(ept12_indices)
{
	static const u64 addresses[] = {0,       0xffffffffffff, BIT(12), BIT(20), BIT(21),
					BIT(29), BIT(30),        BIT(38), BIT(39), BIT(47)};
	struct ept ept;

	for (unsigned i = 0; i < ARRAY_LEN(addresses); i++) {
		u64 a = addresses[i];

		map(&ept, 0, 0);
		for (unsigned level = 0; level <= 3; level++)
			*entry_at(&ept, level) = 0;
		for (unsigned level = 1; level <= 3; level++)
			*entry_in(&ept, level, a) = table_at(level - 1) | EPT_RWX;
		*entry_in(&ept, 0, a) = 0x4321a000 | WB | EPT_RWX;
		struct ept12_result r = walk_to(&ept, EPTP_PLAIN, a, EPT_R);
		EXPECT_EQ(r.kind, EPT12_MAPPED);
		EXPECT_EQ(r.address.v, 0x4321a000 | (a & 0xfff));
	}
}

/* Nothing that L1 can put into a table leads the walk out of step (the sanitizers watch). */
TEST(ept12_takes_any_entries)
{
	u64 random = 0x9e3779b97f4a7c15;
	struct ept ept;

	map(&ept, 0, 0x4321a000);
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned level = 0; level <= 3; level++) {
			u64 table = level > 0 ? table_at(level - 1) : 0, bits = ~EPT_ADDRESS;

			for (unsigned i = 0; i < 2; i++) {
				random = random * 6364136223846793005u + 1442695040888963407u;
				bits &= random ^ random >> 29;
			}
			*entry_at(&ept, level) = table | bits | EPT_R;
		}
		struct ept12_result r = walk(&ept, EPTP_PLAIN | EPTP_AD, EPT_R);
		EXPECT(r.kind != EPT12_MAPPED || r.level <= 2);
	}
}

/* --- the pointer. SDM: checks on "VM-Execution Control Fields" --- */

#define EPTP_GOOD (0x8000ull | EPTP_WALK_4 | MT_WB)

static void l1_caps(struct caps *l1)
{
	struct caps hw;

	machine_all(&hw);
	caps_l1(l1, &hw);
}

TEST(eptp_memory_type)
{
	struct caps caps;

	l1_caps(&caps);
	for (u64 type = 0; type < 8; type++)
		EXPECT_EQ(eptp_valid(&caps, (EPTP_GOOD & ~7ull) | type), type == MT_UC || type == MT_WB);
	caps.ept_vpid &= ~EPT_CAP_UC;
	EXPECT(!eptp_valid(&caps, (EPTP_GOOD & ~7ull) | MT_UC));
	EXPECT(eptp_valid(&caps, EPTP_GOOD));
	caps.ept_vpid ^= EPT_CAP_UC | EPT_CAP_WB;
	EXPECT(eptp_valid(&caps, (EPTP_GOOD & ~7ull) | MT_UC));
	EXPECT(!eptp_valid(&caps, EPTP_GOOD));
}

/* One less than the length, so 3; 5 levels are never offered. */
TEST(eptp_walk_length)
{
	struct caps caps;

	l1_caps(&caps);
	for (u64 length = 0; length < 8; length++)
		EXPECT_EQ(eptp_valid(&caps, (EPTP_GOOD & ~BITS(5, 3)) | length << 3), length == 3);
	caps.ept_vpid &= ~EPT_CAP_4_LEVEL;
	EXPECT(!eptp_valid(&caps, EPTP_GOOD));
}

TEST(eptp_accessed_and_dirty)
{
	struct caps caps;

	l1_caps(&caps);
	EXPECT(eptp_valid(&caps, EPTP_GOOD | BIT(6)));
	caps.ept_vpid &= ~EPT_CAP_AD;
	EXPECT(!eptp_valid(&caps, EPTP_GOOD | BIT(6)));
	EXPECT(eptp_valid(&caps, EPTP_GOOD));
}

TEST(eptp_reserved_bits)
{
	struct caps caps;

	l1_caps(&caps);
	for (unsigned bit = 7; bit < 64; bit++)
		EXPECT_EQ(eptp_valid(&caps, EPTP_GOOD ^ BIT(bit)), bit >= 12 && bit < 39);
	caps.maxphyaddr = 52;
	EXPECT(eptp_valid(&caps, EPTP_GOOD | BIT(51)));
	EXPECT(!eptp_valid(&caps, EPTP_GOOD | BIT(52)));
}
