/*
 * Interrupts while L2 runs: its own, where L1 leaves them to it, and exits, where L1 does not.
 * SDM: "External Interrupts" among the causes of VM exits, "Acknowledge interrupt on exit".
 */
#include "guest/apic/local.h"
#include "guest/lib/ept.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"

static struct l2 l2;
static const char *mode;

static void value(const char *what, u64 expected, u64 seen)
{
	check_value(mode, what, expected, seen);
}

static void set_proc(u32 proc, u64 eptp, u32 proc2)
{
	static void *bitmap;

	bitmap = bitmap ? bitmap : page_alloc();
	proc2 |= eptp ? PROC2_ENABLE_EPT : 0;
	VMCS_SET({VMCS_PROC_CONTROLS, vmx_controls(PROC, proc | (proc2 ? PROC_ACTIVATE_SECONDARY : 0))},
		 {VMCS_MSR_BITMAP, (u64)bitmap});
	if (proc2)
		vmcs_set(VMCS_PROC2_CONTROLS, vmx_controls(PROC2, proc2));
}

/* L2 runs in this program, with its tables, on a stack of its own. */
static void l2_start(void (*code)(void), u64 eptp)
{
	struct table_pointer gdtr = read_gdtr(), idtr = read_idtr();

	l2.region = vmcs_alloc();
	l2.launched = false;
	vmcs_load(l2.region);
	vmcs_set_host();
	l2_set_controls(LONG_64, eptp);
	set_proc(PROC_USE_MSR_BITMAPS, eptp, 0);
	l2_set_registers(LONG_64, read_cr3(), eptp != 0);
	VMCS_SET({VMCS_GUEST_GDTR_BASE, gdtr.base}, {VMCS_GUEST_GDTR_LIMIT, gdtr.limit},
		 {VMCS_GUEST_IDTR_BASE, idtr.base}, {VMCS_GUEST_IDTR_LIMIT, idtr.limit},
		 {VMCS_GUEST_RIP, (u64)code}, {VMCS_GUEST_RSP, (u64)page_alloc() + 4096 - 8},
		 {VMCS_GUEST_RFLAGS, RFLAGS_FIXED1});
}

static void code_own(void)
{
	static u64 cr8;

	asm volatile("sti");
	local_send(0, ICR_SELF | 0x81);
	write_cr8(9);
	local_send(0, ICR_SELF | 0x91);
	cr8 = read_cr8();
	local_send(0, ICR_SELF | 0xa1);
	write_cr8(cr8 - 1);
	asm volatile("nop; cli");
	local_send(0, ICR_SELF | 0xb1);
	asm volatile("sti; hlt; cli; vmcall");
	for (;;)
		asm volatile("sti; pause; cli; vmcall");
}

/* Nothing of L1's controls is about interrupts: L2 has the processor's, CR8 and the APIC's page too. */
static void test_own(u64 eptp)
{
	l2_start(code_own, eptp);
	value("L2's interrupts are its own: exit", EXIT_REASON_VMCALL, vm_enter(&l2)->reason);
	check_text(mode, "by APIC and by CR8, in this order", "81 a1 91 b1", irq_taken());
	value("CR8 is L1's TPR too", 8, read_cr8());
	write_cr8(0);
	local_send(0, ICR_SELF | 0xc1);
	vm_skip_instruction(&l2);
	value("an interrupt that waits since L1 had IF = 0: exit", EXIT_REASON_VMCALL,
	      vm_enter(&l2)->reason);
	check_text(mode, "it is taken in L2", "c1", irq_taken());
}

static void code_spin(void)
{
	asm volatile("sti");
	for (;;)
		asm volatile("pause");
}

static void test_exits(u64 eptp, bool acknowledge)
{
	u32 exit = EXIT_HOST_ADDRESS_SPACE_SIZE | (acknowledge ? EXIT_ACK_INTERRUPT_ON_EXIT : 0);

	l2_start(code_spin, eptp);
	VMCS_SET({VMCS_PIN_CONTROLS, vmx_controls(PIN, PIN_EXTERNAL_INTERRUPT_EXITING)},
		 {VMCS_EXIT_CONTROLS, vmx_controls(EXIT, exit)},
		 {VMCS_GUEST_RFLAGS, RFLAGS_FIXED1 | RFLAGS_IF});
	local_send(0, ICR_SELF | 0x82);
	const struct vm_exit *e = vm_enter(&l2);
	value("an interrupt that waits exits", EXIT_REASON_EXTERNAL_INTERRUPT, e->reason);
	value("before L2's first instruction", (u64)code_spin, e->rip);
	value("its vector is told if it was acknowledged", acknowledge ? 0x80000082 : 0, e->interruption);
	check_text(mode, "then it is in service", acknowledge ? "82" : "none", local_vectors(ISR));
	check_text(mode, "else still requested", acknowledge ? "none" : "82", local_vectors(IRR));
	if (acknowledge)
		local_put(EOI, 0);
	else
		check_text(mode, "and L1 takes it", "82", irq_taken());
	local_put(DIVIDE, 0xb);
	local_put(LVT_TIMER, 0x45);
	local_put(INITIAL_COUNT, 100000);
	e = vm_enter(&l2);
	value("the timer ends an L2 that spins", EXIT_REASON_EXTERNAL_INTERRUPT, e->reason);
	value("it is the timer's", acknowledge ? 0x80000045 : 0, e->interruption);
	value("with nothing in delivery", 0, e->vectoring & INTR_VALID);
	if (acknowledge)
		local_put(EOI, 0);
	else
		check_text(mode, "L1 takes it", "45", irq_taken());
	local_put(LVT_TIMER, 0x10045);
}

/* --- an L2 with a local APIC of its own. SDM: "APIC Virtualization and Virtual Interrupts" --- */

static u64 seen[4];

static void code_access(void)
{
	volatile u32 *tpr = (volatile u32 *)(XAPIC + TPR), *id = (volatile u32 *)(XAPIC + ID);

	seen[0] = *tpr;
	*tpr = 0x60;
	seen[1] = read_cr8();
	asm volatile("vmcall");
	seen[2] = *id;
	for (;;)
		asm volatile("vmcall");
}

/* L2's APIC-access page is the very page of the xAPIC. */
static void test_access_page(u64 eptp)
{
	u32 *page = page_alloc();
	const u32 proc2 = PROC2_VIRTUALIZE_APIC_ACCESSES;

	if (!vmx_allows(PROC, PROC_USE_TPR_SHADOW) || !vmx_allows(PROC2, proc2)) {
		print("~ skipped: no virtualization of APIC accesses\n");
		return;
	}
	l2_start(code_access, eptp);
	set_proc(PROC_USE_TPR_SHADOW, eptp, proc2);
	VMCS_SET({VMCS_VIRTUAL_APIC_ADDRESS, (u64)page}, {VMCS_APIC_ACCESS_ADDRESS, XAPIC},
		 {VMCS_TPR_THRESHOLD, 0});
	page[TPR / 4] = 0x50;
	local_put(TPR, 0x20);
	value("TPR in the APIC-access page: exit", EXIT_REASON_VMCALL, vm_enter(&l2)->reason);
	value("L2 reads its own", 0x50, seen[0]);
	value("and writes it", 0x60, page[TPR / 4]);
	value("CR8 is that one", 6, seen[1]);
	value("L1's TPR is as it was", 0x20, local_get(TPR));
	vm_skip_instruction(&l2);
	const struct vm_exit *e = vm_enter(&l2);
	value("ID in the APIC-access page: exit", EXIT_REASON_APIC_ACCESS, e->reason);
	value("a linear read at 20H", ID, e->qualification);
	local_put(TPR, 0);
}

static void code_x2apic(void)
{
	seen[0] = rdmsr(MSR_X2APIC + TPR / 16);
	wrmsr(MSR_X2APIC + TPR / 16, 0x60);
	seen[1] = read_cr8();
	for (;;)
		asm volatile("vmcall");
}

static void test_x2apic_mode(u64 eptp)
{
	u32 *page = page_alloc();
	const u32 proc2 = PROC2_VIRTUALIZE_X2APIC_MODE;

	if (!vmx_allows(PROC, PROC_USE_TPR_SHADOW) || !vmx_allows(PROC2, proc2)) {
		print("~ skipped: no virtualization of x2APIC mode\n");
		return;
	}
	l2_start(code_x2apic, eptp);
	set_proc(PROC_USE_TPR_SHADOW | PROC_USE_MSR_BITMAPS, eptp, proc2);
	VMCS_SET({VMCS_VIRTUAL_APIC_ADDRESS, (u64)page}, {VMCS_TPR_THRESHOLD, 0});
	page[TPR / 4] = 0x50;
	local_put(TPR, 0x20);
	value("TPR of L2's x2APIC: exit", EXIT_REASON_VMCALL, vm_enter(&l2)->reason);
	value("L2 reads its own", 0x50, seen[0]);
	value("and writes it", 0x60, page[TPR / 4]);
	value("CR8 is that one", 6, seen[1]);
	value("L1's TPR is as it was", 0x20, local_get(TPR));
	local_put(TPR, 0);
}

void test_l2(void)
{
	static bool on;

	if (!on && (!vmx_present() || !vmx_prepare())) {
		print("~ skipped: no VMX\n");
		return;
	}
	if (!on)
		vmx_on();
	on = true;
	for (int ept = 0; ept <= 1; ept++) {
		u64 eptp = ept ? ept_create() : 0;

		mode = local_x2apic ? (ept ? "L2, EPT, x2APIC" : "L2, x2APIC") : (ept ? "L2, EPT" : "L2");
		test_own(eptp);
		test_exits(eptp, false);
		test_exits(eptp, true);
		if (!local_x2apic)
			test_access_page(eptp);
		test_x2apic_mode(eptp);
	}
}
