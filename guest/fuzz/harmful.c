#include "guest/fuzz/exclude.h"

#define TIMER_FAR 0x10000 /* more than any L2 here takes */
#define SAME(name) (e->image.f[FI_##name] == e->base->image.f[FI_##name])

static u64 beyond_width(u64 address)
{
	static unsigned width;

	if (!width)
		width = cpuid(0x80000008).eax & 0xff;
	return address >> width;
}

/* A control that Nestling does not offer means one thing bare and another one nested. */
static bool hidden_control(const struct entry *e)
{
	return (V(PIN_CONTROLS) & hidden_controls[PIN]) || (V(PROC_CONTROLS) & hidden_controls[PROC]) ||
	       (V(PROC2_CONTROLS) & hidden_controls[PROC2]) ||
	       (V(EXIT_CONTROLS) & hidden_controls[EXIT]) || (V(ENTRY_CONTROLS) & hidden_controls[ENTRY]);
}

/* The bits of CR4 that Nestling does not offer. */
static bool hidden_cr4(const struct entry *e)
{
	u64 hidden = CR4_SMXE | CR4_CET | CR4_PKS | CR4_UINTR;

	return (V(GUEST_CR4) | V(HOST_CR4)) & hidden;
}

/* L1 goes on with it: its pages are user pages, and its paging has four levels. */
static bool host_ends_l1(const struct entry *e)
{
	bool cr3 = !SAME(HOST_CR3) && !beyond_width(V(HOST_CR3));
	bool cr4 = (V(HOST_CR4) ^ e->base->image.f[FI_HOST_CR4]) & (CR4_SMEP | CR4_SMAP | CR4_LA57);
	bool tables = (!SAME(HOST_GDTR_BASE) && canonical(V(HOST_GDTR_BASE), 48)) ||
		      (!SAME(HOST_IDTR_BASE) && canonical(V(HOST_IDTR_BASE), 48)) ||
		      (!SAME(HOST_TR_BASE) && canonical(V(HOST_TR_BASE), 48));
	bool cs = !SAME(HOST_CS_SELECTOR) && V(HOST_CS_SELECTOR) && !(V(HOST_CS_SELECTOR) & 7);
	bool rip = !SAME(HOST_RIP) && canonical(V(HOST_RIP), 48);

	return cr3 || cr4 || tables || cs || rip;
}

/* A VMX abort ends L1: the exit's MSR areas are good ones, or fail as controls. */
static bool bad_area(u64 address, u64 count, const struct msr_slot *good)
{
	bool wraps = count >> 28; /* in the simulated machine's arithmetic */
	bool fails = (address & 15) || beyond_width(address) ||
		     (!wraps && beyond_width(address + 16 * count - 1));

	return count && !fails && (address != (u64)good || count > MSR_SLOTS);
}

static bool vmx_abort(const struct entry *e)
{
	return bad_area(V(EXIT_MSR_LOAD_ADDR), V(EXIT_MSR_LOAD_COUNT), arena.exit_msrs) ||
	       bad_area(V(EXIT_MSR_STORE_ADDR), V(EXIT_MSR_STORE_COUNT), arena.store_msrs);
}

/* What lies there is not the same bare and nested. */
static bool msr_area_elsewhere(const struct entry *e)
{
	return bad_area(V(ENTRY_MSR_LOAD_ADDR), V(ENTRY_MSR_LOAD_COUNT), arena.entry_msrs);
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
	u64 table = V(EPT_POINTER) & PAGE_MASK;

	return proc2(e, PROC2_ENABLE_EPT) && !beyond_width(table) && table != (arena.eptp & PAGE_MASK) &&
	       table != arena.eptp_empty >> 12 << 12;
}

static bool link_elsewhere(const struct entry *e)
{
	u64 link = V(VMCS_LINK_POINTER);
	bool ours = link == arena.link_good || link == arena.link_shadow || link == arena.link_revision ||
		    link == (u64)e->base->region || link == arena.scratch;

	return !ours && !(link & ~PAGE_MASK) && !beyond_width(link);
}

/* The four entries are read from memory that may differ. */
static bool pdptes_elsewhere(const struct entry *e)
{
	bool pae = (V(GUEST_CR4) & CR4_PAE) && !(V(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST);

	return pae && !proc2(e, PROC2_ENABLE_EPT) && !beyond_width(V(GUEST_CR3)) &&
	       !arena_has(V(GUEST_CR3) & 0xffffffe0);
}

static bool guest_changed(const struct entry *e)
{
	for (unsigned i = 0; i < e->count; i++)
		if (e->mutation[i].field >= 0 && field_info[e->mutation[i].field].group == GUEST)
			return true;
	return false;
}

/*
 * L2 may run only where its state is the base's, and then to its HLT; else the timer must be at 0. Between them is
 * a timer that may or may not expire before.
 */
static bool runs_on(const struct entry *e)
{
	bool timer = V(PIN_CONTROLS) & PIN_ACTIVATE_PREEMPTION_TIMER;
	bool close = timer && V(PREEMPTION_TIMER_VALUE) < TIMER_FAR;
	bool to_hlt = !guest_changed(e) && !injects(e) && (V(PROC_CONTROLS) & PROC_HLT_EXITING) &&
		      (SAME(ENTRY_CONTROLS) && SAME(PROC2_CONTROLS) && SAME(EPT_POINTER));

	return !stops_at_once(e) && (close || !to_hlt);
}

/* No timer wakes a processor that waits for a SIPI. */
static bool waits_for_sipi(const struct entry *e)
{
	return V(GUEST_ACTIVITY_STATE) == WAIT_FOR_SIPI && !injects(e);
}

/* Delivery reads and writes memory: only an EPT keeps that to L2's own, or an IDT without entries. */
static bool delivers_anywhere(const struct entry *e)
{
	bool delivers = injects(e) || V(GUEST_PENDING_DEBUG) ||
			proc2(e, PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	bool contained = proc2(e, PROC2_ENABLE_EPT);
	bool no_idt = V(GUEST_IDTR_LIMIT) == 0 || V(GUEST_IDTR_LIMIT) > 0xffff;

	return delivers && !contained && !no_idt;
}

struct rule harmful[] = {
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
};
const unsigned harmful_count = ARRAY_LEN(harmful);
