/*
 * Events for L2, and interrupts for L1 while L2 runs.
 */
#include "guest/bench/bench.h"
#include "guest/lib/asm.h"
#include "vmx/msr.h"

#define VECTOR 0x60
#define INJECT (INTR_VALID | INTR_EXTERNAL << 8 | VECTOR)

/* The local APIC. SDM: volume 3A, "Local APIC Register Address Map". */
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR 0x300
#define APIC_ENABLE 0x1ff /* with the spurious vector */
#define ICR_TO_SELF (1u << 18)

static volatile u32 *apic;

u64 run_inject(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		fast_vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, INJECT);
		bad |= vm_round(&vm, true);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}

/* L2 halted; a vector wakes it, and it halts again. */
u64 run_hlt_wake(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		fast_vmwrite(VMCS_GUEST_ACTIVITY_STATE, HLT);
		fast_vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, INJECT);
		bad |= vm_round(&vm, true);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}

static void interrupt_self(void)
{
	apic[APIC_ICR / 4] = ICR_TO_SELF | VECTOR;
}

/* The exit acknowledges; no instruction has to be skipped. */
static u64 interrupt_round(bool launched)
{
	u64 failed = vm_enter_raw(vm.gpr, launched);
	u64 reason = fast_vmread(VMCS_EXIT_REASON);
	u64 info = fast_vmread(VMCS_EXIT_INTERRUPTION_INFO);

	apic[APIC_EOI / 4] = 0;
	return failed | (reason ^ vm.plan.reason) | (info ^ INJECT);
}

void prepare_apic(const struct figure *f)
{
	apic = (volatile u32 *)(rdmsr(MSR_IA32_APIC_BASE) & BITS(31, 12));
	apic[APIC_SPURIOUS / 4] = APIC_ENABLE;
	vm_create(&vm, &f->plan);
	interrupt_self();
	u64 bad = interrupt_round(false);
	if (bad)
		figure_bad("the first entry: exit reason, or its difference", bad);
}

/* L1 sends itself an interrupt while it takes none; as soon as L2 runs, it exits. */
u64 run_irq_exit(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		interrupt_self();
		bad |= interrupt_round(true);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}
