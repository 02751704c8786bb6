/*
 * By VMX instructions: regions, operands and descriptors in the hole.
 */
#include "guest/hostile/hole.h"
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/lib/vmx.h"
#include "vmx/msr.h"

static void *region;

static void regions(struct series *vmptrld_all, struct series *vmclear_all)
{
	/* Every 16th page, and the last: VMCLEAR of each would take long. */
	for (u64 page = hole_base; page < hole_end; page += 16 * PAGE_SIZE) {
		char text[CHECK_TEXT];
		series_insn(vmptrld_all, "VMPTRLD", VALID(11), vmptrld(&page));
		outcome(text, vmclear(&page));
		/* It may take it for memory that loses what is written, or for no memory. */
		if (text[0] != 's')
			series_text(vmclear_all, "VMCLEAR", VALID(2), text);
	}
}

static void pointers(void)
{
	struct series vmptrld_all = {.rule = "vmx", .what = "VMPTRLD of the hole: the revision is wrong"};
	struct series vmclear_all = {.rule = "vmx",
				     .what = "VMCLEAR of the hole: nothing happens, or error 2"};
	u64 current = 0;

	check_insn("vmx", "VMXON with a region in the hole", INVALID, vmxon(&hole_base));
	vmx_on();
	region = vmcs_alloc();
	vmcs_load(region);
	regions(&vmptrld_all, &vmclear_all);
	series_end(&vmptrld_all);
	series_end(&vmclear_all);
	vmptrst(&current);
	check_value("vmx", "after these: the current VMCS", (u64)region, current);
}

static void operands(void)
{
	void *hole = (void *)hole_base;
	u64 value = 0;

	check_insn("vmx", "VMPTRLD of a pointer that lies in the hole", VALID(9), vmptrld(hole));
	check_insn("vmx", "VMCLEAR of a pointer that lies in the hole", VALID(2), vmclear(hole));
	check_insn("vmx", "VMPTRST to the hole", SUCCESS, vmptrst(hole));
	check_insn("vmx", "VMREAD to the hole", SUCCESS, vmread_memory(VMCS_GUEST_RIP, hole));
	check_insn("vmx", "VMWRITE from the hole", SUCCESS, vmwrite_memory(VMCS_GUEST_RIP, hole));
	vmread(VMCS_GUEST_RIP, &value);
	check_value("vmx", "VMWRITE from the hole: the value", ~0ull, value);
	if (vmx_allows(PROC2, PROC2_ENABLE_EPT))
		check_insn("vmx", "INVEPT with a descriptor in the hole", VALID(28),
			   invept(INVEPT_SINGLE_CONTEXT, hole));
	if (vmx_allows(PROC2, PROC2_ENABLE_VPID))
		check_insn("vmx", "INVVPID with a descriptor in the hole", VALID(28),
			   invvpid(INVVPID_SINGLE_CONTEXT, hole));
}

/* An operand whose second half lies in the hole. */
static void operands_across(void)
{
	u64 *operand = (u64 *)(hole_base - 4);

	vmwrite(VMCS_GUEST_RIP, 0x1111222233334444);
	check_insn("vmx", "VMREAD to memory across the edge", SUCCESS,
		   vmread_memory(VMCS_GUEST_RIP, operand));
	check_value("vmx", "VMREAD to memory across the edge: both parts", 0xffffffff33334444,
		    *(volatile u64 *)operand);
}

void hostile_vmx(void)
{
	pointers();
	operands();
	operands_across();
	check_true("vmx", "after these: every page reads as all ones", hole_intact());
}
