#include "guest/rules/state.h"

#include "guest/lib/console.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"
#include "vmx/msr.h"

void *region_vmxon, *region_a, *region_b;

static bool in_vmx;
static u8 *l2_stack;

void state_init(void)
{
	region_vmxon = vmcs_alloc();
	region_a = vmcs_alloc();
	region_b = vmcs_alloc();
	l2_stack = page_alloc();
}

/* By what the processor does, and not by what we believe: a test may have left anything. */
void state_outside(void)
{
	if (in_vmx)
		vmxoff();
	in_vmx = false;
}

void state_no_vmcs(void)
{
	struct trap t;

	state_outside();
	t = vmxon(&region_vmxon);
	if (t.vector != NO_EXCEPTION || t.rflags != RFLAGS_FIXED1) {
		print("FAIL VMXON between tests: exception %d rflags 0x%lx\n", t.vector, t.rflags);
		power_off();
	}
	in_vmx = true;
	vmclear(&region_a);
	vmclear(&region_b);
}

void state_current(void)
{
	state_no_vmcs();
	vmcs_load(region_a);
}

void state_l2(const void *code)
{
	state_current();
	state_l2_in_current(code);
}

void state_l2_in_current(const void *code)
{
	vmcs_set_host();
	l2_set_controls(LONG_64, 0);
	l2_set_registers(LONG_64, read_cr3(), false);
	VMCS_SET({VMCS_GUEST_RIP, (u64)code}, {VMCS_GUEST_RSP, (u64)l2_stack + PAGE_SIZE - 16});
}

u64 current_vmcs(void)
{
	u64 pointer = 0;

	vmptrst(&pointer);
	return pointer;
}

u64 address_too_wide(void)
{
	if (rdmsr(MSR_IA32_VMX_BASIC) & VMX_BASIC_32BIT_ADDRESSES)
		return BIT(32);
	return BIT(cpuid(0x80000008).eax & 0xff);
}

u64 address_top_bit(void)
{
	return BIT(63);
}

u64 ept_vpid_cap(void)
{
	if (!vmx_allows(PROC2, PROC2_ENABLE_EPT) && !vmx_allows(PROC2, PROC2_ENABLE_VPID))
		return 0;
	return rdmsr(MSR_IA32_VMX_EPT_VPID_CAP);
}
