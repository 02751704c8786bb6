/*
 * Exits of L2, and what L1 may do besides before it resumes.
 */
#include "guest/bench/bench.h"
#include "guest/lib/asm.h"

#define PAIR 2
#define RING 16

static struct vm others[RING];

u64 run_exits(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++)
		bad |= vm_round(&vm, true);
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}

u64 run_rare_read5(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		bad |= vm_round(&vm, true);
		fast_use(fast_vmread(VMCS_GUEST_GDTR_BASE));
		fast_use(fast_vmread(VMCS_GUEST_IDTR_LIMIT));
		fast_use(fast_vmread(VMCS_GUEST_LDTR_SELECTOR));
		fast_use(fast_vmread(VMCS_GUEST_SYSENTER_EIP));
		fast_use(fast_vmread(VMCS_GUEST_DR7));
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}

/* Another value each time: it has to reach L2. */
u64 run_rare_write1(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		bad |= vm_round(&vm, true);
		fast_vmwrite(VMCS_GUEST_SYSENTER_ESP, i);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}

/* Two that differ in their EPT12 too, as two virtual machines do. */
void prepare_pair(const struct figure *f)
{
	for (unsigned i = 0; i < PAIR; i++) {
		vm_create(&others[i], &f->plan);
		vm_launch(&others[i]);
	}
}

u64 run_switch(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		struct vm *m = &others[i % PAIR];
		fast_vmptrld((const u64 *)&m->region);
		bad |= vm_round(m, true);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}

void prepare_ring(const struct figure *f)
{
	vm_create(&others[0], &f->plan);
	for (unsigned i = 1; i < RING; i++)
		vm_create_on(&others[i], &f->plan, others[0].eptp);
}

u64 run_launch(const struct figure *f, unsigned n)
{
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		struct vm *m = &others[i % RING];
		fast_vmclear((const u64 *)&m->region);
		fast_vmptrld((const u64 *)&m->region);
		bad |= vm_round(m, false);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}
