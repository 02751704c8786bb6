/* The guest of L1's KVM: in its usual job each step prints one line, or says what is wrong and ends. */
#include "l2.h"

#define TICKS 10

enum { MSR_APIC_BASE = 0x1B, MSR_X2APIC = 0x800 };

struct gate {
	uint16_t offset0, selector, type, offset1;
	uint32_t offset2, reserved;
};

static struct gate idt[256] __attribute__((aligned(4096)));
static uint32_t table[256];
static volatile uint32_t ticks, breakpoints, undefined;
static volatile uint64_t fault_address;
static int x2apic;

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

void l2_out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

uint8_t l2_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void print(const char *text)
{
	while (*text)
		out8(L2_PORT_TEXT, (uint8_t)*text++);
}

/* A whole line with one string instruction. */
static void print_string(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	__asm__ volatile("rep outsb" : "+S"(text), "+c"(length) : "d"((uint16_t)L2_PORT_TEXT) : "memory");
}

void l2_check(int well, const char *step)
{
	print(well ? "L2: ok " : "L2: WRONG ");
	print(step);
	print("\n");
	if (!well)
		out8(L2_PORT_END, 1);
}

void l2_apic_write(uint32_t reg, uint32_t value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + reg / 16, value);
	else
		*(volatile uint32_t *)(uintptr_t)(0xFEE00000u + reg) = value;
}

uint32_t l2_apic_read(uint32_t reg)
{
	if (x2apic)
		return (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
	return *(volatile uint32_t *)(uintptr_t)(0xFEE00000u + reg);
}

void l2_use_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400);
	x2apic = 1;
}

INTERRUPT static void on_timer(struct frame *frame)
{
	(void)frame;
	ticks++;
	l2_apic_write(APIC_EOI, 0);
}

INTERRUPT static void on_breakpoint(struct frame *frame)
{
	(void)frame;
	breakpoints++;
}

INTERRUPT static void on_undefined(struct frame *frame)
{
	undefined++;
	frame->rip += 2;
}

INTERRUPT static void on_page_fault(struct frame *frame, uint64_t error)
{
	uint64_t address;

	(void)error;
	__asm__ volatile("mov %%cr2, %0" : "=r"(address));
	fault_address = address;
	frame->rip += 2;
}

INTERRUPT static void on_other(struct frame *frame)
{
	(void)frame;
	l2_check(0, "an exception that nobody asked for");
}

void l2_set_gate(int vector, void *handler, uint16_t ist)
{
	uint64_t at = (uintptr_t)handler;

	idt[vector] = (struct gate){(uint16_t)at,         8, 0x8E00 | ist, (uint16_t)(at >> 16),
				    (uint32_t)(at >> 32), 0};
}

static void set_idt(void)
{
	struct {
		uint16_t limit;
		void *base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, idt};

	for (int vector = 0; vector < 32; vector++)
		l2_set_gate(vector, on_other, 0);
	l2_set_gate(3, on_breakpoint, 0);
	l2_set_gate(6, on_undefined, 0);
	l2_set_gate(14, on_page_fault, 0);
	l2_set_gate(TIMER_VECTOR, on_timer, 0);
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void l2_start_timer(uint32_t mode, uint32_t count)
{
	l2_apic_write(APIC_SVR, 0x1FF);
	l2_apic_write(APIC_DIVIDE, 0xB);
	l2_apic_write(APIC_LVT_TIMER, mode | TIMER_VECTOR);
	l2_apic_write(APIC_COUNT, count);
}

/* Ticks that come while L2 sleeps, then while it is busy. */
static int take_ticks(void)
{
	ticks = 0;
	while (ticks < TICKS)
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	ticks = 0;
	__asm__ volatile("sti");
	while (ticks < TICKS)
		__asm__ volatile("pause");
	__asm__ volatile("cli");
	return 1;
}

static uint32_t crc_of_data(void)
{
	uint64_t *data = (uint64_t *)(uintptr_t)L2_DATA;
	uint64_t x = L2_SEED;

	for (size_t i = 0; i < L2_DATA_SIZE / sizeof(*data); i++)
		data[i] = x = xorshift(x);
	crc32_table(table);
	return crc32(table, (const uint8_t *)data, L2_DATA_SIZE);
}

static void exceptions(void)
{
	__asm__ volatile("int3" ::: "memory");
	l2_check(breakpoints == 1, "breakpoint");
	__asm__ volatile("ud2" ::: "memory");
	l2_check(undefined == 1, "undefined instruction");
	__asm__ volatile("movb %%al, (%0)" : : "b"(0x40001000ul) : "memory");
	l2_check(fault_address == 0x40001000ul, "page fault, its address in CR2");
}

static void exits(void)
{
	uint32_t a = 0, b, c, d;
	long answer = 9999; /* no hypercall of KVM */

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	l2_check(b == 0x756E6547 && d == 0x49656E69 && c == 0x6C65746E, "CPUID says GenuineIntel");
	__asm__ volatile("vmcall" : "+a"(answer) : : "memory");
	l2_check(answer == -1000, "VMCALL that KVM does not know answers -ENOSYS");
	l2_check(*(volatile uint32_t *)(uintptr_t)L2_DEVICE == L2_DEVICE_ANSWER,
		 "device register read through L1");
}

static void features(void)
{
	l2_check((rdmsr(0xC0000080) & 0x500) == 0x500, "64-bit mode");
	exceptions();
	exits();
	l2_start_timer(LVT_PERIODIC, 1000000);
	l2_check(take_ticks(), "timer interrupts, local APIC in memory");
	l2_use_x2apic();
	l2_start_timer(LVT_PERIODIC, 1000000);
	l2_check(take_ticks(), "timer interrupts, x2APIC");

	__asm__ volatile("sti"); /* the timer goes on */
	l2_out32(L2_PORT_CRC, crc_of_data());
	__asm__ volatile("cli");
}

void l2_main(enum l2_job job);
void l2_main(enum l2_job job)
{
	set_idt();
	if (job == L2_JOB_PRESSURE)
		l2_pressure();
	else
		features();
	print_string("L2: ok the end\n");
	out8(L2_PORT_END, 0);
}
