#include "guest/apic/local.h"

#define APIC_BASE_EXTD BIT(10)
#define SVR_ENABLED 0x1ffu /* spurious vector FFH */
#define LVT_MASKED 0x10000u
#define TAKEN_MAX 24
#define LONG 300000000ull /* time stamp counts */

bool local_x2apic, irq_eoi = true;
const char *local_mode = "xAPIC";

static u8 taken[TAKEN_MAX];
static volatile unsigned taken_count;

static volatile u32 *in_memory(u32 reg)
{
	return (volatile u32 *)(XAPIC + reg);
}

u32 local_get(u32 reg)
{
	return local_x2apic ? (u32)rdmsr(MSR_X2APIC + reg / 16) : *in_memory(reg);
}

void local_put(u32 reg, u32 value)
{
	if (local_x2apic)
		wrmsr(MSR_X2APIC + reg / 16, value);
	else
		*in_memory(reg) = value;
}

void local_send(u32 destination, u32 icr)
{
	if (local_x2apic) {
		wrmsr(MSR_X2APIC + ICR / 16, (u64)destination << 32 | icr);
	} else {
		*in_memory(ICR_HIGH) = destination << 24;
		*in_memory(ICR) = icr;
	}
}

u32 local_id(void)
{
	return local_x2apic ? local_get(ID) : local_get(ID) >> 24;
}

bool local_has(enum local_register bitmap, u8 vector)
{
	return local_get(bitmap + vector / 32 * 16u) >> vector % 32 & 1;
}

static const char *list(char *text, const u8 *vectors, unsigned count)
{
	size_t at = 0;

	if (count == 0)
		return "none";
	for (unsigned i = 0; i < count && at < CHECK_TEXT; i++)
		at += format(text + at, CHECK_TEXT - at, i ? " %x" : "%x", (u32)vectors[i]);
	return text;
}

const char *local_vectors(enum local_register bitmap)
{
	static char text[CHECK_TEXT];
	u8 found[TAKEN_MAX];
	unsigned count = 0;

	for (u32 i = 0; i < 8; i++) {
		u32 bits = local_get(bitmap + 16 * i);
		for (u32 bit = 0; bit < 32; bit++)
			if ((bits >> bit & 1) && count < TAKEN_MAX)
				found[count++] = (u8)(32 * i + bit);
	}
	return list(text, found, count);
}

static void on_interrupt(u32 vector)
{
	if (taken_count < TAKEN_MAX)
		taken[taken_count++] = (u8)vector;
	if (irq_eoi && local_has(ISR, (u8)vector)) /* not the 8259's */
		local_put(EOI, 0);
}

static const char *diary(void)
{
	static char text[CHECK_TEXT];
	unsigned count = taken_count;

	taken_count = 0;
	return list(text, taken, count);
}

const char *irq_taken(void)
{
	asm volatile("sti; nop; nop; nop; nop; cli" : : : "memory");
	return diary();
}

const char *irq_wait(unsigned count)
{
	u64 start = rdtsc();

	while (taken_count < count && rdtsc() - start < LONG)
		asm volatile("sti; nop; nop; cli" : : : "memory");
	return diary();
}

bool wait_until(bool (*condition)(void))
{
	u64 start = rdtsc();

	while (!condition())
		if (rdtsc() - start > LONG)
			return false;
	return true;
}

void local_init(void)
{
	static const u16 lvt[] = {LVT_TIMER, 0x340, LVT_LINT0, 0x360, LVT_ERROR};

	trap_interrupt = on_interrupt;
	local_put(SVR, SVR_ENABLED);
	for (unsigned i = 0; i < ARRAY_LEN(lvt); i++)
		local_put(lvt[i], LVT_MASKED);
	local_put(TPR, 0);
	local_put(LDR, 0x01000000);
	local_put(DFR, 0xffffffff);
}

bool local_has_x2apic(void)
{
	return cpuid(1).ecx & BIT(21);
}

void local_to_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
	local_x2apic = true;
	local_mode = "x2APIC";
}
