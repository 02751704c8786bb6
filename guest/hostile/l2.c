/*
 * By a VMCS: bitmaps, pages, lists, EPT12 tables and their leaves, page tables and descriptor tables
 * of L2 in the hole. What the processor reads there is all ones.
 */
#include "guest/hostile/code.h"
#include "guest/hostile/hole.h"
#include "guest/lib/check.h"
#include "guest/lib/ept.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"
#include "vmx/msr.h"

#define L2_PAGE 0x5000ull /* guest-physical, and linear: EPT12 maps it to the hole */

static struct l2 l2;
static u64 eptp;

static void start(const void *code, bool ept)
{
	static void *region, *stack;

	region = region ? region : vmcs_alloc();
	stack = stack ? stack : page_alloc();
	vmcs_load(region);
	vmcs_set_host();
	eptp = ept ? ept_create() : 0;
	l2_set_controls(LONG_64, eptp);
	l2_set_registers(LONG_64, read_cr3(), ept);
	VMCS_SET({VMCS_GUEST_RIP, (u64)code}, {VMCS_GUEST_RSP, (u64)stack + PAGE_SIZE - 16},
		 {VMCS_EXCEPTION_BITMAP, 1u << VEC_UD | 1u << VEC_PF});
	l2 = (struct l2){.launched = false};
}

/* What came of an entry: "exit 49", "entry failure 34", "VMfail 7". */
static void run_is(const char *what, const char *expected)
{
	const struct vm_exit *e = vm_enter(&l2);
	char seen[CHECK_TEXT];

	if (e->failed)
		format(seen, CHECK_TEXT, "VMfail %u", (u32)vmcs_get(VMCS_VM_INSTRUCTION_ERROR));
	else if (e->reason & EXIT_REASON_ENTRY_FAILURE)
		format(seen, CHECK_TEXT, "entry failure %u qualification %lu", e->reason & 0xffff,
		       e->qualification);
	else if (e->reason == EXIT_REASON_EXCEPTION_NMI)
		format(seen, CHECK_TEXT, "exit 0 vector %u error %u", e->interruption & INTR_VECTOR,
		       e->interruption_error);
	else
		format(seen, CHECK_TEXT, "exit %u", e->reason);
	check_text("l2", what, expected, seen);
}

static void add(enum vmcs_field field, u32 controls)
{
	vmcs_set(field, vmcs_get(field) | controls);
}

/* ---- controls */

static void bitmaps(void)
{
	start(l2_ports, false);
	add(VMCS_PROC_CONTROLS, PROC_USE_IO_BITMAPS);
	VMCS_SET({VMCS_IO_BITMAP_A, hole_base}, {VMCS_IO_BITMAP_B, hole_base + PAGE_SIZE});
	run_is("I/O bitmaps in the hole: every port exits", "exit 30");
	start(l2_msr, false);
	add(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
	vmcs_set(VMCS_MSR_BITMAP, hole_base);
	l2.gpr[RCX] = MSR_IA32_SYSENTER_CS;
	run_is("MSR bitmap in the hole: every MSR exits", "exit 31");
}

static void virtual_apic(const char *what)
{
	char text[CHECK_TEXT];

	if (!vmx_allows(PROC, PROC_USE_TPR_SHADOW)) {
		print("~ l2: no TPR shadow\n");
		return;
	}
	start(l2_tpr, false);
	add(VMCS_PROC_CONTROLS, PROC_USE_TPR_SHADOW);
	VMCS_SET({VMCS_VIRTUAL_APIC_ADDRESS, hole_base}, {VMCS_TPR_THRESHOLD, 0});
	format(text, CHECK_TEXT, "virtual-APIC page in the hole, %s: L2 runs", what);
	run_is(text, "exit 18");
	format(text, CHECK_TEXT, "virtual-APIC page in the hole, %s: CR8", what);
	check_value("l2", text, 15, l2.gpr[RAX]);
	format(text, CHECK_TEXT, "virtual-APIC page in the hole, %s: the page", what);
	check_value("l2", text, 0xffffffff, *(volatile u32 *)(hole_base + 0x80));
}

static void apic_access(void)
{
	if (!vmx_allows(PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES)) {
		print("~ l2: no APIC-access page\n");
		return;
	}
	start(l2_touch, false);
	add(VMCS_PROC_CONTROLS, PROC_ACTIVATE_SECONDARY);
	add(VMCS_PROC2_CONTROLS, PROC2_VIRTUALIZE_APIC_ACCESSES);
	vmcs_set(VMCS_APIC_ACCESS_ADDRESS, hole_base);
	l2.gpr[RBX] = hole_base + 0x20;
	run_is("APIC-access page in the hole", "exit 44");
}

static void lists(void)
{
	start(l2_ports, false);
	VMCS_SET({VMCS_ENTRY_MSR_LOAD_ADDR, hole_base}, {VMCS_ENTRY_MSR_LOAD_COUNT, 1});
	run_is("entry MSR-load list in the hole: reserved bits", "entry failure 34 qualification 1");
	start(l2_ports, false);
	vmcs_set(VMCS_VMCS_LINK_POINTER, hole_base);
	run_is("VMCS link pointer into the hole: wrong revision", "entry failure 33 qualification 4");
}

/* ---- EPT12 */

#define ENTRY_ADDRESS BITS(51, 12)

/* The tables on the way to L2_PAGE, from the top. */
static u64 *ept_table(unsigned level)
{
	u64 *table = (u64 *)(eptp & ENTRY_ADDRESS);

	ept_entry(eptp, L2_PAGE);
	for (; level > 0; level--)
		table = (u64 *)(table[0] & ENTRY_ADDRESS);
	return table;
}

/* Of the tables, the one below `level` lies in the hole. */
static void ept_table_in_hole(const char *what, unsigned level)
{
	start(l2_touch, true);
	l2.gpr[RBX] = L2_PAGE;
	ept_table(level)[0] = hole_base | EPT_RWX;
	run_is(what, "exit 49");
}

static void ept_tables(void)
{
	start(l2_touch, true);
	vmcs_set(VMCS_EPT_POINTER, hole_base | (eptp & ~ENTRY_ADDRESS));
	run_is("EPT pointer into the hole: misconfiguration", "exit 49");
	ept_table_in_hole("EPT PDPT in the hole: misconfiguration", 0);
	ept_table_in_hole("EPT page directory in the hole: misconfiguration", 1);
	ept_table_in_hole("EPT page table in the hole: misconfiguration", 2);
}

static void touch_is(const char *what)
{
	char text[CHECK_TEXT];

	run_is(what, "exit 18");
	format(text, CHECK_TEXT, "%s: L2 reads all ones", what);
	check_value("l2", text, ~0ull, l2.gpr[RAX]);
	format(text, CHECK_TEXT, "%s: and after a write", what);
	check_value("l2", text, ~0ull, l2.gpr[RDX]);
}

static void ept_leaves(void)
{
	start(l2_touch, true);
	ept_map(eptp, L2_PAGE, (void *)(hole_base + PAGE_SIZE));
	l2.gpr[RBX] = L2_PAGE + 0x18;
	touch_is("EPT 4 KiB page of the hole");
	start(l2_touch, true);
	l2.gpr[RBX] = hole_base + 0x30;
	touch_is("EPT 2 MiB page of the hole");
	if (rdmsr(MSR_IA32_VMX_EPT_VPID_CAP) & EPT_CAP_1G) {
		start(l2_touch, true);
		ept_table(1)[0] = EPT_LARGE | EPT_WB | EPT_RWX;
		l2.gpr[RBX] = hole_base + 0x50;
		touch_is("EPT 1 GiB page around the hole");
	} else {
		print("~ l2: no EPT pages of 1 GiB\n");
	}
	start(l2_execute, true);
	l2.gpr[RBX] = hole_base;
	run_is("EPT page of the hole: execution", "exit 0 vector 6 error 0");
}

/* ---- L2's own tables */

static void paging(void)
{
	start(l2_touch, false);
	vmcs_set(VMCS_GUEST_CR3, hole_base);
	run_is("L2's CR3 in the hole: #PF, reserved bits", "exit 0 vector 14 error 9");
	start(l2_touch, true);
	vmcs_set(VMCS_GUEST_CR3, hole_base);
	run_is("L2's CR3 in the hole, under EPT: #PF, reserved bits", "exit 0 vector 14 error 9");
	start(l2_touch, false);
	l2_set_controls(PAE_32, 0);
	l2_set_registers(PAE_32, hole_base, false);
	run_is("L2's PAE pointers in the hole: bad PDPTE", "entry failure 33 qualification 2");
	start(l2_touch, false);
	l2.gpr[RBX] = hole_base + 0x40;
	touch_is("L2 without EPT: a page of the hole");
}

static void descriptor_table(void)
{
	start(l2_ud2, false);
	VMCS_SET({VMCS_EXCEPTION_BITMAP, 0}, {VMCS_GUEST_IDTR_BASE, hole_base},
		 {VMCS_GUEST_IDTR_LIMIT, 0xfff});
	run_is("L2's interrupt table in the hole: triple fault", "exit 2");
}

void hostile_l2(void)
{
	bitmaps();
	virtual_apic("once");
	virtual_apic("again");
	apic_access();
	lists();
	if (vmx_allows(PROC2, PROC2_ENABLE_EPT)) {
		ept_tables();
		ept_leaves();
	} else {
		print("~ l2: no EPT\n");
	}
	paging();
	descriptor_table();
	check_true("l2", "after these: every page reads as all ones", hole_intact());
}
