/*
 * The 8254's output 0: an edge for the 8259, whose interrupt is an ExtINT; and, as it stays high in mode
 * 0, a level for the I/O APIC. SDM: "Interrupt Acceptance for Fixed Interrupts", "EOI Register";
 * 8259A and 82093AA data sheets.
 */
#include "guest/apic/local.h"

#define PIT_MODE 0x43
#define PIT_CHANNEL0 0x40
#define PIT_LOW_HIGH_MODE0 0x30
#define PIC 0x20
#define PIC_MASK 0x21
#define PIC_READ_IRR 0x0a
#define PIC_READ_ISR 0x0b
#define PIC_EOI 0x20
#define LVT_EXTINT 0x700u
#define LVT_MASKED 0x10000u
#define IO_APIC 0xfec00000ull
#define IO_PIN 2 /* where systems with an 8254 have it */
#define RTE_LEVEL BIT(15)
#define RTE_MASKED BIT(16)
#define LEVEL_VECTOR 0x51

/* The output goes low, and high for good after some microseconds. */
static void pit_start(void)
{
	outb(PIT_MODE, PIT_LOW_HIGH_MODE0);
	outb(PIT_CHANNEL0, 200);
	outb(PIT_CHANNEL0, 0);
}

static void pit_low(void)
{
	outb(PIT_MODE, PIT_LOW_HIGH_MODE0);
}

/* --- the 8259 --- */

static void pic_init(u8 base)
{
	outb(PIC, 0x11);
	outb(PIC_MASK, base);
	outb(PIC_MASK, 4);
	outb(PIC_MASK, 1);
	outb(PIC_MASK, 0xff);
}

static u8 pic_read(u8 what)
{
	outb(PIC, what);
	return inb(PIC) & 1;
}

static bool pic_requests(void)
{
	return pic_read(PIC_READ_IRR);
}

static void pending_at_the_8259(void)
{
	pit_low();
	outb(PIC_MASK, 0xfe);
	pit_start();
	check_true(local_mode, "IF = 0: the 8259 requests", wait_until(pic_requests));
	check_value(local_mode, "and is not acknowledged", 0, pic_read(PIC_READ_ISR));
}

static void test_8259(void)
{
	local_put(LVT_LINT0, LVT_EXTINT);
	pic_init(0x20);
	pending_at_the_8259();
	check_text(local_mode, "IF = 1: ExtINT", "20", irq_taken());
	check_value(local_mode, "in service at the 8259", 1, pic_read(PIC_READ_ISR));
	check_text(local_mode, "not at the local APIC", "none", local_vectors(ISR));
	outb(PIC, PIC_EOI);
	check_value(local_mode, "until its EOI", 0, pic_read(PIC_READ_ISR));
	check_text(local_mode, "one edge is one interrupt", "none", irq_taken());

	local_put(TPR, 0xf0);
	pending_at_the_8259();
	check_text(local_mode, "TPR does not hold an ExtINT", "20", irq_taken());
	outb(PIC, PIC_EOI);
	local_put(TPR, 0);

	pending_at_the_8259();
	pic_init(0x28); /* forgets the request, as at the start of an operating system */
	outb(PIC_MASK, 0xff);
	check_text(local_mode, "the 8259 is reset while IF = 0: nothing comes", "none", irq_taken());
	pit_low();
	outb(PIC_MASK, 0xfe);
	pit_start();
	check_text(local_mode, "its new vector", "28", irq_wait(1));
	outb(PIC, PIC_EOI);
	outb(PIC_MASK, 0xff);
	local_put(LVT_LINT0, LVT_MASKED);
	pit_low();
}

/* --- the I/O APIC --- */

static void io_put(u32 reg, u32 value)
{
	*(volatile u32 *)IO_APIC = reg;
	*(volatile u32 *)(IO_APIC + 0x10) = value;
}

static void rte_set(u32 low)
{
	io_put(0x11 + 2 * IO_PIN, local_id() << 24);
	io_put(0x10 + 2 * IO_PIN, low);
}

static bool level_in_irr(void)
{
	return local_has(IRR, LEVEL_VECTOR);
}

/*
 * The simulated I/O APIC has no Remote IRR, and looks at a level that is still up only when it is written
 * to. Where it does not need that, the second write changes nothing.
 */
static void end_of_level(void)
{
	local_put(EOI, 0);
	rte_set(RTE_LEVEL | LEVEL_VECTOR);
}

static void test_io_apic(void)
{
	pit_low();
	rte_set(RTE_LEVEL | LEVEL_VECTOR);
	irq_eoi = false;
	pit_start();
	check_true(local_mode, "a level arrives in IRR", wait_until(level_in_irr));
	check_true(local_mode, "with its bit in TMR", local_has(TMR, LEVEL_VECTOR));
	check_text(local_mode, "it is taken", "51", irq_taken());
	check_text(local_mode, "once", "none", irq_taken());
	local_send(0, ICR_SELF | 0x44);
	check_text(local_mode, "lower ones wait for its EOI", "none", irq_taken());
	local_send(0, ICR_SELF | 0x66);
	check_text(local_mode, "higher ones do not", "66", irq_taken());
	local_put(EOI, 0);
	check_text(local_mode, "their EOI is not that of the level", "51", local_vectors(ISR));
	check_text(local_mode, "which does not come again", "none", irq_taken());
	end_of_level();
	check_text(local_mode, "EOI while the line is up: again", "51", irq_taken());
	pit_low();
	local_put(EOI, 0);
	check_text(local_mode, "EOI when the line is down: then the lower one", "44", irq_taken());
	local_put(EOI, 0);
	check_text(local_mode, "nothing is left", "none", irq_taken());
	irq_eoi = true;
	rte_set((u32)RTE_MASKED);
}

/*
 * A level comes, then a higher vector of its class, and L1 takes neither yet: because IF is 0, or because
 * TPR is high.
 */
static void test_two_of_a_class(u8 tpr)
{
	local_put(TPR, tpr);
	pit_low();
	rte_set(RTE_LEVEL | LEVEL_VECTOR);
	pit_start();
	wait_until(level_in_irr);
	if (tpr)
		check_text(local_mode, "TPR holds a level", "none", irq_taken());
	local_put(LVT_TIMER, 0x5a);
	local_put(DIVIDE, 0xb);
	local_put(INITIAL_COUNT, 1000);
	for (unsigned i = 0; i < 10000; i++)
		asm volatile("nop");
	if (tpr)
		check_text(local_mode, "and a higher vector of its class", "none", irq_taken());
	irq_eoi = false;
	check_text(local_mode, "both are requested", "51 5a", local_vectors(IRR));
	local_put(TPR, 0);
	check_text(local_mode, "the higher is first", "5a", irq_taken());
	local_put(EOI, 0);
	check_text(local_mode, "then the level", "51", irq_taken());
	pit_low();
	local_put(EOI, 0);
	irq_eoi = true;
	local_put(LVT_TIMER, LVT_MASKED);
	rte_set((u32)RTE_MASKED);
}

/* An edge of the same pin: no Remote IRR, no TMR bit. */
static void test_io_apic_edge(void)
{
	pit_low();
	rte_set(LEVEL_VECTOR);
	pit_start();
	check_true(local_mode, "an edge arrives in IRR", wait_until(level_in_irr));
	check_true(local_mode, "without a bit in TMR", !local_has(TMR, LEVEL_VECTOR));
	check_text(local_mode, "it is taken", "51", irq_taken());
	check_text(local_mode, "once, though the line is up", "none", irq_taken());
	rte_set((u32)RTE_MASKED);
	pit_low();
}

void test_lines(void)
{
	test_8259();
	test_io_apic();
	test_two_of_a_class(0);
	test_two_of_a_class(0xf0);
	test_io_apic_edge();
}
