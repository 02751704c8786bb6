#include "guest/fuzz/fuzz.h"

#include "guest/lib/console.h"
#include "guest/lib/memory.h"
#include "vmx/msr.h"

#define F(name) (e->image.f[FI_##name])
#define SAME(name) (e->image.f[FI_##name] == e->base->image.f[FI_##name])

static bool proc2(const struct entry *e, u32 control)
{
	return (F(PROC_CONTROLS) & PROC_ACTIVATE_SECONDARY) && (F(PROC2_CONTROLS) & control);
}

static u64 beyond_width(u64 address)
{
	static unsigned width;

	if (!width)
		width = cpuid(0x80000008).eax & 0xff;
	return address >> width;
}

/* ---- what would end L1, or depend on more than the entry. True: it does */

/* A control that Nestling does not offer means one thing bare and another one nested. */
static bool hidden_control(const struct entry *e)
{
	return (F(PIN_CONTROLS) & hidden_controls(PIN)) || (F(PROC_CONTROLS) & hidden_controls(PROC)) ||
	       (F(PROC2_CONTROLS) & hidden_controls(PROC2)) ||
	       (F(EXIT_CONTROLS) & hidden_controls(EXIT)) || (F(ENTRY_CONTROLS) & hidden_controls(ENTRY));
}

/* The bits of CR4 that Nestling does not offer. */
static bool hidden_cr4(const struct entry *e)
{
	u64 hidden = CR4_SMXE | CR4_CET | CR4_PKS | CR4_UINTR;

	return (F(GUEST_CR4) | F(HOST_CR4)) & hidden;
}

/* L1 goes on with it: its pages are user pages, and its paging has four levels. */
static bool host_ends_l1(const struct entry *e)
{
	bool cr3 = !SAME(HOST_CR3) && !beyond_width(F(HOST_CR3));
	bool cr4 = (F(HOST_CR4) ^ e->base->image.f[FI_HOST_CR4]) & (CR4_SMEP | CR4_SMAP | CR4_LA57);
	bool tables = (!SAME(HOST_GDTR_BASE) && canonical(F(HOST_GDTR_BASE), 48)) ||
		      (!SAME(HOST_IDTR_BASE) && canonical(F(HOST_IDTR_BASE), 48)) ||
		      (!SAME(HOST_TR_BASE) && canonical(F(HOST_TR_BASE), 48));
	bool cs = !SAME(HOST_CS_SELECTOR) && F(HOST_CS_SELECTOR)
	&&!(F(HOST_CS_SELECTOR) & 7);
	bool rip = !SAME(HOST_RIP) && canonical(F(HOST_RIP), 48);

	return cr3 || cr4 || tables || cs || rip;
}

/* A VMX abort ends L1: the exit's MSR areas are good ones, or fail as controls. */
static bool bad_area(u64 address, u64 count, const struct msr_slot *good)
{
	bool fails = (address & 15) || beyond_width(address);

	return count && !fails && (address != (u64)good || count > MSR_SLOTS);
}

static bool vmx_abort(const struct entry *e)
{
	return bad_area(F(EXIT_MSR_LOAD_ADDR), F(EXIT_MSR_LOAD_COUNT), arena.exit_msrs) ||
	       bad_area(F(EXIT_MSR_STORE_ADDR), F(EXIT_MSR_STORE_COUNT), arena.store_msrs);
}

/* What lies there is not the same bare and nested. */
static bool msr_area_elsewhere(const struct entry *e)
{
	return bad_area(F(ENTRY_MSR_LOAD_ADDR), F(ENTRY_MSR_LOAD_COUNT), arena.entry_msrs);
}

/* Pages that the processor writes, or reads as tables: ours, or none. */
static bool page_elsewhere(const struct entry *e)
{
	static const enum field_index pages[] = {
		FI_IO_BITMAP_A,    FI_IO_BITMAP_B,         FI_MSR_BITMAP,        FI_VIRTUAL_APIC_ADDRESS,
		FI_PML_ADDRESS,    FI_APIC_ACCESS_ADDRESS, FI_PI_DESC_ADDRESS,   FI_VMREAD_BITMAP,
		FI_VMWRITE_BITMAP, FI_VE_INFO_ADDRESS,     FI_EPTP_LIST_ADDRESS,
	};

	for (unsigned i = 0; i < ARRAY_LEN(pages); i++) {
		u64 value = e->image.f[pages[i]];
		bool ours = value - arena.scratch < 2 * PAGE_SIZE;
		if (field_known[pages[i]] && !ours && !(value & 63) && !beyond_width(value))
			return true;
	}
	return false;
}

static bool ept_elsewhere(const struct entry *e)
{
	u64 table = F(EPT_POINTER)
	&PAGE_MASK;

	return proc2(e, PROC2_ENABLE_EPT) && !beyond_width(table) && table != (arena.eptp & PAGE_MASK) &&
	       table != arena.eptp_empty >> 12 << 12;
}

static bool link_elsewhere(const struct entry *e)
{
	u64 link = F(VMCS_LINK_POINTER);
	bool ours = link == arena.link_good || link == arena.link_shadow || link == arena.link_revision ||
		    link == (u64)e->base->region || link == arena.scratch;

	return !ours && !(link & ~PAGE_MASK) && !beyond_width(link);
}

/* The four entries are read from memory that may differ. */
static bool pdptes_elsewhere(const struct entry *e)
{
	bool pae = (F(GUEST_CR4) & CR4_PAE) && !(F(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST);

	return pae && !proc2(e, PROC2_ENABLE_EPT) && !beyond_width(F(GUEST_CR3)) &&
	       !arena_has(F(GUEST_CR3) & 0xffffffe0);
}

static bool injects(const struct entry *e)
{
	return F(ENTRY_INTERRUPTION_INFO)
	&INTR_VALID;
}

static bool guest_changed(const struct entry *e)
{
	for (unsigned i = 0; i < e->count; i++)
		if (e->mutation[i].field >= 0 && field_info[e->mutation[i].field].group == GUEST)
			return true;
	return false;
}

/* L2 may run only where its state is the base's, and then to its HLT; else the timer must be at 0. */
static bool runs_on(const struct entry *e)
{
	bool stops = (F(PIN_CONTROLS) & PIN_ACTIVATE_PREEMPTION_TIMER) && F(PREEMPTION_TIMER_VALUE)
	== 0;
	bool to_hlt = !guest_changed(e) && !injects(e) && (F(PROC_CONTROLS) & PROC_HLT_EXITING) &&
		      (SAME(ENTRY_CONTROLS) && SAME(PROC2_CONTROLS) && SAME(EPT_POINTER));

	return !stops && !to_hlt;
}

/* No timer wakes a processor that waits for a SIPI. */
static bool waits_for_sipi(const struct entry *e)
{
	return F(GUEST_ACTIVITY_STATE)
	== WAIT_FOR_SIPI && !injects(e);
}

/* Delivery reads and writes memory: only an EPT keeps that to L2's own, or an IDT without entries. */
static bool delivers_anywhere(const struct entry *e)
{
	bool delivers = injects(e) || F(GUEST_PENDING_DEBUG)
	|| proc2(e, PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	bool contained = proc2(e, PROC2_ENABLE_EPT);
	bool no_idt = F(GUEST_IDTR_LIMIT)
	== 0 || F(GUEST_IDTR_LIMIT)
	> 0xffff;

	return delivers && !contained && !no_idt;
}

/* ---- defects of the simulated machine, Bochs 2.7. True: the entry meets one */

/*
 * SDM: "Checks on VM-Entry Control Fields": type 7 needs the monitor trap flag, and vector 0. Without, it ends
 * the machine.
 */
static bool defect_other_event(const struct entry *e)
{
	u64 info = F(ENTRY_INTERRUPTION_INFO);
	bool other = injects(e) && INTR_TYPE(info) == INTR_OTHER;

	return other && ((info & INTR_VECTOR) || !vmx_allows(PROC, PROC_MONITOR_TRAP_FLAG));
}

/* SDM: "Guest Non-Register State": bits 63:17 are reserved; bits 63:32 are not looked at. */
static bool defect_pending_debug_high(const struct entry *e)
{
	return F(GUEST_PENDING_DEBUG)
	>> 32;
}

/* SDM: "Checks on Guest RIP, RFLAGS, and SSP": canonical in 64-bit mode; any RIP is taken. */
static bool defect_rip(const struct entry *e)
{
	return (F(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST) && !canonical(F(GUEST_RIP), 48);
}

/* SDM: "Checks on Guest Control Registers, Debug Registers, and MSRs": reserved bits are 0; all are taken. */
static bool defect_debugctl(const struct entry *e)
{
	bool loads = F(ENTRY_CONTROLS)
	&ENTRY_LOAD_DEBUG_CONTROLS;

	return loads && (F(GUEST_IA32_DEBUGCTL) & ~(BITS(15, 6) | BITS(1, 0)));
}

/* SDM: "Loading Host Control Registers, Debug Registers, MSRs": all 32 bits; bits 31:16 are lost. */
static bool defect_host_sysenter_cs(const struct entry *e)
{
	return F(HOST_SYSENTER_CS)
	>> 16;
}

/* SDM: "Checks on Guest Non-Register State": which events HLT and shutdown allow; they take all. */
static bool defect_activity_injection(const struct entry *e)
{
	u64 info = F(ENTRY_INTERRUPTION_INFO)
	, vector = info & INTR_VECTOR;
	bool exception = INTR_TYPE(info) == INTR_HW_EXCEPTION, nmi = INTR_TYPE(info) == INTR_NMI;
	bool check = exception && vector == VEC_MC, debug = exception && vector == VEC_DB;
	bool hlt = F(GUEST_ACTIVITY_STATE)
	== HLT, shutdown = F(GUEST_ACTIVITY_STATE)
	== SHUTDOWN;

	return injects(e) && ((hlt && !nmi && !check && !debug && INTR_TYPE(info) != INTR_EXTERNAL) ||
			      (shutdown && !nmi && !check));
}

/* SDM: "Checks on Guest Segment Registers": DPL of types 0 to 11 is not below RPL; type 11 is left out. */
static bool defect_code_in_data_dpl(const struct entry *e)
{
	static const u8 data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

	for (unsigned i = 0; i < ARRAY_LEN(data); i++) {
		u64 ar = e->image.f[FI_GUEST_ES_AR + data[i]];
		u64 rpl = e->image.f[FI_GUEST_ES_SELECTOR + data[i]] & 3;
		if (!(ar & AR_UNUSABLE) && (ar & AR_TYPE) == 11 && AR_DPL(ar) < rpl)
			return true;
	}
	return false;
}

/* SDM: "NMI-window exiting": bare, blocking of virtual NMIs outlasts the entry that ends it. */
static bool defect_virtual_nmis(const struct entry *e)
{
	bool window = (F(PROC_CONTROLS) & PROC_NMI_WINDOW_EXITING) &&
		      !(F(GUEST_INTERRUPTIBILITY) & BLOCKING_NMI);
	bool stops = (F(PIN_CONTROLS) & PIN_ACTIVATE_PREEMPTION_TIMER) && F(PREEMPTION_TIMER_VALUE)
	== 0;

	return window && !stops;
}

static struct rule {
	const char *name, *why;
	bool (*meets)(const struct entry *e);
	u64 count;
} rules[] = {
	{"hidden-control", "Nestling does not offer it", hidden_control, 0},
	{"hidden-cr4", "Nestling does not offer it", hidden_cr4, 0},
	{"host-ends-l1", "L1 could not go on with this host state", host_ends_l1, 0},
	{"vmx-abort", "L1 would end in a VMX abort", vmx_abort, 0},
	{"msr-area-elsewhere", "memory that may differ", msr_area_elsewhere, 0},
	{"page-elsewhere", "memory of L1's would be written", page_elsewhere, 0},
	{"ept-elsewhere", "L1's memory taken for tables", ept_elsewhere, 0},
	{"link-elsewhere", "memory that may differ", link_elsewhere, 0},
	{"pdptes-elsewhere", "memory that may differ", pdptes_elsewhere, 0},
	{"runs-on", "L2 might not exit at once", runs_on, 0},
	{"waits-for-sipi", "L2 would not exit", waits_for_sipi, 0},
	{"delivers-anywhere", "L1's memory would be written", delivers_anywhere, 0},
	{"defect-other-event", "type 7 with a vector or without MTF ends the machine", defect_other_event,
	 0},
	{"defect-pending-debug-high", "bits 63:32 are not checked", defect_pending_debug_high, 0},
	{"defect-rip", "not canonical is not checked", defect_rip, 0},
	{"defect-debugctl", "reserved bits are not checked", defect_debugctl, 0},
	{"defect-host-sysenter-cs", "bits 31:16 are not loaded", defect_host_sysenter_cs, 0},
	{"defect-activity-injection", "events that HLT and shutdown forbid are taken",
	 defect_activity_injection, 0},
	{"defect-code-in-data-dpl", "DPL of code of type 11 is not checked", defect_code_in_data_dpl, 0},
	{"defect-virtual-nmis", "an entry does not end the blocking of virtual NMIs", defect_virtual_nmis,
	 0},
};

bool exclude_passes(const struct entry *e)
{
	for (unsigned i = 0; i < ARRAY_LEN(rules); i++) {
		if (rules[i].meets(e)) {
			rules[i].count++;
			return false;
		}
	}
	return true;
}

void exclude_print(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].count)
			print("~ made again %lu: %s (%s)\n", rules[i].count, rules[i].name, rules[i].why);
}
