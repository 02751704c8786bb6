/*
 * Control and debug registers: masks, shadows, exits. SDM: "Guest/Host Masks and Read Shadows for
 * CR0 and CR4", "Exit Qualification for Control-Register Accesses".
 */
#include "guest/demo/report.h"
#include "guest/demo/steps.h"

/* Of the qualification: the register is RBX everywhere. */
#define CR_TO(n) ((u64)(n) | RBX << 8)
#define CR_FROM(n) (CR_TO(n) | 1 << 4)
#define CR_CLTS (2 << 4)
#define CR_LMSW(source) (3 << 4 | (u64)(source) << 16)
#define DR_TO(n) CR_TO(n)

/* L1 owns CR0.TS, and shows this value of it. */
static void own_ts(u64 shown)
{
	VMCS_SET({VMCS_CR0_MASK, CR0_TS}, {VMCS_CR0_READ_SHADOW, shown});
}

void step_cr0(struct guest *g)
{
	own_ts(CR0_TS);
	guest_goto(g, PAYLOAD_cr0);
	expect_exit_qualified(g, "MOV to CR0 of RBX clears L1's TS", EXIT_REASON_CR_ACCESS, 3, CR_TO(0));
	expect_value(g, "  L2 wants the rest as it is", vmcs_get(VMCS_GUEST_CR0) & ~CR0_TS,
		     g->cpu.gpr[RBX]);
	own_ts(0);
	vm_skip_instruction(&g->cpu);
	expect_vmcall(g);
}

void step_clts(struct guest *g)
{
	own_ts(CR0_TS);
	guest_goto(g, PAYLOAD_clts);
	expect_exit_qualified(g, "CLTS", EXIT_REASON_CR_ACCESS, 2, CR_CLTS);
}

void step_lmsw(struct guest *g)
{
	u64 source = (vmcs_get(VMCS_GUEST_CR0) & 0xffff) | CR0_TS;

	own_ts(0);
	guest_goto(g, PAYLOAD_lmsw);
	expect_exit_qualified(g, "LMSW sets L1's TS", EXIT_REASON_CR_ACCESS, 3, CR_LMSW(source));
}

void step_cr3(struct guest *g)
{
	guest_goto(g, PAYLOAD_cr3);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING);
	expect_exit_qualified(g, "MOV from CR3 to RBX", EXIT_REASON_CR_ACCESS, 3, CR_FROM(3));
	g->cpu.gpr[RBX] = 0x7000;
	vm_skip_instruction(&g->cpu);
	expect_exit_qualified(g, "MOV to CR3 of RBX", EXIT_REASON_CR_ACCESS, 3, CR_TO(3));
	expect_value(g, "  L2 wants what it saw", 0x7000, g->cpu.gpr[RBX]);
}

/* VMXE must be 1 and L2 does not see it; TSD is L1's, DE is L2's. */
void step_cr4(struct guest *g)
{
	VMCS_SET({VMCS_CR4_MASK, CR4_VMXE | CR4_TSD}, {VMCS_CR4_READ_SHADOW, 0});
	guest_goto(g, PAYLOAD_cr4);
	expect_exit_qualified(g, "MOV to CR4: DE (allowed), then TSD", EXIT_REASON_CR_ACCESS, 3,
			      CR_TO(4));
	expect_value(g, "  L2 sees the shadow: VMXE is 0", 0, g->cpu.gpr[RAX] & CR4_VMXE);
	expect_value(g, "  but CR4 has VMXE, DE and not TSD", CR4_VMXE | CR4_DE,
		     vmcs_get(VMCS_GUEST_CR4) & (CR4_VMXE | CR4_DE | CR4_TSD));
}

void step_dr(struct guest *g)
{
	guest_goto(g, PAYLOAD_dr);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_MOV_DR_EXITING);
	expect_exit_qualified(g, "MOV to DR0 of RBX", EXIT_REASON_MOV_DR, 3, DR_TO(0));
}
