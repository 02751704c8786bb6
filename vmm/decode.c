#include "vmm/decode.h"

#include "vmx/x86.h"

#define FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* The bytes that are left, and what the prefixes said. */
struct cursor {
	const u8 *bytes;
	unsigned at, count, bits;
	bool operand_size, address_size, ended;
	u8 rex;
};

#define REX_W 8u
#define REX_R 4u

/* Past the end there is only 0, and no instruction. */
static u8 next(struct cursor *c)
{
	if (c->at == c->count) {
		c->ended = true;
		return 0;
	}
	return c->bytes[c->at++];
}

static u64 next_signed(struct cursor *c, unsigned size)
{
	u64 value = 0;
	for (unsigned i = 0; i < size; i++)
		value |= (u64)next(c) << (8 * i);
	unsigned shift = 64 - 8 * size;
	/* cppcheck-suppress shiftTooManyBitsSigned */
	return shift < 64 ? (u64)((s64)(value << shift) >> shift) : 0;
}

/* Gives the first byte that is no prefix. */
static u8 skip_prefixes(struct cursor *c, struct decoded *d)
{
	for (;;) {
		u8 byte = next(c);
		switch (byte) {
		case 0x66:
			c->operand_size = true;
			break;
		case 0x67:
			c->address_size = true;
			break;
		case 0xf2:
		case 0xf3:
			d->repeat = true;
			break;
		case 0xf0:
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			break;
		default:
			if (c->bits != 64 || (byte & 0xf0) != 0x40)
				return byte;
			c->rex = byte;
			continue;
		}
		c->rex = 0; /* counts only right before the opcode */
	}
}

static u8 operand_size(const struct cursor *c)
{
	if (c->rex & REX_W)
		return 8;
	return (c->bits == 16) == c->operand_size ? 4 : 2;
}

static u8 address_size(const struct cursor *c)
{
	if (c->bits == 64)
		return c->address_size ? 4 : 8;
	return (c->bits == 16) == c->address_size ? 4 : 2;
}

/* How many bytes of displacement follow ModRM and, where there is one, SIB. */
static unsigned displacement(struct cursor *c, u8 modrm)
{
	unsigned mod = modrm >> 6, rm = modrm & 7;

	if (address_size(c) == 2)
		return mod == 0 ? (rm == 6 ? 2 : 0) : mod;
	if (rm == 4)
		rm = next(c) & 7;
	if (mod == 0)
		return rm == 5 ? 4 : 0;
	return mod == 1 ? 1 : 4;
}

/* ModRM with a memory operand: the reg field; -1 where it names two registers. */
static int memory_operand(struct cursor *c)
{
	u8 modrm = next(c);

	if (modrm >> 6 == 3)
		return -1;
	for (unsigned n = displacement(c, modrm); n > 0; n--)
		next(c);
	return modrm >> 3 & 7;
}

static void set_reg(const struct cursor *c, struct decoded *d, int field, unsigned size)
{
	d->high_byte = size == 1 && !c->rex && field >= 4;
	d->reg = (u8)(d->high_byte ? field - 4 : field | (c->rex & REX_R ? 8 : 0));
	d->reg_size = (u8)size;
}

/* How the operands follow an opcode. */
enum form {
	NONE,
	RM_R, /* memory is the destination, a register the source */
	R_RM,
	RM_IMM, /* an immediate of the operand's size, at most 4 bytes */
	RM_IMM8,
	RM_1, /* memory alone */
	R_MOFFS, /* rAX, and an address in place of ModRM */
	MOFFS_R,
	R_STRING, /* rAX, and the address in rSI or rDI */
	STRING_R,
	R_RM8, /* the register is wider than memory */
	R_RM16,
	R_RM32,
};

struct opcode {
	u8 op, form;
	bool byte; /* operands are of 1 byte */
};

static struct opcode arithmetic(u8 byte)
{
	static const u8 form[] = {RM_R, RM_R, R_RM, R_RM};
	return (byte & 7) < 4 ? (struct opcode){byte >> 3 & 7, form[byte & 3], !(byte & 1)} :
				(struct opcode){0, NONE, false};
}

static const struct {
	u8 first, last;
	struct opcode is; /* byte: the first of two opcodes is the one of 1 byte */
} one_byte[] = {
	{0x84, 0x85, {OP_TEST, RM_R, true}},     {0x86, 0x87, {OP_XCHG, RM_R, true}},
	{0x88, 0x89, {OP_MOV, RM_R, true}},      {0x8a, 0x8b, {OP_MOV, R_RM, true}},
	{0xa0, 0xa1, {OP_MOV, R_MOFFS, true}},   {0xa2, 0xa3, {OP_MOV, MOFFS_R, true}},
	{0xaa, 0xab, {OP_STOS, STRING_R, true}}, {0xac, 0xad, {OP_LODS, R_STRING, true}},
};

static const struct {
	u8 byte;
	struct opcode is;
} two_byte[] = {
	{0xa3, {OP_BT, RM_R, false}},     {0xab, {OP_BTS, RM_R, false}},
	{0xb3, {OP_BTR, RM_R, false}},    {0xbb, {OP_BTC, RM_R, false}},
	{0xb6, {OP_MOVZX, R_RM8, false}}, {0xb7, {OP_MOVZX, R_RM16, false}},
	{0xbe, {OP_MOVSX, R_RM8, false}}, {0xbf, {OP_MOVSX, R_RM16, false}},
};

/* Opcodes whose reg field goes on with the opcode. */
static const struct {
	bool two;
	u8 byte, reg;
	struct opcode is;
} groups[] = {
	{false, 0xc6, 0, {OP_MOV, RM_IMM, true}},  {false, 0xc7, 0, {OP_MOV, RM_IMM, false}},
	{false, 0xf6, 0, {OP_TEST, RM_IMM, true}}, {false, 0xf7, 0, {OP_TEST, RM_IMM, false}},
	{false, 0xf6, 1, {OP_TEST, RM_IMM, true}}, {false, 0xf7, 1, {OP_TEST, RM_IMM, false}},
	{false, 0xf6, 2, {OP_NOT, RM_1, true}},    {false, 0xf7, 2, {OP_NOT, RM_1, false}},
	{false, 0xf6, 3, {OP_NEG, RM_1, true}},    {false, 0xf7, 3, {OP_NEG, RM_1, false}},
	{false, 0xfe, 0, {OP_INC, RM_1, true}},    {false, 0xff, 0, {OP_INC, RM_1, false}},
	{false, 0xfe, 1, {OP_DEC, RM_1, true}},    {false, 0xff, 1, {OP_DEC, RM_1, false}},
	{true, 0xba, 4, {OP_BT, RM_IMM8, false}},  {true, 0xba, 5, {OP_BTS, RM_IMM8, false}},
	{true, 0xba, 6, {OP_BTR, RM_IMM8, false}}, {true, 0xba, 7, {OP_BTC, RM_IMM8, false}},
};

static struct opcode find_plain(bool two, u8 byte, unsigned bits)
{
	if (!two && byte < 0x40)
		return arithmetic(byte);
	if (!two && byte == 0x63 && bits == 64)
		return (struct opcode){OP_MOVSX, R_RM32, false};
	for (unsigned i = 0; !two && i < ARRAY_LEN(one_byte); i++)
		if (byte == one_byte[i].first || byte == one_byte[i].last) {
			struct opcode is = one_byte[i].is;
			is.byte = byte == one_byte[i].first;
			return is;
		}
	for (unsigned i = 0; two && i < ARRAY_LEN(two_byte); i++)
		if (byte == two_byte[i].byte)
			return two_byte[i].is;
	return (struct opcode){0, NONE, false};
}

static struct opcode find_group(bool two, u8 byte, int reg)
{
	if (!two && (byte == 0x80 || byte == 0x81 || byte == 0x83) && reg >= 0)
		return (struct opcode){(u8)reg, byte == 0x83 ? RM_IMM8 : RM_IMM, byte == 0x80};
	for (unsigned i = 0; i < ARRAY_LEN(groups); i++)
		if (groups[i].two == two && groups[i].byte == byte && groups[i].reg == reg)
			return groups[i].is;
	return (struct opcode){0, NONE, false};
}

static bool has_modrm(enum form form)
{
	return form == RM_R || form == R_RM || form >= R_RM8;
}

static void take_form(struct cursor *c, struct decoded *d, enum form form, int reg, unsigned size)
{
	d->size = (u8)(form == R_RM8 ? 1 : form == R_RM16 ? 2 : form == R_RM32 ? 4 : size);
	d->to_memory = form == RM_R || form == RM_IMM || form == RM_IMM8 || form == RM_1 ||
		       form == MOFFS_R || form == STRING_R;
	d->immediate = form == RM_IMM || form == RM_IMM8 || form == RM_1;
	set_reg(c, d, has_modrm(form) ? reg : RAX, size);
	if (!has_modrm(form)) {
		d->reg = RAX;
		d->high_byte = false;
	}
	if (form == RM_IMM)
		d->value = next_signed(c, size < 4 ? size : 4);
	else if (form == RM_IMM8)
		d->value = next_signed(c, 1);
	else if (form == R_MOFFS || form == MOFFS_R)
		for (unsigned n = address_size(c); n > 0; n--)
			next(c);
}

bool decode(struct decoded *d, const u8 *bytes, unsigned count, unsigned bits)
{
	struct cursor c = {
		.bytes = bytes, .count = count < DECODE_MAX ? count : DECODE_MAX, .bits = bits};
	int reg = RAX;

	*d = (struct decoded){0};
	u8 byte = skip_prefixes(&c, d);
	bool two = byte == 0x0f;
	if (two)
		byte = next(&c);
	struct opcode o = find_plain(two, byte, bits);
	if (o.form == NONE || has_modrm(o.form))
		reg = memory_operand(&c);
	if (o.form == NONE)
		o = find_group(two, byte, reg);
	if (o.form == NONE || reg < 0)
		return false;
	d->op = o.op;
	take_form(&c, d, o.form, reg, o.byte ? 1 : operand_size(&c));
	d->address_size = address_size(&c);
	d->repeat = d->repeat && (d->op == OP_STOS || d->op == OP_LODS);
	d->length = (u8)c.at;
	return !c.ended;
}

bool decode_reads(const struct decoded *d)
{
	return !(d->to_memory && (d->op == OP_MOV || d->op == OP_STOS));
}

bool decode_writes(const struct decoded *d)
{
	return d->to_memory && d->op != OP_CMP && d->op != OP_TEST && d->op != OP_BT;
}

/* --- execution --- */

static u64 mask_of(unsigned size)
{
	return size == 8 ? ~0ul : BIT(8 * size) - 1;
}

static u64 get_reg(const struct decoded *d, u64 reg)
{
	return (d->high_byte ? reg >> 8 : reg) & mask_of(d->reg_size);
}

/* A result of 32 bits clears the upper half; one of 8 or 16 leaves the rest. */
static u64 put_reg(const struct decoded *d, u64 reg, u64 value)
{
	u64 mask = mask_of(d->reg_size);

	if (d->high_byte)
		return (reg & ~0xff00ul) | (value & 0xff) << 8;
	return d->reg_size >= 4 ? value & mask : (reg & ~mask) | (value & mask);
}

static u64 sign_extend(u64 value, unsigned size)
{
	unsigned shift = 64 - 8 * size;
	return (u64)((s64)(value << shift) >> shift);
}

static u64 flags_of_result(u64 result, unsigned size)
{
	u64 flags = __builtin_parity((unsigned)(result & 0xff)) ? 0 : RFLAGS_PF;
	return flags | (result & mask_of(size) ? 0 : RFLAGS_ZF) |
	       (result >> (8 * size - 1) & 1 ? RFLAGS_SF : 0);
}

/* SDM: volume 1, "Status Flags": carries out of bits 3 and top, overflow where both carries differ. */
static u64 add(u64 a, u64 b, u64 carry, unsigned size, u64 *flags)
{
	u64 sum = (a + b + carry) & mask_of(size), out = (a & b) | ((a | b) & ~sum);
	unsigned top = 8 * size - 1;

	*flags = flags_of_result(sum, size) | (out >> top & 1 ? RFLAGS_CF : 0) |
		 (out >> 3 & 1 ? RFLAGS_AF : 0) | ((a ^ sum) & (b ^ sum) & BIT(top) ? RFLAGS_OF : 0);
	return sum;
}

static u64 subtract(u64 a, u64 b, u64 borrow, unsigned size, u64 *flags)
{
	u64 difference = (a - b - borrow) & mask_of(size), out = (~a & b) | (~(a ^ b) & difference);
	unsigned top = 8 * size - 1;

	*flags = flags_of_result(difference, size) | (out >> top & 1 ? RFLAGS_CF : 0) |
		 (out >> 3 & 1 ? RFLAGS_AF : 0) | ((a ^ b) & (a ^ difference) & BIT(top) ? RFLAGS_OF : 0);
	return difference;
}

/* a: destination, b: source. Gives the result; *flags: the status flags afterwards. */
static u64 compute(enum decode_op op, u64 a, u64 b, unsigned size, u64 *flags)
{
	u64 carry = *flags & RFLAGS_CF, result;
	u64 bit = BIT(b & (8 * size - 1));

	switch (op) {
	case OP_ADD:
	case OP_ADC:
		return add(a, b, op == OP_ADC ? carry : 0, size, flags);
	case OP_SUB:
	case OP_CMP:
	case OP_SBB:
		return subtract(a, b, op == OP_SBB ? carry : 0, size, flags);
	case OP_NEG:
		return subtract(0, a, 0, size, flags);
	case OP_INC:
		result = add(a, 1, 0, size, flags);
		*flags = (*flags & ~RFLAGS_CF) | carry;
		return result;
	case OP_DEC:
		result = subtract(a, 1, 0, size, flags);
		*flags = (*flags & ~RFLAGS_CF) | carry;
		return result;
	case OP_NOT:
		return ~a;
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC:
		*flags = (*flags & ~RFLAGS_CF) | (a & bit ? RFLAGS_CF : 0);
		return op == OP_BTS ? a | bit : op == OP_BTR ? a & ~bit : op == OP_BTC ? a ^ bit : a;
	case OP_AND:
	case OP_TEST:
	case OP_OR:
	case OP_XOR:
		result = op == OP_OR ? a | b : op == OP_XOR ? a ^ b : a & b;
		*flags = flags_of_result(result, size);
		return result;
	default: /* moves */
		return b;
	}
}

void decode_execute(const struct decoded *d, struct operands *o)
{
	u64 flags = o->rflags & FLAGS, mask = mask_of(d->size);
	u64 reg = get_reg(d, o->reg), memory = o->memory & mask;
	u64 other = d->immediate ? d->value & mask : reg;

	if (d->op == OP_XCHG) {
		o->memory = reg & mask;
		o->reg = put_reg(d, o->reg, memory);
		return;
	}
	if (d->op == OP_MOVSX)
		memory = sign_extend(memory, d->size);
	u64 result = d->to_memory ? compute(d->op, memory, other, d->size, &flags) :
				    compute(d->op, reg, memory, d->reg_size, &flags);
	o->rflags = (o->rflags & ~FLAGS) | flags;
	if (decode_writes(d))
		o->memory = result & mask;
	else if (!d->to_memory && d->op != OP_CMP)
		o->reg = put_reg(d, o->reg, result);
}
