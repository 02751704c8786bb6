/*
 * What a local APIC does with interrupts, as its user sees it: priorities, EOI, interprocessor interrupts
 * to itself, its timer, the 8259 behind it and the I/O APIC before it; in xAPIC and in x2APIC mode.
 */
#include "guest/apic/local.h"
#include "guest/lib/start.h"

static void test_all(void)
{
	test_priorities();
	test_ipis();
	test_x2apic_faults();
	test_timer();
	test_lines();
	test_instructions();
	test_l2();
	measure();
}

void guest_main(void)
{
	print("The local APIC\n");
	local_init();
	test_all();
	if (local_has_x2apic()) {
		local_to_x2apic();
		test_all();
	} else {
		print("~ skipped: this processor has no x2APIC\n");
	}
	check_total();
}
