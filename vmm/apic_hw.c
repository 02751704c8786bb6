#include "vmm/apic_hw.h"

#include "vmx/cpu.h"
#include "vmx/msr.h"

#define ICR_TO_SELF BIT(18)
#define ICR_ASSERT BIT(14)

enum apic_mode apic_hw_mode(const struct apic *a)
{
	if (!(a->base & APIC_BASE_EN))
		return APIC_OFF;
	return a->base & APIC_BASE_EXTD ? APIC_X2APIC : APIC_XAPIC;
}

static volatile u32 *in_memory(const struct apic *a, u32 offset)
{
	return (volatile u32 *)(DIRECT_BASE + (a->base & APIC_BASE_ADDRESS) + offset);
}

u32 apic_hw_read(const struct apic *a, u32 offset)
{
	u64 value;

	if (apic_hw_mode(a) == APIC_XAPIC)
		return *in_memory(a, offset);
	return cpu_rdmsr_safe(MSR_X2APIC_FIRST + offset / 16, &value) ? 0 : (u32)value;
}

void apic_hw_write(const struct apic *a, u32 offset, u32 value)
{
	if (apic_hw_mode(a) == APIC_XAPIC)
		*in_memory(a, offset) = value;
	else
		cpu_wrmsr_safe(MSR_X2APIC_FIRST + offset / 16, value);
}

int apic_hw_highest(const struct apic *a, enum lapic_register bitmap)
{
	if (apic_hw_mode(a) == APIC_OFF)
		return -1;
	for (int i = 7; i >= 0; i--) {
		u32 bits = apic_hw_read(a, bitmap + 16 * (u32)i);
		if (bits)
			return 32 * i + 31 - __builtin_clz(bits);
	}
	return -1;
}

bool apic_hw_has(const struct apic *a, enum lapic_register bitmap, u8 vector)
{
	return apic_hw_mode(a) != APIC_OFF &&
	       (apic_hw_read(a, bitmap + vector / 32 * 16u) >> (vector % 32) & 1);
}

bool apic_hw_deliverable(const struct apic *a)
{
	int request = apic_hw_highest(a, LAPIC_IRR);
	return request >= 0 && request >> 4 > apic_hw_highest(a, LAPIC_ISR) >> 4;
}

void apic_hw_self_ipi(const struct apic *a, u8 vector)
{
	apic_hw_write(a, LAPIC_ICR, (u32)(ICR_TO_SELF | ICR_ASSERT | vector));
}

int apic_hw_take(const struct machine *m)
{
	*m->interrupt = -1;
	cpu_interrupt_window();
	return *m->interrupt;
}
