/*
 * EPT12 from L1's side: rights, flags, pages of each size, and what INVEPT is needed for; the same on
 * the bare processor and as L1.
 */
#include "guest/ept/play.h"
#include "guest/lib/check.h"
#include "guest/lib/start.h"

void guest_main(void)
{
	print("The rules of EPT\n");
	if (!vmx_present() || !vmx_prepare()) {
		print("FAIL this processor has no VMX, or the firmware forbids it\n");
		return;
	}
	vmx_on();
	if (!play_has(0)) {
		print("FAIL this processor has no EPT\n");
		return;
	}
	test_rights();
	test_misconfigured();
	test_leaves();
	test_flags();
	test_changes();
	test_pointers();
	test_many();
	test_bitmaps();
	check_total();
}
