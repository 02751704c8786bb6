/*
 * Making an L2, and memory for it.
 */
#include "guest/bench/bench.h"
#include "guest/lib/console.h"
#include "guest/lib/ept.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"
#include "guest/lib/multiboot.h"
#include "guest/lib/selectors.h"
#include "vmx/msr.h"

#define AREA_START 0x1000000ull /* 16 MiB: behind the program */

struct gate {
	u16 offset_low, selector, type, offset_middle;
	u32 offset_high, reserved;
};

struct vm vm;

static u64 area_next, area_end;

static void area_find(void)
{
	area_next = AREA_START;
	for (unsigned i = 0; i < multiboot.map_count; i++) {
		const struct memory_range *r = &multiboot.map[i];
		if (r->type == MULTIBOOT_RAM && r->base <= AREA_START && r->base + r->size > AREA_START)
			area_end = r->base + r->size;
	}
}

u64 area_left(void)
{
	if (!area_next)
		area_find();
	return area_end > area_next ? area_end - area_next : 0;
}

u64 area_alloc(u64 size, u64 alignment)
{
	if (area_left() < size + alignment) {
		print("FAIL this needs more memory\n");
		power_off();
	}
	u64 at = (area_next + alignment - 1) & ~(alignment - 1);
	area_next = at + size;
	for (u64 page = at; page < area_next; page += PAGE_SIZE)
		*(volatile u64 *)page = 0;
	return at;
}

static struct gate l2_idt[256] __attribute__((aligned(16)));
static u8 l2_stack[PAGE_SIZE] __attribute__((aligned(16)));

/* Every vector of L2's returns at once. */
static void idt_make(void)
{
	u64 at = (u64)l2_interrupt;

	for (unsigned i = 0; i < ARRAY_LEN(l2_idt); i++)
		l2_idt[i] =
			(struct gate){(u16)at, SEL_CODE64, 0x8e00, (u16)(at >> 16), (u32)(at >> 32), 0};
}

/* A page for the processor: not from the small pool. */
static void *region_make(void)
{
	u32 *region = (u32 *)area_alloc(PAGE_SIZE, PAGE_SIZE);
	*region = rdmsr(MSR_IA32_VMX_BASIC) & VMX_BASIC_REVISION;
	return region;
}

static void bitmaps_set(const struct plan *plan)
{
	u8 *io_a = page_alloc(), *msr = page_alloc();

	if (plan->reason == EXIT_REASON_IO)
		io_a[0x80 / 8] = 1;
	if (plan->reason == EXIT_REASON_RDMSR)
		memory_set(msr, 0xff, 2048);
	VMCS_SET({VMCS_IO_BITMAP_A, (u64)io_a}, {VMCS_IO_BITMAP_B, (u64)page_alloc()},
		 {VMCS_MSR_BITMAP, (u64)msr}, {VMCS_VIRTUAL_APIC_ADDRESS, (u64)page_alloc()},
		 {VMCS_TPR_THRESHOLD, 0}, {VMCS_VPID, 1});
}

static void controls_set(const struct plan *plan, u64 eptp)
{
	bool bitmaps = plan->with & WITH_BITMAPS;
	u32 pin = plan->with & WITH_INTERRUPT_EXITS ? PIN_EXTERNAL_INTERRUPT_EXITING : 0;
	u32 exit = plan->with & WITH_INTERRUPT_EXITS ? EXIT_ACK_INTERRUPT_ON_EXIT : 0;
	u32 proc = bitmaps ? PROC_USE_IO_BITMAPS | PROC_USE_MSR_BITMAPS | PROC_USE_TPR_SHADOW :
		   plan->reason == EXIT_REASON_IO ? PROC_UNCONDITIONAL_IO_EXITING :
						    0;
	u32 proc2 = (eptp ? PROC2_ENABLE_EPT : 0) | (bitmaps ? PROC2_ENABLE_VPID : 0);

	proc |= plan->reason == EXIT_REASON_CR_ACCESS ? PROC_CR3_LOAD_EXITING : 0;
	proc |= plan->reason == EXIT_REASON_HLT ? PROC_HLT_EXITING : 0;
	proc |= proc2 ? PROC_ACTIVATE_SECONDARY : 0;
	l2_set_controls(LONG_64, eptp);
	VMCS_SET({VMCS_PIN_CONTROLS, vmx_controls(PIN, pin)},
		 {VMCS_PROC_CONTROLS, vmx_controls(PROC, proc)},
		 {VMCS_EXIT_CONTROLS, vmx_controls(EXIT, EXIT_HOST_ADDRESS_SPACE_SIZE | exit)});
	if (proc2)
		vmcs_set(VMCS_PROC2_CONTROLS, vmx_controls(PROC2, proc2));
	if (bitmaps)
		bitmaps_set(plan);
}

void vm_create_on(struct vm *m, const struct plan *plan, u64 eptp)
{
	bool interrupts = plan->with & (WITH_INTERRUPTS | WITH_INTERRUPT_EXITS);

	idt_make();
	*m = (struct vm){.region = region_make(), .eptp = eptp, .plan = *plan};
	m->gpr[RSI] = 1; /* one round of a loop that counts */
	vmcs_load(m->region);
	vmcs_set_host();
	controls_set(plan, eptp);
	l2_set_registers(LONG_64, read_cr3(), eptp);
	VMCS_SET({VMCS_GUEST_IDTR_BASE, (u64)l2_idt}, {VMCS_GUEST_IDTR_LIMIT, sizeof(l2_idt) - 1},
		 {VMCS_GUEST_RIP, (u64)plan->code}, {VMCS_GUEST_RSP, (u64)l2_stack + sizeof(l2_stack)},
		 {VMCS_GUEST_RFLAGS, RFLAGS_FIXED1 | (interrupts ? RFLAGS_IF : 0)});
}

void vm_launch(struct vm *m)
{
	u64 bad = vm_round(m, false);
	if (bad)
		figure_bad("the first entry: exit reason, or its difference", bad);
}

void vm_create(struct vm *m, const struct plan *plan)
{
	vm_create_on(m, plan, plan->with & WITH_EPT ? ept_create() : 0);
}

void prepare_vm(const struct figure *f)
{
	vm_create(&vm, &f->plan);
	vm_launch(&vm);
}
