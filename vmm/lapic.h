/*
 * The state of a local APIC that has to do with priorities: TPR, PPR, IRR, ISR, TMR, ICR. Pure.
 * SDM: volume 3A, "Advanced Programmable Interrupt Controller (APIC)".
 */
#ifndef VMM_LAPIC_H
#define VMM_LAPIC_H

#include "vmx/types.h"

/* Offsets of registers in the APIC's page; register / 16 is the x2APIC MSR's distance from 800H. */
enum lapic_register {
	LAPIC_ID = 0x20,
	LAPIC_VERSION = 0x30,
	LAPIC_TPR = 0x80,
	LAPIC_APR = 0x90,
	LAPIC_PPR = 0xa0,
	LAPIC_EOI = 0xb0,
	LAPIC_LDR = 0xd0,
	LAPIC_DFR = 0xe0,
	LAPIC_SVR = 0xf0,
	LAPIC_ISR = 0x100,
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_CMCI = 0x2f0,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PERFORMANCE = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_INITIAL_COUNT = 0x380,
	LAPIC_DIVIDE = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0,
};

#define LAPIC_SVR_ENABLE BIT(8)
#define LAPIC_LVT_MASKED BIT(16)
#define LAPIC_LVT_MODE(lvt) ((lvt) >> 8 & 7)
#define LAPIC_DM_EXTINT 7

/* The architectural page, so that hardware can use it as the virtual-APIC page. */
struct lapic {
	u32 r[1024];
};

static inline u32 *lapic_register(struct lapic *l, u32 offset)
{
	return &l->r[offset / 4 & 1023];
}

void lapic_reset(struct lapic *l);

/* One interrupt arrives. vector: 16 to 255. SDM: "Interrupt Acceptance for Fixed Interrupts". */
void lapic_accept(struct lapic *l, u8 vector, bool level);

/* SDM: "Task and Processor Priorities". */
u8 lapic_ppr(const struct lapic *l);
u8 lapic_apr(const struct lapic *l);

/* IRR is not empty. */
bool lapic_any_request(const struct lapic *l);

/* The vector that the processor would be offered now; -1: none above PPR's class. */
int lapic_pending(const struct lapic *l);

/*
 * The TPR threshold with which a lower TPR class exits because something becomes deliverable; 0: no TPR
 * makes a difference. Never above TPR's class, as VM entry demands. SDM: "TPR Virtualization".
 */
u32 lapic_tpr_threshold(const struct lapic *l);

/* The acknowledge cycle for what lapic_pending() gave: IRR to ISR. */
void lapic_acknowledge(struct lapic *l, u8 vector);

/* EOI: gives the vector that is no longer in service, or -1. SDM: "Signaling Interrupt Servicing Completion". */
int lapic_eoi(struct lapic *l);

bool lapic_has(const struct lapic *l, enum lapic_register bitmap, u8 vector);

/* The registers that exist here: all others are the processor's own. offset: multiple of 16, below 4096. */
bool lapic_is_virtual(u32 offset);
u32 lapic_read(const struct lapic *l, u32 offset);

/* --- interprocessor interrupts --- */

/* This processor, as a destination names it. SDM: "Determining IPI Destination". */
struct lapic_self {
	bool x2apic;
	u32 id, ldr, dfr; /* registers, as they are in this mode */
};

enum lapic_ipi_kind { IPI_NONE, IPI_FIXED, IPI_SMI, IPI_NMI, IPI_INIT };
struct lapic_ipi {
	enum lapic_ipi_kind kind; /* to this processor */
	u8 vector; /* IPI_FIXED */
	bool others; /* it goes to others too, or alone */
};

/* icr: as in x2APIC mode, or with the xAPIC's destination in bits 63:56. */
struct lapic_ipi lapic_decode_icr(u64 icr, const struct lapic_self *self);

/* SDM: "x2APIC Register Address Space", "ICR Operation in x2APIC Mode": reserved bits raise #GP. */
bool lapic_x2apic_value_legal(u32 offset, u64 value);

#endif
