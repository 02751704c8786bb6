#include "vmm/lapic.h"

#define WORDS 8 /* of a bitmap, each in a register of its own */
#define STRIDE 4 /* registers are 16 bytes apart */

#define ICR_LOGICAL BIT(11)
#define ICR_BUSY BIT(12)
#define ICR_ASSERT BIT(14)
#define ICR_LEVEL BIT(15)
#define ICR_RESERVED (BIT(13) | BITS(17, 16) | BITS(31, 20))

enum delivery_mode { DM_FIXED, DM_LOWEST, DM_SMI, DM_NMI = 4, DM_INIT, DM_STARTUP };
enum shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

static u32 *word(struct lapic *l, enum lapic_register bitmap, u8 vector)
{
	return &l->r[bitmap / 4 + STRIDE * (vector / 32)];
}

static void set(struct lapic *l, enum lapic_register bitmap, u8 vector, bool on)
{
	u32 bit = 1u << (vector % 32), *w = word(l, bitmap, vector);
	*w = on ? *w | bit : *w & ~bit;
}

bool lapic_has(const struct lapic *l, enum lapic_register bitmap, u8 vector)
{
	return l->r[bitmap / 4 + STRIDE * (vector / 32)] >> (vector % 32) & 1;
}

static int highest(const struct lapic *l, enum lapic_register bitmap)
{
	for (int i = WORDS - 1; i >= 0; i--) {
		u32 bits = l->r[bitmap / 4 + STRIDE * (unsigned)i];
		if (bits)
			return 32 * i + 31 - __builtin_clz(bits);
	}
	return -1;
}

bool lapic_any_request(const struct lapic *l)
{
	return highest(l, LAPIC_IRR) >= 0;
}

void lapic_reset(struct lapic *l)
{
	*l = (struct lapic){{0}};
}

void lapic_accept(struct lapic *l, u8 vector, bool level)
{
	set(l, LAPIC_IRR, vector, true);
	set(l, LAPIC_TMR, vector, level);
}

static u8 tpr(const struct lapic *l)
{
	return (u8)l->r[LAPIC_TPR / 4];
}

/* The class of a vector in its place, 0 for none. */
static unsigned class_of(int vector)
{
	return vector < 0 ? 0 : (unsigned)vector & 0xf0;
}

u8 lapic_ppr(const struct lapic *l)
{
	unsigned service = class_of(highest(l, LAPIC_ISR));
	return (u8)((tpr(l) & 0xf0u) >= service ? tpr(l) : service);
}

u8 lapic_apr(const struct lapic *l)
{
	unsigned task = tpr(l) & 0xf0u;
	unsigned service = class_of(highest(l, LAPIC_ISR)), request = class_of(highest(l, LAPIC_IRR));

	if (task >= request && task > service)
		return tpr(l);
	return (u8)((task & service) > request ? task & service : request);
}

int lapic_pending(const struct lapic *l)
{
	int request = highest(l, LAPIC_IRR);
	return request >= 0 && class_of(request) > (lapic_ppr(l) & 0xf0u) ? request : -1;
}

u32 lapic_tpr_threshold(const struct lapic *l)
{
	unsigned request = class_of(highest(l, LAPIC_IRR));
	return request <= (tpr(l) & 0xf0u) && request > class_of(highest(l, LAPIC_ISR)) ? request >> 4 :
											  0;
}

void lapic_acknowledge(struct lapic *l, u8 vector)
{
	set(l, LAPIC_IRR, vector, false);
	set(l, LAPIC_ISR, vector, true);
}

int lapic_eoi(struct lapic *l)
{
	int vector = highest(l, LAPIC_ISR);
	if (vector >= 0)
		set(l, LAPIC_ISR, (u8)vector, false);
	return vector;
}

bool lapic_is_virtual(u32 offset)
{
	switch (offset) {
	case LAPIC_TPR:
	case LAPIC_APR:
	case LAPIC_PPR:
	case LAPIC_EOI:
	case LAPIC_ISR ... LAPIC_ESR - 1:
	case LAPIC_ICR:
	case LAPIC_ICR_HIGH:
		return true;
	default:
		return false;
	}
}

u32 lapic_read(const struct lapic *l, u32 offset)
{
	switch (offset) {
	case LAPIC_APR:
		return lapic_apr(l);
	case LAPIC_PPR:
		return lapic_ppr(l);
	case LAPIC_EOI: /* write-only */
		return 0;
	default:
		return l->r[offset / 4 & 1023];
	}
}

static bool matches_logical(u32 destination, const struct lapic_self *self)
{
	u32 ldr = self->ldr >> 24;

	if (self->x2apic)
		return destination >> 16 == self->ldr >> 16 && (destination & self->ldr & 0xffff);
	if (self->dfr >> 28 == 0xf) /* flat */
		return destination & ldr;
	return destination >> 4 == ldr >> 4 && (destination & ldr & 0xf);
}

static bool to_this(u64 icr, const struct lapic_self *self)
{
	u32 destination = (u32)(icr >> (self->x2apic ? 32 : 56));
	u32 id = self->x2apic ? self->id : self->id >> 24;

	if (destination == (self->x2apic ? ~0u : 0xffu))
		return true;
	return icr & ICR_LOGICAL ? matches_logical(destination, self) : destination == id;
}

/* Whether one processor alone is meant, and it is this one. */
static bool this_alone(u64 icr, const struct lapic_self *self)
{
	u32 destination = (u32)(icr >> (self->x2apic ? 32 : 56));
	return destination != (self->x2apic ? ~0u : 0xffu) && to_this(icr, self);
}

/* SDM: table "Valid Combinations for the Pentium 4 ... Local xAPIC Interrupt Command Register". */
static enum lapic_ipi_kind kind_of(u64 icr, bool self_shorthand)
{
	switch ((enum delivery_mode)(icr >> 8 & 7)) {
	case DM_FIXED:
		return IPI_FIXED;
	case DM_LOWEST:
		return self_shorthand ? IPI_NONE : IPI_FIXED;
	case DM_SMI:
		return self_shorthand ? IPI_NONE : IPI_SMI;
	case DM_NMI:
		return IPI_NMI;
	case DM_INIT: /* a level de-assert does nothing */
		return self_shorthand || ((icr & ICR_LEVEL) && !(icr & ICR_ASSERT)) ? IPI_NONE : IPI_INIT;
	default: /* start-up: ignored by a processor that does not wait for one */
		return IPI_NONE;
	}
}

struct lapic_ipi lapic_decode_icr(u64 icr, const struct lapic_self *self)
{
	enum shorthand to = (enum shorthand)(icr >> 18 & 3);
	bool here = to == TO_SELF || to == TO_ALL || (to == TO_DESTINATION && to_this(icr, self));
	struct lapic_ipi ipi = {
		.kind = here ? kind_of(icr, to == TO_SELF) : IPI_NONE,
		.vector = (u8)icr,
		.others = to == TO_ALL || to == TO_OTHERS ||
			  (to == TO_DESTINATION && !this_alone(icr, self)),
	};
	return ipi;
}

bool lapic_x2apic_value_legal(u32 offset, u64 value)
{
	switch (offset) {
	case LAPIC_TPR:
	case LAPIC_SELF_IPI:
		return value <= 0xff;
	case LAPIC_EOI:
		return value == 0;
	case LAPIC_ICR:
		return !(value & ICR_RESERVED);
	default: /* read-only */
		return false;
	}
}
