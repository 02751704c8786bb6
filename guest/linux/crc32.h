/* What L2 computes and L1 checks: a pseudo-random sequence, and CRC-32 (IEEE 802.3) over it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline uint64_t xorshift(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

static inline void crc32_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xEDB88320 : 0);
		table[i] = c;
	}
}

static inline uint32_t crc32(const uint32_t table[256], const uint8_t *p, size_t length)
{
	uint32_t c = ~0u;

	while (length--)
		c = c >> 8 ^ table[(uint8_t)c ^ *p++];
	return ~c;
}
