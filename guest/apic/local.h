/*
 * The local APIC in either mode, and a diary of the interrupts that were taken.
 * SDM: volume 3A, "Advanced Programmable Interrupt Controller (APIC)".
 */
#ifndef GUEST_APIC_LOCAL_H
#define GUEST_APIC_LOCAL_H

#include "guest/lib/check.h"

#define XAPIC 0xfee00000ull
#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC 0x800

enum local_register {
	ID = 0x20,
	VERSION = 0x30,
	TPR = 0x80,
	PPR = 0xa0,
	EOI = 0xb0,
	LDR = 0xd0,
	DFR = 0xe0,
	SVR = 0xf0,
	ISR = 0x100,
	TMR = 0x180,
	IRR = 0x200,
	ESR = 0x280,
	ICR = 0x300,
	ICR_HIGH = 0x310,
	LVT_TIMER = 0x320,
	LVT_LINT0 = 0x350,
	LVT_ERROR = 0x370,
	INITIAL_COUNT = 0x380,
	CURRENT_COUNT = 0x390,
	DIVIDE = 0x3e0,
	SELF_IPI = 0x3f0,
};

#define ICR_LOWEST 0x100u
#define ICR_NMI 0x400u
#define ICR_LOGICAL 0x800u
#define ICR_ASSERT 0x4000u
#define ICR_SELF 0x40000u
#define ICR_ALL 0x80000u
#define ICR_OTHERS 0xc0000u

extern bool local_x2apic; /* it is in x2APIC mode */
extern const char *local_mode; /* its name: the rule of a line */

void local_init(void);
bool local_has_x2apic(void);
void local_to_x2apic(void);

u32 local_get(u32 reg);
void local_put(u32 reg, u32 value);
void local_send(u32 destination, u32 icr); /* destination: an ID, or a logical destination */
u32 local_id(void);

/* Whether a vector has its bit in ISR, TMR or IRR; all vectors that have, as a text. */
bool local_has(enum local_register bitmap, u8 vector);
const char *local_vectors(enum local_register bitmap);

/* Whether interrupts end themselves with an EOI. */
extern bool irq_eoi;

/* Lets in what can come now; gives the vectors in their order. */
const char *irq_taken(void);

/* Halts with interrupts on until `count` have come, or a long time is over; gives them. */
const char *irq_wait(unsigned count);

/* Waits with interrupts off until something is true, or a long time is over. */
bool wait_until(bool (*condition)(void));

void test_priorities(void);
void test_ipis(void);
void test_x2apic_faults(void);
void test_timer(void);
void test_lines(void);
void test_instructions(void);
void test_l2(void);
void measure(void);

#endif
