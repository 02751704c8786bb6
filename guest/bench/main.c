/*
 * Prints a line `figure NAME INSTRUCTIONS` for each figure. With "counters" on the command line, under
 * a Nestling built to count (vmx/count.h), a line `counts NAME OPERATIONS EXITS VMREADS VMWRITES
 * VMPTRLDS` instead: what L0 executed. With "scale" or "scale-memory", the points of curves
 * (scale.c). With "profile" and names of figures, one operation of each between two marks.
 */
#include "guest/bench/bench.h"
#include "guest/lib/asm.h"
#include "guest/lib/console.h"
#include "guest/lib/multiboot.h"
#include "guest/lib/start.h"

#define COUNTERS_LEAF 0x4e455301 /* as in vmx/count.h */

#define VMCALL(with) \
	{ \
		l2_vmcall, EXIT_REASON_VMCALL, with \
	}

static const struct figure figures[] = {
	{"vmcall", 2000, prepare_vm, run_exits, VMCALL(0)},
	{"vmcall_ept", 2000, prepare_vm, run_exits, VMCALL(WITH_EPT)},
	{"vmcall_bitmaps", 2000, prepare_vm, run_exits, VMCALL(WITH_EPT | WITH_BITMAPS)},
	{"cpuid", 2000, prepare_vm, run_exits, {l2_cpuid, EXIT_REASON_CPUID, 0}},
	{"cpuid_ept", 2000, prepare_vm, run_exits, {l2_cpuid, EXIT_REASON_CPUID, WITH_EPT}},
	{"rdmsr", 2000, prepare_vm, run_exits, {l2_rdmsr, EXIT_REASON_RDMSR, 0}},
	{"rdmsr_ept", 2000, prepare_vm, run_exits, {l2_rdmsr, EXIT_REASON_RDMSR, WITH_EPT}},
	{"in", 2000, prepare_vm, run_exits, {l2_in, EXIT_REASON_IO, 0}},
	{"in_ept", 2000, prepare_vm, run_exits, {l2_in, EXIT_REASON_IO, WITH_EPT}},
	{"mov_cr3", 2000, prepare_vm, run_exits, {l2_mov_cr3, EXIT_REASON_CR_ACCESS, 0}},
	{"mov_cr3_ept", 2000, prepare_vm, run_exits, {l2_mov_cr3, EXIT_REASON_CR_ACCESS, WITH_EPT}},
	{"rare_read5", 2000, prepare_vm, run_rare_read5, VMCALL(0)},
	{"rare_write1", 2000, prepare_vm, run_rare_write1, VMCALL(0)},
	{"vmread_common", 8000, prepare_vm, run_vmread_common, VMCALL(0)},
	{"vmread_rare", 8000, prepare_vm, run_vmread_rare, VMCALL(0)},
	{"vmwrite_rare", 8000, prepare_vm, run_vmwrite_rare, VMCALL(0)},
	{"l1_cpuid", 4000, NULL, run_l1_cpuid, {}},
	{"l1_msr", 4000, NULL, run_l1_msr, {}},
	{"l1_cr_write", 4000, NULL, run_l1_cr_write, {}},
	{"ept_first_touch", 4000, prepare_touch, run_touch, {l2_touch, EXIT_REASON_VMCALL, WITH_EPT}},
	{"ept_first_touch_sparse",
	 250,
	 prepare_touch,
	 run_touch_sparse,
	 {l2_touch, EXIT_REASON_VMCALL, WITH_EPT}},
	{"ept_first_touch_2m",
	 4000,
	 prepare_touch_2m,
	 run_touch,
	 {l2_touch, EXIT_REASON_VMCALL, WITH_EPT}},
	{"invept_single", 2000, prepare_vm, run_invept, VMCALL(WITH_EPT)},
	{"ept_touch_after_invept",
	 2000,
	 prepare_touch_one,
	 run_touch_after_invept,
	 {l2_touch_one, EXIT_REASON_VMCALL, WITH_EPT}},
	{"vmptrld_switch", 2000, prepare_pair, run_switch, VMCALL(WITH_EPT)},
	{"vmclear_launch", 2000, prepare_ring, run_launch, VMCALL(WITH_EPT)},
	{"inject_irq", 2000, prepare_vm, run_inject, VMCALL(WITH_EPT | WITH_INTERRUPTS)},
	{"irq_exit",
	 2000,
	 prepare_apic,
	 run_irq_exit,
	 {l2_spin, EXIT_REASON_EXTERNAL_INTERRUPT, WITH_EPT | WITH_INTERRUPT_EXITS}},
	{"hlt_wake",
	 2000,
	 prepare_vm,
	 run_hlt_wake,
	 {l2_hlt, EXIT_REASON_HLT, WITH_EPT | WITH_INTERRUPTS}},
	{"io_passthrough", 4000, prepare_vm, run_in_l2, {l2_io, EXIT_REASON_VMCALL, WITH_EPT}},
};

static bool bad, counting;

void figure_bad(const char *what, u64 value)
{
	if (!bad)
		print("FAIL %s 0x%lx\n", what, value);
	bad = true;
}

/* Reading the counters is an exit too: twice in a row shows what that is worth. */
static void print_counts(const struct figure *f, const struct cpuid at[3])
{
	print("counts %s %u %u %u %u %u\n", f->name, f->count, at[2].eax - 2 * at[1].eax + at[0].eax,
	      at[2].ebx - 2 * at[1].ebx + at[0].ebx, at[2].ecx - 2 * at[1].ecx + at[0].ecx,
	      at[2].edx - 2 * at[1].edx + at[0].edx);
}

/* A tenth of the loop comes first, so that it is steady. */
static void measure(const struct figure *f)
{
	struct cpuid at[3];

	bad = false;
	if (f->prepare)
		f->prepare(f);
	f->run(f, f->count / 10);
	for (unsigned i = 0; i < 2; i++)
		at[i] = cpuid(COUNTERS_LEAF);
	u64 ticks = f->run(f, f->count);
	at[2] = cpuid(COUNTERS_LEAF);
	if (bad)
		print("FAIL %s: this figure does not count\n", f->name);
	else if (counting)
		print_counts(f, at);
	else
		print("figure %s %lu\n", f->name, (ticks + f->count / 2) / f->count);
}

/* The figures that are named on the command line: one operation of each, between two marks. */
static void profile(const struct figure *f)
{
	if (!multiboot_argument(f->name))
		return;
	if (f->prepare)
		f->prepare(f);
	f->run(f, f->count / 10);
	fast_mark();
	f->run(f, 1);
	fast_mark();
}

void guest_main(void)
{
	u64 now = rdtsc();

	print("figure boot_to_l1 %lu\n", now);
	if (!vmx_present() || !vmx_prepare()) {
		print("FAIL this processor has no VMX, or the firmware forbids it\n");
		return;
	}
	vmx_on();
	counting = multiboot_argument("counters");
	if (multiboot_argument("scale")) {
		scale_main();
		return;
	}
	if (multiboot_argument("scale-memory")) {
		scale_memory_main();
		return;
	}
	bool profiling = multiboot_argument("profile");
	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		(profiling ? profile : measure)(&figures[i]);
	print("end\n");
}
