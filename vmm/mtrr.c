#include "vmm/mtrr.h"

#include "vmx/msr.h"
#include "vmx/x86.h"

u64 *mtrr_register(struct mtrr_state *s, u32 msr)
{
	bool fixed = s->cap & BIT(8);
	if (msr == MSR_IA32_MTRR_DEF_TYPE)
		return &s->def_type;
	if (msr >= MSR_IA32_MTRR_PHYSBASE0 && msr < MSR_IA32_MTRR_PHYSBASE0 + 2 * s->variable_count) {
		unsigned i = (msr - MSR_IA32_MTRR_PHYSBASE0) / 2;
		return msr & 1 ? &s->variable[i].mask : &s->variable[i].base;
	}
	if (fixed && msr == MSR_IA32_MTRR_FIX64K_00000)
		return &s->fixed[0];
	if (fixed && (msr == MSR_IA32_MTRR_FIX16K_80000 || msr == MSR_IA32_MTRR_FIX16K_A0000))
		return &s->fixed[1 + msr - MSR_IA32_MTRR_FIX16K_80000];
	if (fixed && msr >= MSR_IA32_MTRR_FIX4K_C0000 && msr <= MSR_IA32_MTRR_FIX4K_F8000)
		return &s->fixed[3 + msr - MSR_IA32_MTRR_FIX4K_C0000];
	return 0;
}

static bool type_legal(u64 type)
{
	return type == MT_UC || type == MT_WC || type == MT_WT || type == MT_WP || type == MT_WB;
}

bool mtrr_value_legal(const struct mtrr_state *s, u32 msr, u64 value)
{
	u64 address = BITS(s->maxphyaddr - 1, 12);
	if (msr == MSR_IA32_MTRR_DEF_TYPE)
		return !(value & ~(0xfful | MTRR_DEF_E | MTRR_DEF_FE)) && type_legal(value & 0xff);
	if (msr < MSR_IA32_MTRR_FIX64K_00000) {
		if (msr & 1)
			return !(value & ~(address | MTRR_MASK_VALID));
		return !(value & ~(address | 0xff)) && type_legal(value & 0xff);
	}
	for (unsigned i = 0; i < 8; i++)
		if (!type_legal(value >> (8 * i) & 0xff))
			return false;
	return true;
}

static u8 fixed_type(const struct mtrr_state *s, u64 pa)
{
	unsigned i, byte;
	if (pa < 0x80000) {
		i = 0;
		byte = (unsigned)(pa >> 16);
	} else if (pa < 0xc0000) {
		i = 1 + (unsigned)((pa - 0x80000) >> 17);
		byte = (unsigned)(pa >> 14 & 7);
	} else {
		i = 3 + (unsigned)((pa - 0xc0000) >> 15);
		byte = (unsigned)(pa >> 12 & 7);
	}
	return (u8)(s->fixed[i] >> (8 * byte));
}

/* Two variable ranges over one address. SDM: "MTRR Precedences". */
static int combine(int a, int b)
{
	if (a < 0 || a == b)
		return b;
	if (a == MT_UC || b == MT_UC)
		return MT_UC;
	if ((a == MT_WT && b == MT_WB) || (a == MT_WB && b == MT_WT))
		return MT_WT;
	return MT_UC; /* undefined by the SDM: the safe one */
}

int mtrr_type(const struct mtrr_state *s, u64 base, u64 size)
{
	int type = -1;
	if (!(s->def_type & MTRR_DEF_E))
		return MT_UC;
	if (base < 0x100000 && (s->def_type & MTRR_DEF_FE))
		return size > PAGE_SIZE ? -1 : fixed_type(s, base);
	for (unsigned i = 0; i < s->variable_count; i++) {
		u64 mask = s->variable[i].mask & BITS(s->maxphyaddr - 1, 12);
		if (!(s->variable[i].mask & MTRR_MASK_VALID))
			continue;
		if ((base ^ s->variable[i].base) & mask & ~(size - 1))
			continue;
		if (mask & (size - 1))
			return -1;
		type = combine(type, (int)(s->variable[i].base & 0xff));
	}
	return type >= 0 ? type : (int)(s->def_type & 0xff);
}
