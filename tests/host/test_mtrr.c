/* MTRRs. SDM: volume 3A, "Memory Type Range Registers (MTRRs)". */
#include "test.h"
#include "vmm/mtrr.h"
#include "vmx/msr.h"
#include "vmx/x86.h"

#define WIDTH 39
#define ON (MTRR_DEF_E | MTRR_DEF_FE)
#define TYPES_ALL(type) ((type)*0x0101010101010101ull)

/* Eight variable ranges, none in use; fixed ranges all WB; the default is WB. */
static void init(struct mtrr_state *s)
{
	*s = (struct mtrr_state){
		.cap = 0x508, .def_type = ON | MT_WB, .variable_count = 8, .maxphyaddr = WIDTH};
	for (unsigned i = 0; i < MTRR_FIXED; i++)
		s->fixed[i] = TYPES_ALL(MT_WB);
}

static void range(struct mtrr_state *s, unsigned i, u64 base, u64 size, enum memory_type type)
{
	s->variable[i].base = base | type;
	s->variable[i].mask = (~(size - 1) & BITS(WIDTH - 1, 12)) | MTRR_MASK_VALID;
}

static int type_at(const struct mtrr_state *s, u64 address)
{
	return mtrr_type(s, address & PAGE_MASK, PAGE_SIZE);
}

/* --- registers --- */

TEST(mtrr_registers)
{
	static const u32 fixed[MTRR_FIXED] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
					      0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
	struct mtrr_state s;
	unsigned known = 0;

	init(&s);
	EXPECT(mtrr_register(&s, 0x2ff) == &s.def_type);
	for (unsigned i = 0; i < 8; i++) {
		EXPECT(mtrr_register(&s, 0x200 + 2 * i) == &s.variable[i].base);
		EXPECT(mtrr_register(&s, 0x201 + 2 * i) == &s.variable[i].mask);
	}
	for (unsigned i = 0; i < MTRR_FIXED; i++)
		EXPECT(mtrr_register(&s, fixed[i]) == &s.fixed[i]);
	for (u32 msr = 0; msr < 0x1000; msr++)
		known += mtrr_register(&s, msr) != NULL;
	EXPECT_EQ(known, 1 + 16 + MTRR_FIXED);
}

TEST(mtrr_registers_that_the_processor_has)
{
	struct mtrr_state s;

	init(&s);
	s.variable_count = 2;
	EXPECT(mtrr_register(&s, 0x203) != NULL);
	EXPECT(mtrr_register(&s, 0x204) == NULL);
	s.variable_count = MTRR_VARIABLE_MAX;
	EXPECT(mtrr_register(&s, 0x23f) == &s.variable[31].mask);
	EXPECT(mtrr_register(&s, 0x240) == NULL);
	s.cap &= ~BIT(8); /* FIX */
	EXPECT(mtrr_register(&s, 0x250) == NULL);
	EXPECT(mtrr_register(&s, 0x259) == NULL);
	EXPECT(mtrr_register(&s, 0x26f) == NULL);
	EXPECT(mtrr_register(&s, 0x2ff) != NULL);
}

static bool type_exists(unsigned type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

TEST(mtrr_legal_types)
{
	struct mtrr_state s;

	init(&s);
	for (unsigned type = 0; type < 256; type++) {
		EXPECT_EQ(mtrr_value_legal(&s, 0x2ff, ON | type), type_exists(type));
		EXPECT_EQ(mtrr_value_legal(&s, 0x200, 0x100000 | type), type_exists(type));
		EXPECT_EQ(mtrr_value_legal(&s, 0x20e, 0x100000 | type), type_exists(type));
		for (unsigned byte = 0; byte < 8; byte++) {
			EXPECT_EQ(mtrr_value_legal(&s, 0x250, (u64)type << 8 * byte), type_exists(type));
			EXPECT_EQ(mtrr_value_legal(&s, 0x26f, (u64)type << 8 * byte), type_exists(type));
		}
	}
}

TEST(mtrr_legal_bits)
{
	struct mtrr_state s;

	init(&s);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool address = bit >= 12 && bit < WIDTH;

		if (bit >= 8) {
			EXPECT_EQ(mtrr_value_legal(&s, 0x2ff, MT_WB | BIT(bit)), bit == 10 || bit == 11);
			EXPECT_EQ(mtrr_value_legal(&s, 0x200, MT_WB | BIT(bit)), address);
		}
		EXPECT_EQ(mtrr_value_legal(&s, 0x201, BIT(bit)), address || bit == 11);
	}
}

/* --- fixed ranges --- */

/* 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB: each byte of the 11 registers is the next range up. */
TEST(mtrr_fixed_ranges)
{
	struct mtrr_state s;
	u64 address = 0;

	init(&s);
	for (unsigned i = 0; i < 8 * MTRR_FIXED; i++) {
		u64 size = i < 8 ? 0x10000 : i < 24 ? 0x4000 : 0x1000;
		u64 *reg = &s.fixed[i / 8], old = *reg;

		*reg = (old & ~(0xffull << i % 8 * 8)) | (u64)MT_WP << i % 8 * 8;
		for (u64 a = 0; a < 0x100000; a += PAGE_SIZE)
			EXPECT_EQ(type_at(&s, a), a - address < size ? MT_WP : MT_WB);
		*reg = old;
		address += size;
	}
	EXPECT_EQ(address, 0x100000);
}

/* SDM: "MTRR Precedences": below 1 MiB they come before the variable ranges and the default. */
TEST(mtrr_fixed_before_variable)
{
	struct mtrr_state s;

	init(&s);
	s.fixed[2] = TYPES_ALL(MT_WT);
	range(&s, 0, 0, 0x200000, MT_UC);
	EXPECT_EQ(type_at(&s, 0xa0000), MT_WT);
	EXPECT_EQ(type_at(&s, 0xff000), MT_WB);
	EXPECT_EQ(type_at(&s, 0x100000), MT_UC);
	s.def_type &= ~MTRR_DEF_FE;
	EXPECT_EQ(type_at(&s, 0xa0000), MT_UC);
	EXPECT_EQ(type_at(&s, 0), MT_UC);
	s.variable[0].mask = 0;
	EXPECT_EQ(type_at(&s, 0xa0000), MT_WB);
}

TEST(mtrr_disabled)
{
	struct mtrr_state s;

	init(&s);
	range(&s, 0, 0x40000000, 0x40000000, MT_WT);
	s.def_type = MTRR_DEF_FE | MT_WB;
	EXPECT_EQ(type_at(&s, 0), MT_UC);
	EXPECT_EQ(type_at(&s, 0x40000000), MT_UC);
	EXPECT_EQ(mtrr_type(&s, 0, 0x40000000), MT_UC);
}

/* --- variable ranges --- */

TEST(mtrr_variable_range)
{
	struct mtrr_state s;

	init(&s);
	s.def_type = ON | MT_UC;
	for (unsigned i = 0; i < 8; i++) {
		range(&s, i, 0xc0000000, 0x10000000, MT_WC);
		EXPECT_EQ(type_at(&s, 0xbffff000), MT_UC);
		EXPECT_EQ(type_at(&s, 0xc0000000), MT_WC);
		EXPECT_EQ(type_at(&s, 0xcffff000), MT_WC);
		EXPECT_EQ(type_at(&s, 0xd0000000), MT_UC);
		EXPECT_EQ(type_at(&s, BIT(38) | 0xc0000000), MT_UC);
		s.variable[i].mask &= ~MTRR_MASK_VALID;
		EXPECT_EQ(type_at(&s, 0xc0000000), MT_UC);
	}
	s.variable_count = 3;
	range(&s, 3, 0xc0000000, 0x10000000, MT_WC); /* of no account: the processor has but three */
	EXPECT_EQ(type_at(&s, 0xc0000000), MT_UC);
}

TEST(mtrr_default)
{
	static const enum memory_type types[] = {MT_UC, MT_WC, MT_WT, MT_WP, MT_WB};
	struct mtrr_state s;

	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		init(&s);
		s.def_type = ON | types[i];
		EXPECT_EQ(type_at(&s, 0xff000), MT_WB);
		EXPECT_EQ(type_at(&s, 0x100000), types[i]);
		EXPECT_EQ(mtrr_type(&s, 0x40000000, 0x40000000), types[i]);
	}
}

/* A mask need not be of one piece: an address is in the range where the bits of the mask agree. */
TEST(mtrr_mask_with_holes)
{
	struct mtrr_state s;

	init(&s);
	s.variable[0].base = 0x40000000 | MT_WT;
	s.variable[0].mask = (BITS(WIDTH - 1, 20) & ~BIT(31)) | MTRR_MASK_VALID;
	EXPECT_EQ(type_at(&s, 0x40000000), MT_WT);
	EXPECT_EQ(type_at(&s, 0xc0000000), MT_WT);
	EXPECT_EQ(type_at(&s, 0x40100000), MT_WB);
	EXPECT_EQ(type_at(&s, 0x140000000), MT_WB);
}

/* SDM: "MTRR Precedences". What it leaves undefined is UC here, where no one can be misled. */
TEST(mtrr_overlaps)
{
	static const enum memory_type types[] = {MT_UC, MT_WC, MT_WT, MT_WP, MT_WB};
	struct mtrr_state s;

	for (unsigned a = 0; a < ARRAY_LEN(types); a++)
		for (unsigned b = 0; b < ARRAY_LEN(types); b++) {
			bool wt_wb = (types[a] == MT_WT && types[b] == MT_WB) ||
				     (types[a] == MT_WB && types[b] == MT_WT);

			init(&s);
			range(&s, 1, 0x40000000, 0x40000000, types[a]);
			range(&s, 6, 0x40000000, 0x10000000, types[b]);
			EXPECT_EQ(type_at(&s, 0x40000000), types[a] == types[b] ? types[a] :
							   wt_wb                ? MT_WT :
										  MT_UC);
			EXPECT_EQ(type_at(&s, 0x50000000), types[a]);
		}
}

TEST(mtrr_overlaps_of_three)
{
	static const enum memory_type three[][4] = {
		{MT_WB, MT_WT, MT_WB, MT_WT}, {MT_WB, MT_WB, MT_WB, MT_WB}, {MT_WB, MT_UC, MT_WT, MT_UC},
		{MT_WT, MT_WB, MT_UC, MT_UC}, {MT_UC, MT_WB, MT_WB, MT_UC},
	};
	struct mtrr_state s;

	for (unsigned i = 0; i < ARRAY_LEN(three); i++) {
		init(&s);
		for (unsigned n = 0; n < 3; n++)
			range(&s, n, 0x40000000, 0x40000000, three[i][n]);
		EXPECT_EQ(type_at(&s, 0x40000000), three[i][3]);
	}
}

/* --- larger ranges --- */

TEST(mtrr_mixed_ranges)
{
	const u64 m2 = 0x200000, g1 = 0x40000000;
	struct mtrr_state s;

	init(&s);
	range(&s, 0, 0xc0000000, 0x10000000, MT_UC);
	range(&s, 1, 0x80001000, 0x1000, MT_WC);
	EXPECT_EQ(mtrr_type(&s, 0xc0000000, m2), MT_UC);
	EXPECT_EQ(mtrr_type(&s, 0xcfe00000, m2), MT_UC);
	EXPECT_EQ(mtrr_type(&s, 0xd0000000, m2), MT_WB);
	EXPECT_EQ(mtrr_type(&s, 0xc0000000, 0x10000000), MT_UC);
	EXPECT_EQ(mtrr_type(&s, 0xc0000000, g1), -1);
	EXPECT_EQ(mtrr_type(&s, 0x80000000, m2), -1);
	EXPECT_EQ(mtrr_type(&s, 0x80000000, g1), -1);
	EXPECT_EQ(mtrr_type(&s, 0x80001000, PAGE_SIZE), MT_WC);
	EXPECT_EQ(mtrr_type(&s, 0x80000000, PAGE_SIZE), MT_WB);
	EXPECT_EQ(mtrr_type(&s, 0x80002000, PAGE_SIZE), MT_WB);
	EXPECT_EQ(mtrr_type(&s, 0x80200000, m2), MT_WB);
	EXPECT_EQ(mtrr_type(&s, g1, g1), MT_WB);
	EXPECT_EQ(mtrr_type(&s, 0x100000000, g1), MT_WB);
}

TEST(mtrr_mixed_at_the_bottom)
{
	struct mtrr_state s;

	init(&s);
	s.fixed[2] = TYPES_ALL(MT_UC);
	EXPECT_EQ(mtrr_type(&s, 0, 0x200000), -1);
	EXPECT_EQ(mtrr_type(&s, 0, 0x40000000), -1);
	EXPECT_EQ(mtrr_type(&s, 0x200000, 0x200000), MT_WB);
	s.def_type &= ~MTRR_DEF_FE;
	EXPECT_EQ(mtrr_type(&s, 0, 0x200000), MT_WB);
}

/* One type is given only where every page has it. */
TEST(mtrr_one_type_is_that_of_every_page)
{
	u64 random = 0x9e3779b97f4a7c15;
	struct mtrr_state s;
	unsigned uniform = 0;

	for (unsigned round = 0; round < 400; round++) {
		static const enum memory_type types[] = {MT_UC, MT_WC, MT_WT, MT_WB};

		init(&s);
		for (unsigned i = 0; i < 3; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			range(&s, i, 0x100000 + (random >> 40 & 0x7ff000),
			      0x1000ull << (random >> 30 & 15), types[random >> 60 & 3]);
		}
		for (u64 base = 0; base < 0x800000; base += 0x200000) {
			int type = mtrr_type(&s, base, 0x200000);

			uniform += type >= 0;
			for (u64 a = base; type >= 0 && a < base + 0x200000; a += PAGE_SIZE)
				EXPECT_EQ(type_at(&s, a), type);
		}
	}
	EXPECT(uniform > 100);
}
