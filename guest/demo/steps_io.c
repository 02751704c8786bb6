/*
 * Ports and MSRs. SDM: "Exit Qualification for I/O Instructions", "I/O-Bitmap Addresses",
 * "MSR-Bitmap Address", "VM-Exit Controls for MSRs".
 */
#include "guest/demo/report.h"
#include "guest/demo/steps.h"
#include "guest/lib/memory.h"
#include "vmx/msr.h"

#define IO_IN BIT(3)
#define IO_STRING BIT(4)
#define IO_IMMEDIATE BIT(6)
#define IO_PORT(port) ((u64)(port) << 16)

void step_io(struct guest *g)
{
	guest_goto(g, PAYLOAD_io);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_UNCONDITIONAL_IO_EXITING);
	g->cpu.gpr[RAX] = 0x55;
	g->cpu.gpr[RDX] = 0x1234;
	expect_exit_qualified(g, "OUT of AL to port 0x80", EXIT_REASON_IO, 2,
			      IO_PORT(0x80) | IO_IMMEDIATE);
	vm_skip_instruction(&g->cpu);
	expect_exit_qualified(g, "IN of AL from port DX = 0x1234", EXIT_REASON_IO, 1,
			      IO_PORT(0x1234) | IO_IN);
	g->cpu.gpr[RAX] = 0xab;
	vm_skip_instruction(&g->cpu);
	expect_vmcall(g);
	expect_value(g, "  L2 reads L1's answer", 0xab, g->cpu.gpr[RAX]);
}

void step_io_string(struct guest *g)
{
	guest_goto(g, PAYLOAD_io_string);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_UNCONDITIONAL_IO_EXITING);
	g->cpu.gpr[RSI] = 0x5008;
	g->cpu.gpr[RDX] = 0x402;
	expect_exit_qualified(g, "OUTSB to port DX = 0x402", EXIT_REASON_IO, 1,
			      IO_PORT(0x402) | IO_STRING);
	expect_value(g, "  linear address of the byte", 0x5008, g->cpu.exit.linear);
}

void step_io_bitmap(struct guest *g)
{
	u8 *a = g->bitmap_a;

	memory_set(a, 0xff, PAGE_SIZE);
	memory_set(g->bitmap_b, 0xff, PAGE_SIZE);
	a[0x80 / 8] &= (u8) ~(1u << 0x80 % 8);
	guest_goto(g, PAYLOAD_io_bitmap);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_USE_IO_BITMAPS);
	VMCS_SET({VMCS_IO_BITMAP_A, (u64)a}, {VMCS_IO_BITMAP_B, (u64)g->bitmap_b});
	expect_exit_qualified(g, "OUT to 0x80 (allowed), then 0x81", EXIT_REASON_IO, 2,
			      IO_PORT(0x81) | IO_IMMEDIATE);
}

void step_rdmsr(struct guest *g)
{
	guest_goto(g, PAYLOAD_rdmsr);
	g->cpu.gpr[RCX] = MSR_IA32_SYSENTER_CS;
	expect_exit(g, "RDMSR of IA32_SYSENTER_CS", EXIT_REASON_RDMSR, 2);
	g->cpu.gpr[RDX] = 0x11;
	g->cpu.gpr[RAX] = 0x22;
	vm_skip_instruction(&g->cpu);
	expect_vmcall(g);
	expect_value(g, "  L2 reads L1's answer", 0x1100000022, g->cpu.gpr[RDX] << 32 | g->cpu.gpr[RAX]);
}

void step_wrmsr(struct guest *g)
{
	guest_goto(g, PAYLOAD_wrmsr);
	g->cpu.gpr[RCX] = MSR_IA32_SYSENTER_ESP;
	g->cpu.gpr[RDX] = 0x33;
	g->cpu.gpr[RAX] = 0x44;
	expect_exit(g, "WRMSR of IA32_SYSENTER_ESP", EXIT_REASON_WRMSR, 2);
	expect_value(g, "  the value, in EDX:EAX", 0x3300000044, g->cpu.gpr[RDX] << 32 | g->cpu.gpr[RAX]);
	expect_value(g, "  the MSR has not changed", 0, vmcs_get(VMCS_GUEST_SYSENTER_ESP));
}

/* One MSR is L2's, all others are L1's. The bitmap: read low, read high, write low, write high. */
void step_msr_bitmap(struct guest *g)
{
	u8 *bitmap = g->bitmap_a;
	const unsigned write_low = 2048;

	memory_set(bitmap, 0xff, PAGE_SIZE);
	bitmap[write_low + MSR_IA32_SYSENTER_CS / 8] &= (u8) ~(1u << MSR_IA32_SYSENTER_CS % 8);
	guest_goto(g, PAYLOAD_msr_bitmap);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
	vmcs_set(VMCS_MSR_BITMAP, (u64)bitmap);
	g->cpu.gpr[RCX] = MSR_IA32_SYSENTER_CS;
	g->cpu.gpr[RAX] = 0x77;
	g->cpu.gpr[RBX] = MSR_IA32_SYSENTER_EIP;
	expect_exit(g, "WRMSR (allowed), then RDMSR of another", EXIT_REASON_RDMSR, 2);
	expect_value(g, "  L2 has written its own MSR", 0x77, vmcs_get(VMCS_GUEST_SYSENTER_CS));
}

struct msr_entry {
	u32 number, reserved;
	u64 value;
};

/* One MSR through the entry-load, exit-store and exit-load lists. */
void step_msr_lists(struct guest *g)
{
	struct msr_entry *list = (struct msr_entry *)g->bitmap_b;
	u64 old = rdmsr(MSR_IA32_KERNEL_GS_BASE);

	list[0] = (struct msr_entry){MSR_IA32_KERNEL_GS_BASE, 0, 0x1111}; /* entry load */
	list[1] = (struct msr_entry){MSR_IA32_KERNEL_GS_BASE, 0, 0}; /* exit store */
	list[2] = (struct msr_entry){MSR_IA32_KERNEL_GS_BASE, 0, 0x3333}; /* exit load */
	VMCS_SET({VMCS_ENTRY_MSR_LOAD_ADDR, (u64)&list[0]}, {VMCS_ENTRY_MSR_LOAD_COUNT, 1},
		 {VMCS_EXIT_MSR_STORE_ADDR, (u64)&list[1]}, {VMCS_EXIT_MSR_STORE_COUNT, 1},
		 {VMCS_EXIT_MSR_LOAD_ADDR, (u64)&list[2]}, {VMCS_EXIT_MSR_LOAD_COUNT, 1});
	memory_set(g->bitmap_a, 0, PAGE_SIZE);
	vmcs_set(VMCS_MSR_BITMAP, (u64)g->bitmap_a);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
	guest_goto(g, PAYLOAD_msr_lists);
	g->cpu.gpr[RCX] = MSR_IA32_KERNEL_GS_BASE;
	g->cpu.gpr[RSI] = 0x2222;
	expect_vmcall(g);
	expect_value(g, "MSR lists: L2 reads the entry-load value", 0x1111, g->cpu.gpr[RBX]);
	expect_value(g, "  the exit-store list gets L2's value", 0x2222, list[1].value);
	expect_value(g, "  L1 reads the exit-load value", 0x3333, rdmsr(MSR_IA32_KERNEL_GS_BASE));
	wrmsr(MSR_IA32_KERNEL_GS_BASE, old);
}
