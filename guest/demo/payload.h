/*
 * The code that L2 runs, in payload.inc: one piece for each step of the demo, ending in VMCALL, and
 * the handlers of L2's interrupt table. Each piece exists as 16-bit, 32-bit and 64-bit code.
 */
#ifndef GUEST_DEMO_PAYLOAD_H
#define GUEST_DEMO_PAYLOAD_H

#define PAYLOAD(X) \
	X(cpuid) \
	X(vmcall) \
	X(hlt) \
	X(rdtsc) \
	X(pause) \
	X(invd) \
	X(invlpg) \
	X(ud2) \
	X(int3) \
	X(io) \
	X(io_string) \
	X(io_bitmap) \
	X(rdmsr) \
	X(wrmsr) \
	X(msr_bitmap) \
	X(msr_lists) \
	X(cr0) \
	X(clts) \
	X(lmsw) \
	X(cr3) \
	X(cr4) \
	X(dr) \
	X(read) \
	X(write) \
	X(jump) \
	X(sti) \
	X(spin) \
	X(vmcall_loop) \
	X(on_fault) \
	X(on_fault_with_error) \
	X(on_page_fault) \
	X(on_interrupt)

#ifndef __ASSEMBLER__
#include "vmx/types.h"

enum payload {
#define X(name) PAYLOAD_##name,
	PAYLOAD(X)
#undef X
		PAYLOAD_COUNT
};

/* Where each piece lies in this program's image. */
extern const u64 payload16[PAYLOAD_COUNT], payload32[PAYLOAD_COUNT], payload64[PAYLOAD_COUNT];

/* The page that holds all the 16-bit code: L1 maps it where real mode can reach it. */
extern const char payload16_page[];
#endif

#endif
