/*
 * What hypervisors do all day, counted in instructions: the difference of two RDTSCs around a loop,
 * divided by its length. The simulated machine's TSC counts instructions, so that a figure is exact.
 *
 * L2 is 64-bit code that shares L1's memory and page tables. L1 handles an exit as a small hypervisor
 * does: it saves the general registers, reads reason, qualification, instruction length and RIP, writes
 * RIP and resumes.
 */
#ifndef GUEST_BENCH_BENCH_H
#define GUEST_BENCH_BENCH_H

#include "guest/bench/fast.h"
#include "guest/lib/vmx.h"

/* What an L2 is given. */
enum {
	WITH_EPT = 1, /* an EPT12 of its own, one to one by 2 MiB pages */
	WITH_BITMAPS =
		2, /* I/O bitmaps, MSR bitmap, TPR shadow and VPID: all that a big hypervisor has */
	WITH_INTERRUPTS = 4, /* L2 takes interrupts */
	WITH_INTERRUPT_EXITS = 8, /* L1 takes them, acknowledged by the exit */
};

struct plan {
	const char *code; /* L2's: l2_... in code.S */
	u32 reason; /* each exit must have this one */
	u32 with;
};

struct vm {
	void *region;
	u64 eptp; /* 0: no EPT12 */
	u64 gpr[GPR_COUNT];
	struct plan plan;
};

struct figure {
	const char *name;
	unsigned count; /* of operations to measure */
	void (*prepare)(const struct figure *f); /* may be NULL */
	/* Does n operations; gives the instructions they took. */
	u64 (*run)(const struct figure *f, unsigned n);
	struct plan plan;
};

/* The virtual machine of the figure that is being measured; its VMCS is current. */
extern struct vm vm;

/* A new VMCS, current and clear; the second with an EPT12 that is there already, or none. */
void vm_create(struct vm *m, const struct plan *plan);
void vm_create_on(struct vm *m, const struct plan *plan, u64 eptp);

/* The first entry, with m->gpr, and its exit. */
void vm_launch(struct vm *m);

/* Something is not as it should be: the figure that is being measured does not count. */
void figure_bad(const char *what, u64 value);

/* One exit and all that L1 does about it. The reason's difference from what it should be, or 0. */
static inline u64 vm_round(struct vm *m, bool launched)
{
	u64 failed = vm_enter_raw(m->gpr, launched);
	u64 reason = fast_vmread(VMCS_EXIT_REASON);
	u64 qualification = fast_vmread(VMCS_EXIT_QUALIFICATION);
	u64 length = fast_vmread(VMCS_EXIT_INSTRUCTION_LENGTH);
	u64 rip = fast_vmread(VMCS_GUEST_RIP);

	fast_use(qualification);
	fast_vmwrite(VMCS_GUEST_RIP, rip + length);
	return failed | (reason ^ m->plan.reason);
}

/* Memory that nobody uses, above the program: written to once, so that it is there. */
u64 area_alloc(u64 size, u64 alignment);
u64 area_left(void);

/* L2's code. */
extern const char l2_vmcall[], l2_cpuid[], l2_rdmsr[], l2_in[], l2_mov_cr3[], l2_hlt[], l2_spin[];
extern const char l2_touch[], l2_touch_one[], l2_io[], l2_interrupt[];

/* prepare: vm is made by the figure's plan. */
void prepare_vm(const struct figure *f);
void prepare_touch(const struct figure *f);
void prepare_touch_2m(const struct figure *f);
void prepare_touch_one(const struct figure *f);
void prepare_pair(const struct figure *f);
void prepare_ring(const struct figure *f);
void prepare_apic(const struct figure *f);

u64 run_exits(const struct figure *f, unsigned n);
u64 run_rare_read5(const struct figure *f, unsigned n);
u64 run_rare_write1(const struct figure *f, unsigned n);
u64 run_switch(const struct figure *f, unsigned n);
u64 run_launch(const struct figure *f, unsigned n);

u64 run_vmread_common(const struct figure *f, unsigned n);
u64 run_vmread_rare(const struct figure *f, unsigned n);
u64 run_vmwrite_rare(const struct figure *f, unsigned n);
u64 run_l1_cpuid(const struct figure *f, unsigned n);
u64 run_l1_msr(const struct figure *f, unsigned n);
u64 run_l1_cr_write(const struct figure *f, unsigned n);
u64 run_invept(const struct figure *f, unsigned n);

u64 run_in_l2(const struct figure *f, unsigned n);
u64 run_touch(const struct figure *f, unsigned n);
u64 run_touch_sparse(const struct figure *f, unsigned n);
u64 run_touch_after_invept(const struct figure *f, unsigned n);

u64 run_inject(const struct figure *f, unsigned n);
u64 run_hlt_wake(const struct figure *f, unsigned n);
u64 run_irq_exit(const struct figure *f, unsigned n);

/* The curves of `make bench-scale`; the second is one point, for this machine's memory. */
void scale_main(void);
void scale_memory_main(void);

#endif
