/*
 * L2 while L1 takes its pages away: timer interrupts that each must come exactly once, and memory that
 * must keep what was written. All that the delivery of an interrupt reads or writes (IDT, GDT, TSS,
 * stack, handler) has a page of its own, so that any of these accesses may find its page gone.
 */
#include "l2.h"

#define PAGE __attribute__((aligned(4096)))

enum { TSS_SELECTOR = 0x18, TSS_IST1 = 0x24 };
enum { INTERVAL = 1500000 /* ns */, WORDS = L2_DATA_SIZE / sizeof(uint64_t), PART = WORDS / 16 };

/* Far more than the longest time without a tick: 10 s on a simulated processor, 0.5 s on a fast one. */
#define LOST (1ull << 31)

static uint64_t gdt[512] PAGE = {0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF};
static uint8_t tss[4096] PAGE;
static uint8_t stack[4096] PAGE;

static volatile uint32_t arms, ticks, twice;
static volatile uint64_t armed_at;
static volatile int armed, stop;

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Of the timer's vector, in IRR or ISR. */
static int is_set(uint32_t reg)
{
	return l2_apic_read(reg + TIMER_VECTOR / 32 * 16) >> TIMER_VECTOR % 32 & 1;
}

static void arm(void)
{
	armed = 1;
	arms++;
	armed_at = rdtsc();
	l2_apic_write(APIC_COUNT, INTERVAL);
}

/* The only one to arm the timer again: nothing may be pending until it has. */
INTERRUPT PAGE static void on_tick(struct frame *frame)
{
	(void)frame;
	if (!armed || !is_set(APIC_ISR) || is_set(APIC_IRR))
		twice++;
	armed = 0;
	ticks++;
	l2_apic_write(APIC_EOI, 0);
	if (is_set(APIC_ISR) || is_set(APIC_IRR))
		twice++;
	if (!stop)
		arm();
}

/* For the last one; without an earlier one L2 sleeps for ever, which L1 notices. */
static int is_lost(void)
{
	uint64_t since = armed_at;

	return armed && rdtsc() - since > LOST && since == armed_at;
}

static void use_own_pages(void)
{
	struct {
		uint16_t limit;
		void *base;
	} __attribute__((packed)) pointer = {5 * 8 - 1, gdt};
	uint64_t at = (uintptr_t)tss, top = (uintptr_t)stack + sizeof(stack);

	*(uint64_t *)(void *)(tss + TSS_IST1) = top;
	gdt[3] = 0x0000890000000067 | (at & 0xFFFFFF) << 16 | (at >> 24 & 0xFF) << 56;
	gdt[4] = at >> 32;
	__asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(TSS_SELECTOR) : "memory");
	l2_set_gate(TIMER_VECTOR, on_tick, 1);
}

/* What pass number `pass` leaves in a word; before the first, memory is 0. */
static uint64_t word(uint64_t pass, size_t i)
{
	return pass * (i + 1) * L2_SEED;
}

/* -> whether all was as the pass before had left it. Sleeps until a tick now and then. */
static int work(uint64_t pass)
{
	uint64_t *data = (uint64_t *)(uintptr_t)L2_DATA;
	int kept = 1;

	for (size_t i = 0; i < WORDS; i++) {
		kept &= data[i] == word(pass - 1, i);
		data[i] = word(pass, i);
		if (i % PART == 0)
			__asm__ volatile("hlt" ::: "memory");
	}
	return kept;
}

static uint32_t crc_of_data(void)
{
	static uint32_t table[256];

	crc32_table(table);
	return crc32(table, (const uint8_t *)(uintptr_t)L2_DATA, L2_DATA_SIZE);
}

void l2_pressure(void)
{
	uint64_t pass = 0;
	int kept = 1;

	use_own_pages();
	l2_use_x2apic();
	l2_start_timer(0, 0);
	arm();
	__asm__ volatile("sti");
	while (kept && !twice && l2_in8(L2_PORT_MORE))
		kept = work(++pass);
	stop = 1;
	while (armed && !is_lost())
		__asm__ volatile("pause");
	__asm__ volatile("cli");

	l2_check(!twice, "no timer interrupt came without its expiry");
	l2_check(arms == ticks, "each expiry of the timer brought its interrupt");
	l2_check(kept, "memory kept what was written");
	l2_out32(L2_PORT_CRC, crc_of_data());
	l2_out32(L2_PORT_TICKS, ticks);
}
