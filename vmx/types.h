/*
 * Base types. An address carries its space in its type, so that mixing two spaces does not compile:
 *   hpa_t    host-physical: what the processor's and L0's own tables hold
 *   l1pa_t   L1's guest-physical address
 *   l2pa_t   L2's guest-physical address
 * All are byte addresses. L0 gives L1 the machine, so l1pa and hpa agree wherever L1 has memory at
 * all; the types keep that a decision made in one place (vmm/l1mem.h) and not a habit.
 */
#ifndef VMX_TYPES_H
#define VMX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

typedef struct {
	u64 v;
} hpa_t;
typedef struct {
	u64 v;
} l1pa_t;
typedef struct {
	u64 v;
} l2pa_t;

#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ul << (n))
#define BITS(hi, lo) ((~0ul >> (63 - (hi))) & (~0ul << (lo)))

/* Off the short way of an exit, which then has fewer registers to keep. */
#define NOINLINE __attribute__((noinline))

#endif
