/*
 * Instructions that exit, and what L1 answers. SDM: "Instructions That Cause VM Exits".
 */
#include "guest/demo/report.h"
#include "guest/demo/steps.h"

void step_cpuid(struct guest *g)
{
	guest_goto(g, PAYLOAD_cpuid);
	g->cpu.gpr[RAX] = 0x40000000;
	expect_exit(g, "CPUID leaf 0x40000000", EXIT_REASON_CPUID, 2);
	expect_value(g, "  the leaf, in EAX", 0x40000000, g->cpu.gpr[RAX]);

	g->cpu.gpr[RAX] = 0x1000;
	g->cpu.gpr[RBX] = 0x0200;
	g->cpu.gpr[RCX] = 0x0030;
	g->cpu.gpr[RDX] = 0x0004;
	vm_skip_instruction(&g->cpu);
	expect_vmcall(g);
	expect_value(g, "  L2 adds up the four answers", 0x1234, g->cpu.gpr[RAX]);
}

void step_vmcall(struct guest *g)
{
	guest_goto(g, PAYLOAD_vmcall);
	expect_exit(g, "VMCALL", EXIT_REASON_VMCALL, 3);
	g->cpu.gpr[RAX] = 41;
	vm_skip_instruction(&g->cpu);
	expect_vmcall(g);
	expect_value(g, "  L2 adds one to L1's answer", 42, g->cpu.gpr[RAX]);
}

void step_hlt(struct guest *g)
{
	guest_goto(g, PAYLOAD_hlt);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_HLT_EXITING);
	expect_exit(g, "HLT", EXIT_REASON_HLT, 1);
	vm_skip_instruction(&g->cpu);
	expect_vmcall(g);
}

/* No control turns this exit off. */
void step_always(struct guest *g)
{
	guest_goto(g, PAYLOAD_invd);
	expect_exit(g, "INVD", EXIT_REASON_INVD, 2);
}

void step_rdtsc(struct guest *g)
{
	guest_goto(g, PAYLOAD_rdtsc);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_RDTSC_EXITING);
	expect_exit(g, "RDTSC", EXIT_REASON_RDTSC, 2);
	g->cpu.gpr[RDX] = 7;
	g->cpu.gpr[RAX] = 8;
	vm_skip_instruction(&g->cpu);
	expect_vmcall(g);
	expect_value(g, "  L2 reads L1's time", 0x700000008, g->cpu.gpr[RDX] << 32 | g->cpu.gpr[RAX]);
}

/* The offset is large, so that what passes between two readings does not matter. */
void step_tsc_offset(struct guest *g)
{
	const u64 offset = BIT(50), slack = BIT(40);
	u64 before = rdtsc(), l2;

	guest_goto(g, PAYLOAD_rdtsc);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_USE_TSC_OFFSETTING);
	vmcs_set(VMCS_TSC_OFFSET, offset);
	expect_vmcall(g);
	l2 = g->cpu.gpr[RDX] << 32 | g->cpu.gpr[RAX];
	expect_value(g, "RDTSC with offset: L2 is 2^50 ahead (1: yes)", 1,
		     l2 - before > offset && l2 - before < offset + slack);
}

void step_pause(struct guest *g)
{
	guest_goto(g, PAYLOAD_pause);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_PAUSE_EXITING);
	expect_exit(g, "PAUSE", EXIT_REASON_PAUSE, 2);
}

/* Its qualification is the linear address. An address-size prefix makes it one byte longer. */
void step_invlpg(struct guest *g)
{
	bool prefix = g->kind == REAL_MODE || g->kind == LONG_64;

	guest_goto(g, PAYLOAD_invlpg);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_INVLPG_EXITING);
	g->cpu.gpr[RBX] = 0x5678;
	expect_exit_qualified(g, "INVLPG 0x5678", EXIT_REASON_INVLPG, prefix ? 4 : 3, 0x5678);
}
