/*
 * Exceptions: what went wrong is printed and ends the program, unless the instruction was run by
 * TRY() (asm.h), or the code by trap_call(); then the caller gets it as a struct trap.
 */
#ifndef GUEST_LIB_TRAP_H
#define GUEST_LIB_TRAP_H

#include "vmx/types.h"
#include "vmx/x86.h"

#define NO_EXCEPTION (-1)

/* What an instruction did: its flags, or the exception it raised. */
struct trap {
	int vector; /* or NO_EXCEPTION */
	u32 error; /* 0 where the exception has no error code */
	u64 rip;
	u64 cs;
	u64 rflags; /* afterwards, or as pushed by the exception */
	u64 cr2; /* #PF only */
};

extern struct trap trap_last; /* written by the exception handler */

static inline struct trap trap_result(u64 rflags)
{
	struct trap t = trap_last;
	if (t.vector == NO_EXCEPTION)
		t.rflags = rflags;
	return t;
}

/* Loads IDT and TSS. */
void trap_init(void);

/* The linear address of the TSS. */
u64 trap_tss_base(void);

/*
 * Calls function(a, b, c), which may leave 64-bit ring 0 and comes back by raising any exception or
 * INT n, from any ring of protected mode, or by returning: its result is then taken for RFLAGS.
 */
typedef u64 trap_function(u64 a, u64 b, u64 c);
struct trap trap_call(trap_function *function, u64 a, u64 b, u64 c);

/* Interrupts (vector 32 and above) are counted here, and given to this function if there is one. */
extern volatile u32 trap_interrupts[256];
extern void (*trap_interrupt)(u32 vector);

#endif
