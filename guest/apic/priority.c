/* SDM: "Interrupt, Task, and Processor Priority", "Signaling Interrupt Servicing Completion". */
#include "guest/apic/local.h"

static void self(u8 vector)
{
	local_send(0, ICR_SELF | vector);
}

static void text(const char *what, const char *expected, const char *seen)
{
	check_text(local_mode, what, expected, seen);
}

static void value(const char *what, u64 expected, u64 seen)
{
	check_value(local_mode, what, expected, seen);
}

static void test_tpr(void)
{
	local_put(TPR, 0x35);
	value("TPR reads what was written", 0x35, local_get(TPR));
	value("CR8 is bits 7:4 of TPR", 3, read_cr8());
	value("PPR is TPR where nothing is in service", 0x35, local_get(PPR));
	write_cr8(7);
	value("MOV to CR8 sets TPR", 0x70, local_get(TPR));
	value("and PPR", 0x70, local_get(PPR));
	local_put(TPR, 0);
	value("CR8 after TPR is 0", 0, read_cr8());
}

static void test_under_tpr(void)
{
	static const u8 vectors[] = {0x52, 0x41, 0x6f, 0x63};

	local_put(TPR, 0x60);
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++)
		self(vectors[i]);
	text("four requests are in IRR", "41 52 63 6f", local_vectors(IRR));
	text("none in ISR", "none", local_vectors(ISR));
	text("TPR holds its own class and those below", "none", irq_taken());
	write_cr8(5);
	text("a lower CR8 lets the class above it through, the highest first", "6f 63", irq_taken());
	text("the others wait", "41 52", local_vectors(IRR));
	local_put(TPR, 0x4f);
	text("a lower TPR likewise", "52", irq_taken());
	write_cr8(3);
	text("and CR8 again", "41", irq_taken());
	text("IRR is empty", "none", local_vectors(IRR));
	text("ISR is empty", "none", local_vectors(ISR));
	write_cr8(0);
}

static void test_off_and_on(void)
{
	self(0x48);
	value("with IF = 0 a request stays in IRR", 1, local_has(IRR, 0x48));
	self(0x48);
	text("two requests of one vector are one interrupt", "48", irq_taken());
	text("and no more", "none", irq_taken());
}

static void test_in_service(void)
{
	irq_eoi = false;
	self(0x4f);
	text("no EOI: taken", "4f", irq_taken());
	text("in service", "4f", local_vectors(ISR));
	value("PPR is its class", 0x40, local_get(PPR));
	self(0x41);
	self(0x3e);
	text("the same class and lower ones wait", "none", irq_taken());
	self(0x52);
	text("a higher one does not", "52", irq_taken());
	text("both are in service", "4f 52", local_vectors(ISR));
	value("PPR is the higher class", 0x50, local_get(PPR));
	local_put(TPR, 0x58);
	value("PPR is TPR where the class is the same", 0x58, local_get(PPR));
	local_put(TPR, 0);
	self(0x52);
	value("one more of a vector in service waits in IRR", 1, local_has(IRR, 0x52));
	local_put(EOI, 0);
	text("EOI ends the highest", "4f", local_vectors(ISR));
	text("then the second one comes", "52", irq_taken());
	local_put(EOI, 0);
	local_put(EOI, 0);
	text("EOI of 52 and 4f", "none", local_vectors(ISR));
	text("lets 41 in", "41", irq_taken());
	text("3e still waits", "3e", local_vectors(IRR));
	local_put(EOI, 0);
	text("until the last EOI", "3e", irq_taken());
	local_put(EOI, 0);
	local_put(EOI, 0);
	text("an EOI too many does nothing", "none", local_vectors(ISR));
	irq_eoi = true;
}

/* Every class, sent upwards, is taken downwards. */
static void test_all_classes(void)
{
	for (u32 vector = 0x21; vector <= 0xf1; vector += 0x10)
		self((u8)vector);
	text("all classes, the highest first", "f1 e1 d1 c1 b1 a1 91 81 71 61 51 41 31 21", irq_taken());
	for (u32 class = 2; class <= 15; class ++) {
		write_cr8(class);
		self((u8)(class << 4 | 8));
	}
	for (u32 class = 15; class >= 2; class --) {
		char expected[8];

		format(expected, sizeof(expected), "%x", class << 4 | 8);
		write_cr8(class - 1);
		text("one class more for each step down", expected, irq_taken());
	}
	write_cr8(0);
}

void test_priorities(void)
{
	test_tpr();
	test_under_tpr();
	test_off_and_on();
	test_in_service();
	test_all_classes();
}
