/* SDM: "Issuing Interprocessor Interrupts", "ICR Operation in x2APIC Mode", "SELF IPI Register". */
#include "guest/apic/local.h"

static void sent(const char *what, const char *expected, u32 destination, u32 icr)
{
	local_send(destination, icr);
	check_text(local_mode, what, expected, irq_taken());
}

static u64 send_nmi(u64 a, u64 b, u64 c)
{
	(void)a, (void)b, (void)c;
	local_send(local_id(), ICR_NMI | ICR_ASSERT);
	for (unsigned i = 0; i < 1000; i++)
		asm volatile("nop");
	return RFLAGS_FIXED1;
}

static void test_destinations(void)
{
	u32 other = local_id() ^ 5;

	sent("to itself by shorthand", "61", 0, ICR_SELF | 0x61);
	sent("to all by shorthand", "62", 0, ICR_ALL | ICR_ASSERT | 0x62);
	sent("to all others by shorthand", "none", 0, ICR_OTHERS | ICR_ASSERT | 0x63);
	sent("to its own ID", "64", local_id(), ICR_ASSERT | 0x64);
	sent("to another ID", "none", other, ICR_ASSERT | 0x65);
	sent("broadcast", "66", local_x2apic ? ~0u : 0xff, ICR_ASSERT | 0x66);
}

static void test_logical(void)
{
	if (local_x2apic) {
		u32 ldr = local_get(LDR);

		check_value(local_mode, "LDR comes from the ID",
			    (local_id() >> 4) << 16 | 1u << (local_id() & 15), ldr);
		sent("to its logical ID", "71", ldr, ICR_LOGICAL | ICR_ASSERT | 0x71);
		sent("to another cluster", "none", ldr ^ 0x10000, ICR_LOGICAL | ICR_ASSERT | 0x72);
		return;
	}
	sent("to its logical ID, flat", "71", 0x03, ICR_LOGICAL | ICR_ASSERT | 0x71);
	sent("to another logical ID", "none", 0x06, ICR_LOGICAL | ICR_ASSERT | 0x72);
	sent("lowest priority", "73", 0x01, ICR_LOGICAL | ICR_LOWEST | ICR_ASSERT | 0x73);
	local_put(DFR, 0x0fffffff);
	local_put(LDR, 0x21000000);
	sent("to its cluster", "74", 0x23, ICR_LOGICAL | ICR_ASSERT | 0x74);
	sent("to another cluster", "none", 0x13, ICR_LOGICAL | ICR_ASSERT | 0x75);
	local_put(DFR, 0xffffffff);
	local_put(LDR, 0x01000000);
}

static void test_icr(void)
{
	if (local_x2apic) {
		wrmsr(MSR_X2APIC + SELF_IPI / 16, 0x7a);
		check_text(local_mode, "SELF IPI", "7a", irq_taken());
		return;
	}
	local_put(ICR_HIGH, 0x12000000);
	check_value(local_mode, "ICR bits 63:32 read back", 0x12000000, local_get(ICR_HIGH));
	local_put(ICR, ICR_SELF | ICR_ASSERT | 0x77);
	check_value(local_mode, "ICR bits 31:0 read back, idle", ICR_SELF | ICR_ASSERT | 0x77,
		    local_get(ICR));
	check_text(local_mode, "a write of bits 63:32 alone sends nothing", "77", irq_taken());
}

/* The error is in ESR after a write of ESR. SDM: "Error Handling". */
static void test_illegal(void)
{
	local_put(ESR, 0);
	local_put(ESR, 0);
	local_send(0, ICR_SELF | 0x0a);
	check_text(local_mode, "an illegal vector does not arrive", "none", irq_taken());
	local_put(ESR, 0);
	check_true(local_mode, "but shows in ESR", local_get(ESR) & 0x60);
	local_put(ESR, 0);
}

void test_ipis(void)
{
	test_destinations();
	test_logical();
	test_icr();
	test_illegal();
	check_value(local_mode, "NMI to itself", VEC_NMI, (u64)trap_call(send_nmi, 0, 0, 0).vector);
}

/* --- reserved bits. SDM: "x2APIC Register Address Space" --- */

static void write_faults(const char *what, u32 reg, u64 value)
{
	check_insn(local_mode, what, GP0, try_wrmsr(MSR_X2APIC + reg / 16, value));
}

static void read_faults(const char *what, u32 reg)
{
	struct trap t = {.vector = NO_EXCEPTION};
	u32 low, high;

	trap_last.vector = NO_EXCEPTION;
	asm volatile("1:\trdmsr\n2:\t"
		     ".pushsection .extable, \"a\"\n\t.quad 1b, 2b\n\t.popsection"
		     : "=a"(low), "=d"(high)
		     : "c"(MSR_X2APIC + reg / 16)
		     : "memory");
	t = trap_result(RFLAGS_FIXED1);
	check_insn(local_mode, what, GP0, t);
}

void test_x2apic_faults(void)
{
	if (!local_x2apic) {
		read_faults("RDMSR of TPR in xAPIC mode", TPR);
		write_faults("WRMSR of EOI in xAPIC mode", EOI, 0);
		write_faults("WRMSR of ICR in xAPIC mode", ICR, ICR_SELF | 0x41);
		return;
	}
	write_faults("EOI takes 0 alone", EOI, 1);
	write_faults("TPR bit 8", TPR, 0x100);
	write_faults("TPR bit 32", TPR, BIT(32));
	write_faults("PPR is read-only", PPR, 0);
	write_faults("ISR is read-only", ISR, 0);
	write_faults("TMR is read-only", TMR + 0x70, 0);
	write_faults("IRR is read-only", IRR + 0x70, 0);
	write_faults("SELF IPI bit 32", SELF_IPI, BIT(32) | 0x41);
	read_faults("EOI is write-only", EOI);
	read_faults("SELF IPI is write-only", SELF_IPI);
	read_faults("there is no DFR", DFR);
	check_insn_defect(local_mode, "ICR bit 13", GP0, SUCCESS,
			  try_wrmsr(MSR_X2APIC + ICR / 16, 0x2000 | ICR_OTHERS | 0x41));
	check_insn_defect(local_mode, "ICR bit 20", GP0, SUCCESS,
			  try_wrmsr(MSR_X2APIC + ICR / 16, BIT(20) | ICR_OTHERS | 0x41));
}
