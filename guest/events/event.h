/*
 * The events that are delivered into L2: injected by L1, or raised by L2 itself.
 */
#ifndef GUEST_EVENTS_EVENT_H
#define GUEST_EVENTS_EVENT_H

#include "guest/events/world.h"

#define NO_ERROR_CODE (-1)

struct event {
	const char *name;
	u8 type; /* enum intr_type */
	u8 vector;
	int error; /* or NO_ERROR_CODE */
	u8 length; /* of the instruction of a software event */
	bool core;
};

enum event_index {
#define X(name, type, vector, error, length, set) EVENT_##name,
#include "guest/events/event.def"
#undef X
	EVENT_COUNT
};

extern const struct event events[EVENT_COUNT];

/* How L2 comes to raise an event by itself. */
struct raise {
	enum event_index event;
	enum piece piece; /* runs this; PIECE_home: the event is pending at the entry */
	bool trap; /* the return address is behind the piece */
	int error; /* its own error code, or NO_ERROR_CODE; #PF: in ring 0 */
	u64 rflags, cr0; /* to be set before */
	u64 rax; /* a selector, or 0 */
	enum page rbx; /* an operand */
	bool not_64, not_real, not_ring3, only_ring3;
};

extern const struct raise raises[];
extern const unsigned raise_count;

/* The information word of an event: that of L1's injection, and of all exits. */
u32 event_info(const struct event *e);

bool event_is_software(const struct event *e); /* INT n, INT3, INTO, INT1: it has a length */

/* e as it is in this world: real mode has no error codes. */
struct event event_in(const struct world *w, const struct event *e);

/* Sets the VM-entry fields; RIP as is. */
void event_inject(struct world *w, const struct event *e);

/* Prepares L2 to raise it. */
void event_raise(struct world *w, const struct raise *r);
/*
 * In Bochs, virtual-NMI blocking outlives an L2 that is left before its IRET (an entry should load it from
 * the guest state). This lets an L2 run to the end; the VMCS is then as world_reset() leaves it, but for that.
 */
void event_unblock_virtual_nmi(struct world *w);
bool event_raisable(const struct world *w, const struct raise *r);

#endif
