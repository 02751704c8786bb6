#include "nested/operand.h"

#define INFO_SCALE(info) ((info)&3)
#define INFO_ADDRESS_SIZE(info) ((info) >> 7 & 7) /* 0: 16, 1: 32, 2: 64 bits */
#define INFO_SEGMENT(info) ((info) >> 15 & 7)
#define INFO_INDEX(info) ((info) >> 18 & 15)
#define INFO_NO_INDEX BIT(22)
#define INFO_BASE(info) ((info) >> 23 & 15)
#define INFO_NO_BASE BIT(27)

#define TYPE_CODE 8u
#define TYPE_EXPAND_DOWN 4u
#define TYPE_WRITABLE 2u /* data; readable for code */

unsigned operand_segment(u32 info)
{
	unsigned seg = INFO_SEGMENT(info);
	return seg <= SEG_GS ? seg : SEG_DS;
}

static u64 effective_address(const struct operand_in *in)
{
	u64 address = in->displacement;
	unsigned size = INFO_ADDRESS_SIZE(in->info);

	if (!(in->info & INFO_NO_BASE))
		address += in->gpr[INFO_BASE(in->info)];
	if (!(in->info & INFO_NO_INDEX))
		address += in->gpr[INFO_INDEX(in->info)] << INFO_SCALE(in->info);
	return size == 0 ? address & 0xffff : size == 1 ? address & 0xffffffff : address;
}

/* SDM: volume 3A, "Limit Checking" and "Type Checking". */
static bool segment_allows(const struct operand_segment *s, u64 offset, unsigned size, bool write)
{
	u32 type = s->ar & AR_TYPE;
	u64 last = offset + size - 1;

	if (s->ar & AR_UNUSABLE)
		return false;
	if (type & TYPE_CODE ? write || !(type & TYPE_WRITABLE) : write && !(type & TYPE_WRITABLE))
		return false;
	if (!(type & TYPE_CODE) && (type & TYPE_EXPAND_DOWN))
		return offset > s->limit && last <= (s->ar & AR_DB ? 0xffffffff : 0xffff);
	return last <= s->limit;
}

bool operand_address(const struct operand_in *in, unsigned size, bool write, u64 *linear,
		     enum vector *fault)
{
	unsigned seg = operand_segment(in->info);
	const struct operand_segment *s = &in->segment[seg];
	u64 address = effective_address(in);
	bool ok;

	*fault = seg == SEG_SS ? VEC_SS : VEC_GP;
	if (in->long_mode) {
		*linear = address + (seg == SEG_FS || seg == SEG_GS ? s->base : 0);
		ok = canonical(*linear, in->linear_bits) &&
		     canonical(*linear + size - 1, in->linear_bits);
	} else {
		*linear = (s->base + address) & 0xffffffff;
		ok = segment_allows(s, address, size, write);
	}
	return ok;
}
