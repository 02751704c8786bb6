/*
 * L1 by itself.
 */
#include "guest/bench/bench.h"
#include "guest/lib/asm.h"
#include "vmx/msr.h"

u64 run_vmread_common(const struct figure *f, unsigned n)
{
	u64 start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i += 4) {
		fast_use(fast_vmread(VMCS_EXIT_REASON));
		fast_use(fast_vmread(VMCS_EXIT_QUALIFICATION));
		fast_use(fast_vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
		fast_use(fast_vmread(VMCS_GUEST_RIP));
	}
	return rdtsc() - start;
}

/* Some of each kind that a small hypervisor reads once in a while. */
u64 run_vmread_rare(const struct figure *f, unsigned n)
{
	u64 start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i += 8) {
		fast_use(fast_vmread(VMCS_GUEST_GDTR_BASE));
		fast_use(fast_vmread(VMCS_GUEST_IDTR_LIMIT));
		fast_use(fast_vmread(VMCS_GUEST_LDTR_SELECTOR));
		fast_use(fast_vmread(VMCS_GUEST_SYSENTER_EIP));
		fast_use(fast_vmread(VMCS_GUEST_DR7));
		fast_use(fast_vmread(VMCS_EXIT_CONTROLS));
		fast_use(fast_vmread(VMCS_HOST_RIP));
		fast_use(fast_vmread(VMCS_EXIT_MSR_LOAD_COUNT));
	}
	return rdtsc() - start;
}

u64 run_vmwrite_rare(const struct figure *f, unsigned n)
{
	u64 start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i += 4) {
		fast_vmwrite(VMCS_GUEST_SYSENTER_ESP, i);
		fast_vmwrite(VMCS_GUEST_IDTR_LIMIT, 0xfff);
		fast_vmwrite(VMCS_HOST_SYSENTER_ESP, i);
		fast_vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	}
	return rdtsc() - start;
}

u64 run_l1_cpuid(const struct figure *f, unsigned n)
{
	u64 start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++)
		fast_use(cpuid(1).ecx);
	return rdtsc() - start;
}

/* One that no hypervisor may leave to the processor: what L1 may do in VMX operation. */
u64 run_l1_msr(const struct figure *f, unsigned n)
{
	u64 start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++)
		fast_use(rdmsr(MSR_IA32_VMX_BASIC));
	return rdtsc() - start;
}

/* CR0.WP and CR4.PGE in turn, as for a write to read-only memory and for a flush of global pages. */
u64 run_l1_cr_write(const struct figure *f, unsigned n)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4(), start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i += 4) {
		write_cr0(cr0 ^ CR0_WP);
		write_cr0(cr0);
		write_cr4(cr4 ^ CR4_PGE);
		write_cr4(cr4);
	}
	return rdtsc() - start;
}

u64 run_invept(const struct figure *f, unsigned n)
{
	struct invept_descriptor d = {vm.eptp, 0};
	u64 start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++)
		fast_invept(INVEPT_SINGLE_CONTEXT, &d);
	return rdtsc() - start;
}
