/*
 * Instructions with a memory operand: what they are, and what they do. The expected results of execution
 * are those of the processor that runs this test.
 */
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "vmm/decode.h"
#include "vmx/x86.h"

struct row {
	const char *text;
	unsigned bits;
	const char *bytes; /* hexadecimal */
	enum decode_op op;
	unsigned size, reg_size;
	int reg; /* enum gpr; -1: an immediate, or none */
	bool to_memory;
	u64 value;
};

#define HIGH 0x20 /* AH to BH: the register's number and this */

/* Encodings as an assembler makes them. SDM: volume 2, opcode map. */
static const struct row rows[] = {
	{"mov %esi,0xb0(%rdi)", 64, "89b7b0000000", OP_MOV, 4, 4, RSI, true, 0},
	{"mov %r10d,(%rax)", 64, "448910", OP_MOV, 4, 4, R10, true, 0},
	{"mov 0x20(%rax),%eax", 64, "8b4020", OP_MOV, 4, 4, RAX, false, 0},
	{"mov (%r12,%r13,8),%r15d", 64, "478b3cec", OP_MOV, 4, 4, R15, false, 0},
	{"mov (%rip+disp),%ecx", 64, "8b0d00010000", OP_MOV, 4, 4, RCX, false, 0},
	{"mov disp32 by SIB,%edx", 64, "8b1425b000e0fe", OP_MOV, 4, 4, RDX, false, 0},
	{"mov 0(%rbp,%rax),%edx", 64, "8b540500", OP_MOV, 4, 4, RDX, false, 0},
	{"mov (%rax),%rdx", 64, "488b10", OP_MOV, 8, 8, RDX, false, 0},
	{"mov (%rax),%dx", 64, "668b10", OP_MOV, 2, 2, RDX, false, 0},
	{"mov (%rax),%dl", 64, "8a10", OP_MOV, 1, 1, RDX, false, 0},
	{"mov (%rax),%dh", 64, "8a30", OP_MOV, 1, 1, RDX | HIGH, false, 0},
	{"mov (%rax),%sil", 64, "408a30", OP_MOV, 1, 1, RSI, false, 0},
	{"mov %fs:(%eax),%ebx", 64, "64678b18", OP_MOV, 4, 4, RBX, false, 0},
	{"movl $0x12345678,(%rax)", 64, "c70078563412", OP_MOV, 4, 4, -1, true, 0x12345678},
	{"movq $-1,(%rax)", 64, "48c700ffffffff", OP_MOV, 8, 8, -1, true, ~0ull},
	{"movw $0x1234,(%rax)", 64, "66c7003412", OP_MOV, 2, 2, -1, true, 0x1234},
	{"movb $0x80,(%rax)", 64, "c60080", OP_MOV, 1, 1, -1, true, 0xffffffffffffff80},
	{"movabs moffs,%eax", 64, "a12000e0fe00000000", OP_MOV, 4, 4, RAX, false, 0},
	{"addr32 mov moffs,%eax", 64, "67a12000e0fe", OP_MOV, 4, 4, RAX, false, 0},
	{"movabs %rax,moffs", 64, "48a32000e0fe00000000", OP_MOV, 8, 8, RAX, true, 0},
	{"movabs %al,moffs", 64, "a22000e0fe00000000", OP_MOV, 1, 1, RAX, true, 0},
	{"movzbl (%rax),%r9d", 64, "440fb608", OP_MOVZX, 1, 4, R9, false, 0},
	{"movzwq (%rax),%rcx", 64, "480fb708", OP_MOVZX, 2, 8, RCX, false, 0},
	{"movsbw (%rax),%cx", 64, "660fbe08", OP_MOVSX, 1, 2, RCX, false, 0},
	{"movswl (%rax),%ecx", 64, "0fbf08", OP_MOVSX, 2, 4, RCX, false, 0},
	{"movslq (%rax),%rcx", 64, "486308", OP_MOVSX, 4, 8, RCX, false, 0},
	{"orl $0x100,0xf0(%rdi)", 64, "818ff000000000010000", OP_OR, 4, 4, -1, true, 0x100},
	{"andl $-2,(%rbx)", 64, "8323fe", OP_AND, 4, 4, -1, true, ~1ull},
	{"lock xor %eax,(%rbx)", 64, "f03103", OP_XOR, 4, 4, RAX, true, 0},
	{"add (%rbx),%eax", 64, "0303", OP_ADD, 4, 4, RAX, false, 0},
	{"sbb %al,(%rbx)", 64, "1803", OP_SBB, 1, 1, RAX, true, 0},
	{"cmp $0x7f,(%rbx)", 64, "803b7f", OP_CMP, 1, 1, -1, true, 0x7f},
	{"cmp (%rbx),%rdi", 64, "483b3b", OP_CMP, 8, 8, RDI, false, 0},
	{"test %eax,(%rbx)", 64, "8503", OP_TEST, 4, 4, RAX, true, 0},
	{"testl $0x1000,0x300(%rdi)", 64, "f7870003000000100000", OP_TEST, 4, 4, -1, true, 0x1000},
	{"testb $0x10,0x301(%rdi)", 64, "f6870103000010", OP_TEST, 1, 1, -1, true, 0x10},
	{"notl (%rax)", 64, "f710", OP_NOT, 4, 4, -1, true, 0},
	{"negb (%rax)", 64, "f618", OP_NEG, 1, 1, -1, true, 0},
	{"incl (%rax)", 64, "ff00", OP_INC, 4, 4, -1, true, 0},
	{"decw (%rax)", 64, "66ff08", OP_DEC, 2, 2, -1, true, 0},
	{"xchg %eax,0xb0(%rdi)", 64, "8787b0000000", OP_XCHG, 4, 4, RAX, true, 0},
	{"bt $12,0x300(%rdi)", 64, "0fbaa7000300000c", OP_BT, 4, 4, -1, true, 12},
	{"bts $16,(%rdi)", 64, "0fba2f10", OP_BTS, 4, 4, -1, true, 16},
	{"btr %ecx,(%rdi)", 64, "0fb30f", OP_BTR, 4, 4, RCX, true, 0},
	{"btc %r8,(%rdi)", 64, "4c0fbb07", OP_BTC, 8, 8, R8, true, 0},
	{"stosl", 64, "ab", OP_STOS, 4, 4, RAX, true, 0},
	{"rep stosb", 64, "f3aa", OP_STOS, 1, 1, RAX, true, 0},
	{"lodsq", 64, "48ad", OP_LODS, 8, 8, RAX, false, 0},
	{"a REX prefix that is not last counts for nothing", 64, "48668b10", OP_MOV, 2, 2, RDX, false, 0},
	{"mov %eax,0xfee000b0", 32, "a3b000e0fe", OP_MOV, 4, 4, RAX, true, 0},
	{"mov 0xfee00020,%ebx", 32, "8b1d2000e0fe", OP_MOV, 4, 4, RBX, false, 0},
	{"mov %bh,(%ecx)", 32, "8839", OP_MOV, 1, 1, RBX | HIGH, true, 0},
	{"mov (%bx,%si),%ax", 32, "66678b00", OP_MOV, 2, 2, RAX, false, 0},
	{"addr16 mov 0x1234,%eax", 32, "678b063412", OP_MOV, 4, 4, RAX, false, 0},
	{"mov %ax,0x10(%bx)", 16, "894710", OP_MOV, 2, 2, RAX, true, 0},
	{"mov 0x1234(%bp),%cx", 16, "8b8e3412", OP_MOV, 2, 2, RCX, false, 0},
	{"mov 0x20(%eax),%ecx", 16, "66678b4820", OP_MOV, 4, 4, RCX, false, 0},
	{"movl $1,(%edi)", 16, "6667c70701000000", OP_MOV, 4, 4, -1, true, 1},
};

static unsigned parse(const char *hex, u8 *bytes)
{
	unsigned n = (unsigned)strlen(hex) / 2;

	for (unsigned i = 0; i < n; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
		bytes[i] = (u8)strtoul(digits, NULL, 16);
	}
	return n;
}

static bool matches(const struct row *r, const struct decoded *d, unsigned length)
{
	int reg = d->immediate ? -1 : d->reg | (d->high_byte ? HIGH : 0);

	return d->op == r->op && d->length == length && d->size == r->size &&
	       d->reg_size == r->reg_size && reg == r->reg && d->to_memory == r->to_memory &&
	       d->value == r->value;
}

TEST(decode_known)
{
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		u8 bytes[DECODE_MAX] = {0};
		unsigned n = parse(rows[i].bytes, bytes);
		struct decoded d;

		if (!decode(&d, bytes, n, rows[i].bits) || !matches(&rows[i], &d, n))
			test_fail(__FILE__, __LINE__, "%s", rows[i].text);
		if (!decode(&d, bytes, DECODE_MAX, rows[i].bits) || d.length != n)
			test_fail(__FILE__, __LINE__, "%s, with more behind it", rows[i].text);
		for (unsigned less = 0; less < n; less++)
			if (decode(&d, bytes, less, rows[i].bits))
				test_fail(__FILE__, __LINE__, "%s, cut to %u bytes", rows[i].text, less);
	}
}

TEST(decode_address_size_and_repeat)
{
	static const struct {
		unsigned bits;
		const char *bytes;
		unsigned address_size;
		bool repeat;
	} cases[] = {
		{64, "ab", 8, false},     {64, "67ab", 4, false},
		{64, "f3ab", 8, true},    {64, "f2ac", 8, true},
		{32, "ab", 4, false},     {32, "67f3ab", 2, true},
		{16, "ab", 2, false},     {16, "67ab", 4, false},
		{64, "f38b00", 8, false}, /* a prefix without effect on MOV */
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		u8 bytes[DECODE_MAX];
		struct decoded d;

		EXPECT(decode(&d, bytes, parse(cases[i].bytes, bytes), cases[i].bits));
		EXPECT_EQ(d.address_size, cases[i].address_size);
		EXPECT_EQ(d.repeat, cases[i].repeat);
	}
}

TEST(decode_unknown)
{
	static const char *const unknown[] = {
		"89c0",   "8bc1",   "c7c000000000", "90",   "0f0b", "f4",   "0f01c1", "a5",
		"a4",     "8f00",   "ff30",         "ff10", "c708", "f720", "fe10",   "0fba00",
		"0f1000", "0fae00", "d800",         "fa",   "6631", "66",   "0f",     "c3",
	};

	for (unsigned i = 0; i < ARRAY_LEN(unknown); i++) {
		u8 bytes[DECODE_MAX] = {0};
		struct decoded d;

		parse(unknown[i], bytes);
		if (decode(&d, bytes, (unsigned)strlen(unknown[i]) / 2, 64))
			test_fail(__FILE__, __LINE__, "%s", unknown[i]);
	}
}

/* Anything: no byte behind the end is read, and what is decoded makes sense. */
TEST(decode_noise)
{
	static const unsigned modes[] = {16, 32, 64};
	u64 seed = 1;

	for (unsigned i = 0; i < 600000; i++) {
		unsigned n = i % (DECODE_MAX + 1);
		u8 *bytes = malloc(n ? n : 1); /* the sanitizer guards its end */
		struct decoded d;

		for (unsigned k = 0; k < n; k++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			bytes[k] = (u8)(seed >> 56);
		}
		if (decode(&d, bytes, n, modes[i % 3])) {
			struct operands o = {seed, seed >> 3, seed & 0xfff};

			EXPECT(d.length >= 1 && d.length <= n && d.reg < GPR_COUNT);
			EXPECT(d.size == 1 || d.size == 2 || d.size == 4 || d.size == 8);
			EXPECT(d.address_size == 2 || d.address_size == 4 || d.address_size == 8);
			decode_execute(&d, &o);
		}
		free(bytes);
	}
}

/* --- execution, against this processor --- */

#define STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* One instruction in four sizes, by hand: destination in *a, source in b. */
#define NATIVE(name, text) \
	static void native_##name(unsigned size, u64 *a, u64 b, u64 *flags) \
	{ \
		u64 f = *flags; \
		if (size == 1) \
			__asm__("push %1; popfq; " text "b %b2, %b0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: "r"(b) \
				: "cc"); \
		else if (size == 2) \
			__asm__("push %1; popfq; " text "w %w2, %w0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: "r"(b) \
				: "cc"); \
		else if (size == 4) \
			__asm__("push %1; popfq; " text "l %k2, %k0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: "r"(b) \
				: "cc"); \
		else \
			__asm__("push %1; popfq; " text "q %2, %0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: "r"(b) \
				: "cc"); \
		*flags = f; \
	}
#define NATIVE1(name, text) \
	static void native_##name(unsigned size, u64 *a, u64 b, u64 *flags) \
	{ \
		u64 f = *flags; \
		(void)b; \
		if (size == 1) \
			__asm__("push %1; popfq; " text "b %b0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: \
				: "cc"); \
		else if (size == 2) \
			__asm__("push %1; popfq; " text "w %w0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: \
				: "cc"); \
		else if (size == 4) \
			__asm__("push %1; popfq; " text "l %k0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: \
				: "cc"); \
		else \
			__asm__("push %1; popfq; " text "q %0; pushfq; pop %1" \
				: "+r"(*a), "+r"(f) \
				: \
				: "cc"); \
		*flags = f; \
	}
NATIVE(add, "add")
NATIVE(or, "or")
NATIVE(adc, "adc")
NATIVE(sbb, "sbb")
NATIVE(and, "and")
NATIVE(sub, "sub")
NATIVE(xor, "xor")
NATIVE(cmp, "cmp")
NATIVE(mov, "mov")
NATIVE(test, "test")
NATIVE1(not, "not")
NATIVE1(neg, "neg")
NATIVE1(inc, "inc")
NATIVE1(dec, "dec")

static const struct {
	const char *name;
	enum decode_op op;
	void (*native)(unsigned size, u64 *a, u64 b, u64 *flags);
	u64 undefined; /* flags that the SDM leaves open */
} ops[] = {
	{"add", OP_ADD, native_add, 0},         {"or", OP_OR, native_or, RFLAGS_AF},
	{"adc", OP_ADC, native_adc, 0},         {"sbb", OP_SBB, native_sbb, 0},
	{"and", OP_AND, native_and, RFLAGS_AF}, {"sub", OP_SUB, native_sub, 0},
	{"xor", OP_XOR, native_xor, RFLAGS_AF}, {"cmp", OP_CMP, native_cmp, 0},
	{"mov", OP_MOV, native_mov, 0},         {"test", OP_TEST, native_test, RFLAGS_AF},
	{"not", OP_NOT, native_not, 0},         {"neg", OP_NEG, native_neg, 0},
	{"inc", OP_INC, native_inc, 0},         {"dec", OP_DEC, native_dec, 0},
};

static const u64 values[] = {0,
			     1,
			     0xf,
			     0x10,
			     0x7f,
			     0x80,
			     0xff,
			     0x100,
			     0x7fff,
			     0x8000,
			     0xffff,
			     0x12345678,
			     0x7fffffff,
			     0x80000000,
			     0xffffffff,
			     0x100000000,
			     0x7fffffffffffffff,
			     0x8000000000000000,
			     0xffffffffffffffff,
			     0x0123456789abcdef};

static u64 mask(unsigned size)
{
	return size == 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

/* Destination in memory, the other operand in a register; then the other way round. */
static void try_op(unsigned i, unsigned size, u64 a, u64 b, u64 flags)
{
	u64 expected = a, f = flags | RFLAGS_FIXED1, care = STATUS & ~ops[i].undefined;
	struct decoded d = {.op = ops[i].op, .size = (u8)size, .reg_size = (u8)size, .to_memory = true};
	struct operands o = {a & mask(size), b, flags};

	ops[i].native(size, &expected, b, &f);
	decode_execute(&d, &o);
	if (decode_writes(&d) && o.memory != (expected & mask(size)))
		test_fail(__FILE__, __LINE__, "%s memory, size %u, %#lx %#lx", ops[i].name, size, a, b);
	if ((o.rflags ^ f) & care || o.reg != b)
		test_fail(__FILE__, __LINE__, "%s memory, size %u, %#lx %#lx: flags %#lx, not %#lx",
			  ops[i].name, size, a, b, o.rflags & STATUS, f & STATUS);
	if (ops[i].op > OP_MOV)
		return;
	d.to_memory = false;
	o = (struct operands){b & mask(size), a, flags};
	decode_execute(&d, &o);
	if (o.reg != expected || ((o.rflags ^ f) & care))
		test_fail(__FILE__, __LINE__, "%s register, size %u, %#lx %#lx", ops[i].name, size, a, b);
}

TEST(decode_execute_as_the_processor)
{
	for (unsigned i = 0; i < ARRAY_LEN(ops); i++)
		for (unsigned size = 1; size <= 8; size *= 2)
			for (unsigned a = 0; a < ARRAY_LEN(values); a++)
				for (unsigned b = 0; b < ARRAY_LEN(values); b++)
					for (u64 carry = 0; carry <= RFLAGS_CF; carry++)
						try_op(i, size, values[a], values[b], carry | RFLAGS_OF);
}

static struct operands run(const char *hex, u64 memory, u64 reg, u64 rflags)
{
	u8 bytes[DECODE_MAX];
	struct decoded d;
	struct operands o = {memory, reg, rflags};

	EXPECT(decode(&d, bytes, parse(hex, bytes), 64));
	decode_execute(&d, &o);
	return o;
}

/* SDM: volume 2, "BT", "MOVZX", "MOVSX", "XCHG"; volume 1, "General-Purpose Registers in 64-Bit Mode". */
TEST(decode_execute_moves_and_bits)
{
	const u64 old = 0x1122334455667788;

	EXPECT_EQ(run("8b10", 0x99aabbcc, old, 0).reg, 0x99aabbcc);
	EXPECT_EQ(run("668b10", 0xbbcc, old, 0).reg, 0x112233445566bbcc);
	EXPECT_EQ(run("8a10", 0xcc, old, 0).reg, 0x11223344556677cc);
	EXPECT_EQ(run("8a30", 0xcc, old, 0).reg, 0x112233445566cc88);
	EXPECT_EQ(run("8830", 0, old, 0).memory, 0x77);
	EXPECT_EQ(run("0fb608", 0xfe, old, 0).reg, 0xfe);
	EXPECT_EQ(run("480fbe08", 0xfe, old, 0).reg, 0xfffffffffffffffe);
	EXPECT_EQ(run("0fbe08", 0xfe, old, 0).reg, 0xfffffffe);
	EXPECT_EQ(run("660fbe08", 0xfe, old, 0).reg, 0x112233445566fffe);
	EXPECT_EQ(run("486308", 0x80000000, old, 0).reg, 0xffffffff80000000);
	EXPECT_EQ(run("8703", 0x99aabbcc, old, 0).reg, 0x99aabbcc);
	EXPECT_EQ(run("8703", 0x99aabbcc, old, 0).memory, 0x55667788);
	EXPECT_EQ(run("8703", 0x99aabbcc, old, STATUS).rflags, STATUS);
	EXPECT_EQ(run("0fba270c", 0x1000, 0, RFLAGS_ZF).rflags, RFLAGS_ZF | RFLAGS_CF);
	EXPECT_EQ(run("0fba270c", 0xefff, 0, RFLAGS_ZF | RFLAGS_CF).rflags, RFLAGS_ZF);
	EXPECT_EQ(run("0fba2f10", 1, 0, 0).memory, 0x10001);
	EXPECT_EQ(run("0fb30f", 0xffffffff, 35, 0).memory,
		  0xfffffff7); /* bit 35: bit 3 of the next word */
	EXPECT_EQ(run("0fba3f1f", 0x80000001, 0, 0).memory, 1);
	EXPECT_EQ(run("ab", 0, old, 0).memory, 0x55667788);
	EXPECT_EQ(run("ad", 0x99aabbcc, old, 0).reg, 0x99aabbcc);
	EXPECT_EQ(run("c700ffffffff", 0, 0, 0).memory, 0xffffffff);
}
