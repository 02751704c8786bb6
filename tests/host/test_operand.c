/*
 * Memory operands of VMX instructions. SDM: "Format of the VM-Exit Instruction-Information Field as Used
 * for ...", volume 3A "Limit Checking", "Type Checking", and the exceptions in the "VMX Instruction
 * Reference".
 */
#include "nested/operand.h"
#include "test.h"

#define NONE 16u /* no base, or no index */
enum { SIZE_16, SIZE_32, SIZE_64 };

struct operand {
	u64 gpr[GPR_COUNT];
	struct operand_segment segment[6];
	struct operand_in in;
	u64 linear;
	enum vector fault;
};

static void init(struct operand *o, bool long_mode)
{
	*o = (struct operand){
		.in = {.gpr = o->gpr, .segment = o->segment, .long_mode = long_mode, .linear_bits = 48}};
	for (unsigned i = 0; i < 6; i++)
		o->segment[i] = (struct operand_segment){.limit = 0xffffffff, .ar = 0xc093};
	o->segment[SEG_CS].ar = long_mode ? 0xa09b : 0xc09b;
}

static void address(struct operand *o, unsigned size, enum segment segment, unsigned base, unsigned index,
		    unsigned scale)
{
	u32 base_field = base == NONE ? 1u << 27 : base << 23;
	u32 index_field = index == NONE ? 1u << 22 : index << 18;

	o->in.info = scale | size << 7 | (u32)segment << 15 | index_field | base_field;
}

static void at(struct operand *o, unsigned size, enum segment segment, u64 displacement)
{
	address(o, size, segment, NONE, NONE, 0);
	o->in.displacement = displacement;
}

static bool reads(struct operand *o, unsigned size)
{
	return operand_address(&o->in, size, false, &o->linear, &o->fault);
}

static bool writes(struct operand *o, unsigned size)
{
	return operand_address(&o->in, size, true, &o->linear, &o->fault);
}

static void expect_linear(struct operand *o, u64 linear, int line)
{
	if (!reads(o, 8))
		test_fail(__FILE__, line, "exception %d, not %#llx", o->fault,
			  (unsigned long long)linear);
	else if (o->linear != linear)
		test_fail(__FILE__, line, "%#llx, not %#llx", (unsigned long long)o->linear,
			  (unsigned long long)linear);
}

static void expect_fault(struct operand *o, unsigned size, bool write, enum vector vector, int line)
{
	if (operand_address(&o->in, size, write, &o->linear, &o->fault))
		test_fail(__FILE__, line, "no exception, not %d", vector);
	else if (o->fault != vector)
		test_fail(__FILE__, line, "exception %d, not %d", o->fault, vector);
}

#define LINEAR(o, linear) expect_linear(o, linear, __LINE__)
#define READ_FAULTS(o, size, vector) expect_fault(o, size, false, vector, __LINE__)
#define WRITE_FAULTS(o, size, vector) expect_fault(o, size, true, vector, __LINE__)

/* --- the effective address --- */

TEST(operand_base_index_and_scale)
{
	struct operand o;

	init(&o, true);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		o.gpr[i] = 0x100000ull << i;
	o.in.displacement = 0x40;
	for (unsigned base = 0; base <= NONE; base++)
		for (unsigned index = 0; index <= NONE; index++)
			for (unsigned scale = 0; scale < 4; scale++) {
				u64 b = base == NONE ? 0 : 0x100000ull << base;
				u64 i = index == NONE ? 0 : 0x100000ull << index;

				address(&o, SIZE_64, SEG_DS, base, index, scale);
				LINEAR(&o, 0x40 + b + i * (1u << scale));
			}
}

TEST(operand_displacement_is_signed)
{
	struct operand o;

	init(&o, true);
	o.gpr[RBX] = 0xffff800000001000;
	address(&o, SIZE_64, SEG_DS, RBX, NONE, 0);
	o.in.displacement = (u64)-0x20;
	LINEAR(&o, 0xffff800000000fe0);
}

/* An address is cut to the address size: what the exit qualification has beyond it is undefined. */
TEST(operand_address_size)
{
	struct operand o;

	init(&o, true);
	o.gpr[RBX] = 0x1111ffffffff;
	o.in.displacement = 0x10;
	address(&o, SIZE_64, SEG_DS, RBX, NONE, 0);
	LINEAR(&o, 0x11120000000f);
	address(&o, SIZE_32, SEG_DS, RBX, NONE, 0);
	LINEAR(&o, 0xf);
	o.in.displacement = 0xdeadbeef00000010;
	LINEAR(&o, 0xf);
	init(&o, false);
	o.gpr[RBX] = 0x2fff8;
	o.gpr[RSI] = 0x30010;
	address(&o, SIZE_16, SEG_DS, RBX, RSI, 0);
	o.in.displacement = 0xffffffffffff0001;
	LINEAR(&o, 0x9);
}

/* Bits 14:11, 2 and the register operands say nothing about the address. */
TEST(operand_other_bits_of_the_information)
{
	struct operand o;

	init(&o, true);
	o.gpr[RCX] = 0x1000;
	o.gpr[RDX] = 0x20;
	address(&o, SIZE_64, SEG_DS, RCX, RDX, 1);
	o.in.info |= 0xf0007c7c & ~(1u << 10);
	LINEAR(&o, 0x1040);
}

TEST(operand_registers)
{
	for (u32 reg = 0; reg < GPR_COUNT; reg++) {
		u32 all_but_first = ~(15u << 3), all_but_second = ~(15u << 28);

		EXPECT_EQ(OPERAND_REGISTER(reg << 3), reg);
		EXPECT_EQ(OPERAND_REGISTER(all_but_first | reg << 3), reg);
		EXPECT_EQ(OPERAND_REGISTER2(reg << 28), reg);
		EXPECT_EQ(OPERAND_REGISTER2(all_but_second | reg << 28), reg);
	}
	EXPECT_EQ(OPERAND_IS_REGISTER(1u << 10), 1);
	EXPECT_EQ(OPERAND_IS_REGISTER(~(1u << 10)), 0);
}

/* --- 64-bit mode: bases of FS and GS alone, no limits, no types --- */

TEST(operand_segments_in_64_bit_mode)
{
	struct operand o;

	init(&o, true);
	for (unsigned s = SEG_ES; s <= SEG_GS; s++)
		o.segment[s] = (struct operand_segment){.base = 0x100000ull << s, .ar = AR_UNUSABLE};
	for (enum segment s = SEG_ES; s <= SEG_GS; s++) {
		at(&o, SIZE_64, s, 0x5000);
		LINEAR(&o, 0x5000 + (s == SEG_FS || s == SEG_GS ? 0x100000ull << s : 0));
		EXPECT(writes(&o, 16));
	}
}

/* The address size cuts the offset, not the sum. */
TEST(operand_segment_base_with_32_bit_address)
{
	struct operand o;

	init(&o, true);
	o.segment[SEG_GS].base = 0xffff888000000000;
	at(&o, SIZE_32, SEG_GS, (u64)-16);
	LINEAR(&o, 0xffff8880fffffff0);
	at(&o, SIZE_64, SEG_GS, (u64)-16);
	LINEAR(&o, 0xffff887ffffffff0);
}

TEST(operand_canonical)
{
	struct operand o;

	init(&o, true);
	for (enum segment s = SEG_ES; s <= SEG_GS; s++) {
		enum vector vector = s == SEG_SS ? VEC_SS : VEC_GP;

		at(&o, SIZE_64, s, BIT(47));
		READ_FAULTS(&o, 8, vector);
		WRITE_FAULTS(&o, 8, vector);
		at(&o, SIZE_64, s, 0xffff7ffffffffff8);
		READ_FAULTS(&o, 8, vector);
		at(&o, SIZE_64, s, 0xffff800000000000);
		EXPECT(reads(&o, 8));
		at(&o, SIZE_64, s, BIT(47) - 8);
		EXPECT(reads(&o, 8));
		READ_FAULTS(&o, 16, vector);
		at(&o, SIZE_64, s, BIT(47) - 7); /* its last byte alone is beyond */
		READ_FAULTS(&o, 8, vector);
	}
}

TEST(operand_canonical_57_bits)
{
	struct operand o;

	init(&o, true);
	o.in.linear_bits = 57;
	at(&o, SIZE_64, SEG_DS, BIT(47));
	LINEAR(&o, BIT(47));
	at(&o, SIZE_64, SEG_DS, BIT(56));
	READ_FAULTS(&o, 8, VEC_GP);
	at(&o, SIZE_64, SEG_DS, 0xff00000000000000);
	LINEAR(&o, 0xff00000000000000);
}

/* It is the linear address that has to be canonical, not the offset. */
TEST(operand_canonical_with_base)
{
	struct operand o;

	init(&o, true);
	o.segment[SEG_FS].base = BIT(47) - 0x1000;
	at(&o, SIZE_64, SEG_FS, 0x1000);
	READ_FAULTS(&o, 8, VEC_GP);
	at(&o, SIZE_64, SEG_FS, 0xff8);
	LINEAR(&o, BIT(47) - 8);
	o.segment[SEG_FS].base = 0xffff800000000000;
	at(&o, SIZE_64, SEG_FS, BIT(47));
	LINEAR(&o, 0);
}

/* --- outside 64-bit mode --- */

TEST(operand_base_wraps_at_4g)
{
	struct operand o;

	init(&o, false);
	for (enum segment s = SEG_ES; s <= SEG_GS; s++) {
		o.segment[s].base = 0xfffff000;
		at(&o, SIZE_32, s, 0x3000);
		LINEAR(&o, 0x2000);
	}
}

TEST(operand_limit)
{
	struct operand o;

	init(&o, false);
	for (enum segment s = SEG_ES; s <= SEG_GS; s++) {
		enum vector vector = s == SEG_SS ? VEC_SS : VEC_GP;

		o.segment[s].limit = 0x1fff;
		for (unsigned size = 4; size <= 16; size *= 2) {
			at(&o, SIZE_32, s, 0x2000 - size);
			EXPECT(reads(&o, size));
			at(&o, SIZE_32, s, 0x2001 - size);
			READ_FAULTS(&o, size, vector);
			if (s != SEG_CS)
				WRITE_FAULTS(&o, size, vector);
			at(&o, SIZE_32, s, 0xfffffff0); /* no wrap into the segment */
			READ_FAULTS(&o, size, vector);
		}
	}
}

/* A 16-bit offset ends at 64 KiB, an access that starts there does not: the limit decides. */
TEST(operand_limit_with_16_bit_address)
{
	struct operand o;

	init(&o, false);
	o.segment[SEG_DS].limit = 0xffff;
	at(&o, SIZE_16, SEG_DS, 0xfff8);
	LINEAR(&o, 0xfff8);
	at(&o, SIZE_16, SEG_DS, 0xfff9);
	READ_FAULTS(&o, 8, VEC_GP);
	o.segment[SEG_DS].limit = 0x10fff;
	LINEAR(&o, 0xfff9);
}

TEST(operand_expand_down)
{
	struct operand o;

	init(&o, false);
	o.segment[SEG_SS] = (struct operand_segment){.limit = 0x1fff, .ar = 0xc097};
	at(&o, SIZE_32, SEG_SS, 0x1fff);
	READ_FAULTS(&o, 8, VEC_SS);
	at(&o, SIZE_32, SEG_SS, 0);
	READ_FAULTS(&o, 8, VEC_SS);
	at(&o, SIZE_32, SEG_SS, 0x2000);
	LINEAR(&o, 0x2000);
	at(&o, SIZE_32, SEG_SS, 0xfffffff8);
	LINEAR(&o, 0xfffffff8);
	o.segment[SEG_SS].ar &= ~AR_DB; /* the other end is at 64 KiB */
	READ_FAULTS(&o, 8, VEC_SS);
	at(&o, SIZE_32, SEG_SS, 0xfff9);
	READ_FAULTS(&o, 8, VEC_SS);
	at(&o, SIZE_32, SEG_SS, 0xfff8);
	LINEAR(&o, 0xfff8);
	o.segment[SEG_SS].limit = 0xffffffff; /* nothing is above the limit */
	READ_FAULTS(&o, 8, VEC_SS);
}

TEST(operand_types)
{
	static const struct {
		u8 type;
		bool read, write;
	} types[] = {
		{1, true, false},  {3, true, true},   {5, true, false},   {7, true, true}, /* data */
		{9, false, false}, {11, true, false}, {13, false, false}, {15, true, false}, /* code */
	};
	struct operand o;

	init(&o, false);
	for (unsigned i = 0; i < ARRAY_LEN(types); i++)
		for (u32 accessed = 0; accessed <= 1; accessed++) {
			u32 type = types[i].type - 1u + accessed;

			o.segment[SEG_ES] = (struct operand_segment){
				.limit = type & 8 || !(type & 4) ? 0xffffffff : 0, .ar = 0xc090 | type};
			at(&o, SIZE_32, SEG_ES, 0x1000);
			EXPECT_EQ(reads(&o, 8), types[i].read);
			EXPECT_EQ(writes(&o, 8), types[i].write);
			EXPECT_EQ(o.fault, VEC_GP);
		}
}

TEST(operand_unusable_segment)
{
	struct operand o;

	init(&o, false);
	for (enum segment s = SEG_ES; s <= SEG_GS; s++) {
		o.segment[s].ar |= AR_UNUSABLE;
		at(&o, SIZE_32, s, 0x1000);
		READ_FAULTS(&o, 8, s == SEG_SS ? VEC_SS : VEC_GP);
		WRITE_FAULTS(&o, 8, s == SEG_SS ? VEC_SS : VEC_GP);
	}
}
