/*
 * L2's code: pieces of one instruction, and handlers that each do one VMCALL. See payload.inc.
 */
#ifndef GUEST_EVENTS_PAYLOAD_H
#define GUEST_EVENTS_PAYLOAD_H

#include "vmx/types.h"

enum piece {
#define X(name) PIECE_##name,
#include "guest/events/payload.def"
#undef X
	PIECE_COUNT
};

#define STUB_SIZE 16 /* of a handler: its address is that of the page and its vector times this */
#define STUB_VMCALL 1 /* from there to its VMCALL */
#define VMCALL_LENGTH 3

/* Where a piece starts and where it ends, as linked; and the pages as linked. */
extern const u64 events16[PIECE_COUNT][2], events32[PIECE_COUNT][2], events64[PIECE_COUNT][2];
extern const char events16_stubs[], events32_stubs[], events64_stubs[];
extern const char events16_pieces[], events32_pieces[], events64_pieces[];

/*
 * L1 and NMIs. nmi_block_raw() sends an NMI to this processor (*icr = command) and comes back with
 * NMIs blocked; the gate of vector 2 must lead to nmi_block_handler. nmi_unblock() ends that.
 */
bool nmi_block_raw(volatile u32 *icr, u32 command);
void nmi_unblock(void);
extern const char nmi_block_handler[];
extern volatile u32 nmi_strays; /* NMIs that L1 took otherwise */

#endif
