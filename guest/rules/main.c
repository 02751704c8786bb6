/*
 * Tries the rules of the VMX instructions one by one, on the bare processor or as L1.
 */
#include "guest/lib/check.h"
#include "guest/lib/console.h"
#include "guest/lib/start.h"
#include "guest/rules/rules.h"
#include "guest/rules/state.h"

void guest_main(void)
{
	print("The rules of the VMX instructions\n");
	if (!vmx_present()) {
		print("FAIL this processor has no VMX\n");
		return;
	}
	state_init();
	rules_before_vmx();
	if (!vmx_prepare()) {
		print("FAIL the firmware forbids VMX\n");
		return;
	}
	rules_vmxon();
	rules_pointers();
	rules_access();
	rules_operands();
	rules_entry();
	rules_mode();
	rules_many();
	rules_invalidate();
	rules_l2();
	state_outside();
	check_total();
}
