/*
 * The code that L2 runs, in payload.inc: one piece for each step of the demo, ending in VMCALL, and
 * the handlers of L2's interrupt table. Each piece exists as 16-bit, 32-bit and 64-bit code.
 */
#ifndef GUEST_DEMO_PAYLOAD_H
#define GUEST_DEMO_PAYLOAD_H

#include "vmx/types.h"

enum payload {
#define X(name) PAYLOAD_##name,
#include "guest/demo/payload.def"
#undef X
	PAYLOAD_COUNT
};

/* Where each piece lies in this program's image. */
extern const u64 payload16[PAYLOAD_COUNT], payload32[PAYLOAD_COUNT], payload64[PAYLOAD_COUNT];

/* The page that holds all the 16-bit code: L1 maps it where real mode can reach it. */
extern const char payload16_page[];

#endif
