/* What L2's two jobs share. */
#pragma once

#include "crc32.h"
#include "layout.h"

#define INTERRUPT __attribute__((interrupt))

enum {
	APIC_EOI = 0xB0,
	APIC_SVR = 0xF0,
	APIC_ISR = 0x100, /* and the next seven, 16 bytes apart */
	APIC_IRR = 0x200, /* likewise */
	APIC_LVT_TIMER = 0x320,
	APIC_COUNT = 0x380,
	APIC_DIVIDE = 0x3E0
};
enum { LVT_PERIODIC = 0x20000, TIMER_VECTOR = 0x40 };

struct frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

void l2_out32(uint16_t port, uint32_t value);
uint8_t l2_in8(uint16_t port);

/* One line for one step; the first that is not well ends L2. */
void l2_check(int well, const char *step);

void l2_use_x2apic(void);
void l2_apic_write(uint32_t reg, uint32_t value);
uint32_t l2_apic_read(uint32_t reg);

/* The timer counts in ns under KVM; mode is LVT_PERIODIC or 0, one-shot. */
void l2_start_timer(uint32_t mode, uint32_t count);

/* ist: which stack of the TSS, 0 for the one in use. */
void l2_set_gate(int vector, void *handler, uint16_t ist);

void l2_pressure(void);
