/*
 * The VMX instructions as a hypervisor that trusts itself executes them: nothing looks at a result.
 * (guest/lib/asm.h has those that do.)
 */
#ifndef GUEST_BENCH_FAST_H
#define GUEST_BENCH_FAST_H

#include "vmx/types.h"

static inline u64 fast_vmread(u64 field)
{
	u64 value;
	asm volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
	return value;
}

static inline void fast_vmwrite(u64 field, u64 value)
{
	asm volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc", "memory");
}

static inline void fast_vmptrld(const u64 *region)
{
	asm volatile("vmptrld %0" : : "m"(*region) : "cc", "memory");
}

static inline void fast_vmclear(const u64 *region)
{
	asm volatile("vmclear %0" : : "m"(*region) : "cc", "memory");
}

struct invept_descriptor {
	u64 eptp, reserved;
};

static inline void fast_invept(u64 type, const struct invept_descriptor *d)
{
	asm volatile("invept %0, %1" : : "m"(*d), "r"(type) : "cc", "memory");
}

/* Bochs's debugger stops here, if it is told to; nothing happens otherwise. */
static inline void fast_mark(void)
{
	asm volatile("xchg %%bx, %%bx" : : : "memory");
}

/* The compiler may not leave out what makes `value`. */
static inline void fast_use(u64 value)
{
	asm volatile("" : : "r"(value));
}

#endif
