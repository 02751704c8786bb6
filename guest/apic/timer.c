/* SDM: "APIC Timer". */
#include "guest/apic/local.h"

#define VECTOR 0x45
#define ONE_SHOT 0u
#define PERIODIC 0x20000u
#define TSC_DEADLINE 0x40000u
#define MASKED 0x10000u
#define DIVIDE_BY_1 0xbu
#define MSR_TSC_DEADLINE 0x6e0
#define COUNT 100000u

static bool timer_in_irr(void)
{
	return local_has(IRR, VECTOR);
}

static void test_counting(void)
{
	local_put(DIVIDE, DIVIDE_BY_1);
	local_put(LVT_TIMER, MASKED | VECTOR);
	local_put(INITIAL_COUNT, 0x40000000);
	u32 first = local_get(CURRENT_COUNT), second = local_get(CURRENT_COUNT);
	check_true(local_mode, "the timer counts down", first < 0x40000000 && second < first);
	local_put(INITIAL_COUNT, 0);
	check_value(local_mode, "a count of 0 stops it", 0, local_get(CURRENT_COUNT));
}

static void test_one_shot(void)
{
	local_put(LVT_TIMER, ONE_SHOT | VECTOR);
	local_put(INITIAL_COUNT, COUNT);
	check_true(local_mode, "one-shot, IF = 0: IRR has it in the end", wait_until(timer_in_irr));
	check_value(local_mode, "the count is 0", 0, local_get(CURRENT_COUNT));
	check_text(local_mode, "it is taken when IF is 1", "45", irq_taken());
	local_put(INITIAL_COUNT, COUNT);
	check_text(local_mode, "one-shot, IF = 1", "45", irq_wait(1));
	local_put(INITIAL_COUNT, COUNT);
	asm volatile("sti; hlt; cli" : : : "memory");
	check_text(local_mode, "one-shot ends HLT", "45", irq_taken());
}

static void test_periodic(void)
{
	local_put(LVT_TIMER, PERIODIC | VECTOR);
	local_put(INITIAL_COUNT, COUNT);
	check_text(local_mode, "periodic", "45 45 45 45 45", irq_wait(5));
	local_put(LVT_TIMER, MASKED | VECTOR);
	local_put(INITIAL_COUNT, 0);
	irq_taken();
	local_put(LVT_TIMER, MASKED | VECTOR);
	local_put(INITIAL_COUNT, COUNT);
	for (u64 start = rdtsc(); rdtsc() - start < 3 * COUNT;)
		continue;
	check_text(local_mode, "masked", "none", irq_taken());
	local_put(INITIAL_COUNT, 0);
}

static void test_deadline(void)
{
	if (!(cpuid(1).ecx & BIT(24))) {
		print("~ skipped: this processor has no TSC deadline\n");
		return;
	}
	local_put(LVT_TIMER, TSC_DEADLINE | VECTOR);
	u64 start = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, start + COUNT);
	check_text(local_mode, "TSC deadline", "45", irq_wait(1));
	check_true(local_mode, "not before its time", rdtsc() - start >= COUNT);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + COUNT);
	check_true(local_mode, "TSC deadline, IF = 0: IRR has it", wait_until(timer_in_irr));
	check_text(local_mode, "and it is taken", "45", irq_taken());
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + COUNT);
	wrmsr(MSR_TSC_DEADLINE, 0);
	while (rdtsc() - start < 6 * COUNT)
		continue;
	check_text(local_mode, "a deadline of 0 disarms", "none", irq_taken());
	local_put(LVT_TIMER, MASKED | VECTOR);
}

void test_timer(void)
{
	test_counting();
	test_one_shot();
	test_periodic();
	test_deadline();
}
