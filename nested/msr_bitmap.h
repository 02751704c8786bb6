/*
 * The MSR bitmap. SDM: "MSR-Bitmap Address".
 */
#ifndef NESTED_MSR_BITMAP_H
#define NESTED_MSR_BITMAP_H

#include "vmx/types.h"

/*
 * Where an MSR's bit for reads is in the page; the one for writes is 2048 bytes on. False: the number
 * is outside both ranges, and every access exits (R78).
 */
static inline bool msr_bitmap_place(u32 number, unsigned *byte, unsigned *bit)
{
	bool low = number < 0x2000, high = number - 0xc0000000u < 0x2000;

	*byte = (high ? 1024 : 0) + ((number & 0x1fff) >> 3);
	*bit = number & 7;
	return low || high;
}

/* page: 4096 bytes, or 0, which stands for all ones. */
static inline bool msr_bitmap_has(const u8 *page, u32 number, bool write)
{
	unsigned byte, bit;
	if (!page || !msr_bitmap_place(number, &byte, &bit))
		return true;
	return page[(write ? 2048 : 0) + byte] >> bit & 1;
}

#endif
