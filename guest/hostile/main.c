/*
 * An L1 that wants the memory of the hypervisor below it: it reads and writes every page of it, and
 * names it in every VMX structure. What it reads must be all ones, what it writes must be lost, and
 * the machine must go on. On the bare machine there is nothing to attack.
 */
#include "guest/hostile/hole.h"
#include "guest/lib/check.h"
#include "guest/lib/start.h"
#include "guest/lib/vmx.h"

void guest_main(void)
{
	print("Attacks on the hypervisor's memory\n");
	if (!vmx_present() || !vmx_prepare()) {
		print("FAIL this processor has no VMX, or the firmware forbids it\n");
		return;
	}
	if (!hole_find()) {
		print("skip all: no hypervisor's memory in the memory map\n");
		check_total();
		return;
	}
	print("~ the hypervisor's memory: 0x%lx to 0x%lx\n", hole_base, hole_end - 1);
	hostile_cpu();
	hostile_events();
	hostile_vmx();
	hostile_l2();
	check_total();
}
