/*
 * Where Bochs 2.7 checks less than a processor, or something else. An entry that would show it is not done: bare,
 * it is wrong, and Nestling is not to be like it. What is masked only, and not left out, is in result.c.
 */
#include "guest/fuzz/exclude.h"

/* SDM: "Checks on VM-Entry Control Fields": type 7 needs the monitor trap flag. Without, it ends the machine. */
static bool defect_other_event(const struct entry *e)
{
	bool other = INTR_TYPE(V(ENTRY_INTERRUPTION_INFO)) == INTR_OTHER;

	return injects(e) && other && !vmx_allows(PROC, PROC_MONITOR_TRAP_FLAG);
}

/* SDM: "Guest Non-Register State": bits 63:17 are reserved; bits 63:32 are not looked at. */
static bool defect_pending_debug_high(const struct entry *e)
{
	return V(GUEST_PENDING_DEBUG) >> 32;
}

/* SDM: "Checks on Guest RIP, RFLAGS, and SSP": canonical in 64-bit mode; any RIP is taken. */
static bool defect_rip(const struct entry *e)
{
	return (V(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST) && !canonical(V(GUEST_RIP), 48);
}

/* SDM: "Checks on Guest Control Registers, Debug Registers, and MSRs": reserved bits are 0; all are taken. */
static bool defect_debugctl(const struct entry *e)
{
	bool loads = V(ENTRY_CONTROLS) & ENTRY_LOAD_DEBUG_CONTROLS;

	return loads && (V(GUEST_IA32_DEBUGCTL) & ~(BITS(15, 6) | BITS(1, 0)));
}

/* SDM: "Loading Host Control Registers, Debug Registers, MSRs": all 32 bits; bits 31:16 are lost. */
static bool defect_host_sysenter_cs(const struct entry *e)
{
	return V(HOST_SYSENTER_CS) >> 16;
}

/* SDM: "Checks on Guest Non-Register State": which events HLT and shutdown allow; they take all. */
static bool defect_activity_injection(const struct entry *e)
{
	u64 info = V(ENTRY_INTERRUPTION_INFO), vector = info & INTR_VECTOR;
	bool exception = INTR_TYPE(info) == INTR_HW_EXCEPTION, nmi = INTR_TYPE(info) == INTR_NMI;
	bool check = exception && vector == VEC_MC, debug = exception && vector == VEC_DB;
	bool hlt = V(GUEST_ACTIVITY_STATE) == HLT, shutdown = V(GUEST_ACTIVITY_STATE) == SHUTDOWN;

	return injects(e) && ((hlt && !nmi && !check && !debug && INTR_TYPE(info) != INTR_EXTERNAL) ||
			      (shutdown && !nmi && !check));
}

/* SDM: "Checks on Guest Segment Registers": DPL of types 0 to 11 is not below RPL; type 11 is left out. */
static bool defect_code_in_data_dpl(const struct entry *e)
{
	static const u8 data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

	if (V(GUEST_RFLAGS) & RFLAGS_VM)
		return false;
	for (unsigned i = 0; i < ARRAY_LEN(data); i++) {
		u64 ar = e->image.f[FI_GUEST_ES_AR + data[i]];
		u64 rpl = e->image.f[FI_GUEST_ES_SELECTOR + data[i]] & 3;
		if (!(ar & AR_UNUSABLE) && (ar & AR_TYPE) == 11 && AR_DPL(ar) < rpl)
			return true;
	}
	return false;
}

/*
 * SDM: "NMI-window exiting": bare, blocking of virtual NMIs outlasts the entry that ends it. It shows where the
 * timer does not come first. And in HLT: an open window ends the waiting before the timer's exit, which then saves
 * the active state. SDM: "Architectural State Before a VM Exit": that state is returned to after the exit only.
 */
static bool defect_virtual_nmis(const struct entry *e)
{
	bool window = (V(PROC_CONTROLS) & PROC_NMI_WINDOW_EXITING) &&
		      !(V(GUEST_INTERRUPTIBILITY) & BLOCKING_NMI);

	return window && (!stops_at_once(e) || V(GUEST_ACTIVITY_STATE) != ACTIVE);
}

static bool blocks(const struct entry *e, u32 blocking)
{
	return V(GUEST_INTERRUPTIBILITY) & blocking;
}

/* SDM: "Checks on Guest Non-Register State": no NMI into blocking by NMI, under virtual NMIs. */
static bool defect_nmi_into_blocking(const struct entry *e)
{
	bool nmi = injects(e) && INTR_TYPE(V(ENTRY_INTERRUPTION_INFO)) == INTR_NMI;

	return nmi && (V(PIN_CONTROLS) & PIN_VIRTUAL_NMIS) && blocks(e, BLOCKING_NMI);
}

/* SDM: the same: BS is as RFLAGS.TF and IA32_DEBUGCTL.BTF say, where traps are held back. */
static bool defect_pending_bs(const struct entry *e)
{
	bool holds = blocks(e, BLOCKING_STI | BLOCKING_MOV_SS) || V(GUEST_ACTIVITY_STATE) == HLT;
	bool steps = (V(GUEST_RFLAGS) & RFLAGS_TF) && !(V(GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF);

	return holds && steps != !!(V(GUEST_PENDING_DEBUG) & BIT(14));
}

static bool unrestricted(const struct entry *e)
{
	return proc2(e, PROC2_UNRESTRICTED_GUEST);
}

/*
 * SDM: "Checks on Guest Segment Registers": the DPL of a code segment in CS is held against SS.DPL; the machine
 * takes CS.RPL, which is the same but for an unrestricted guest.
 */
static bool defect_cs_dpl(const struct entry *e)
{
	u64 cs = V(GUEST_CS_AR), rpl = V(GUEST_CS_SELECTOR) & 3, dpl = AR_DPL(cs),
	    ss = AR_DPL(V(GUEST_SS_AR));
	bool conforming = cs & 4;
	bool code = cs & 8;

	return unrestricted(e) && code &&
	       (conforming ? (dpl <= ss) != (dpl <= rpl) : (dpl == ss) != (dpl == rpl));
}

/* SDM: the same: a usable SS has its rules in 64-bit mode too; with RPL 0 none of them is looked at. */
static bool defect_ss_in_64(const struct entry *e)
{
	u64 ss = V(GUEST_SS_AR), limit = V(GUEST_SS_LIMIT);
	bool long_64 = (V(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST) && (V(GUEST_CS_AR) & AR_L);
	bool g_fits = ss & AR_G ? (limit & 0xfff) == 0xfff : limit >> 20 == 0;
	bool good = (ss & AR_S) && (ss & AR_P) && (ss & 0xb) == 3 && !(ss & 0xfffe0f00) && g_fits &&
		    !(V(GUEST_SS_BASE) >> 32);

	return long_64 && !(V(GUEST_SS_SELECTOR) & 3) && !(ss & AR_UNUSABLE) && !good;
}

/* SDM: "Checks on Guest Control Registers, ..." and "... RIP, RFLAGS, and SSP": paging and PE are needed. */
static bool defect_mode_of_unrestricted(const struct entry *e)
{
	bool ia32e = V(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST;
	bool vm = V(GUEST_RFLAGS) & RFLAGS_VM;

	return unrestricted(e) &&
	       ((ia32e && !(V(GUEST_CR0) & CR0_PG)) || (vm && !(V(GUEST_CR0) & CR0_PE)));
}

struct rule defects[] = {
	{"defect-other-event", "type 7 without MTF ends the machine", defect_other_event, 0},
	{"defect-pending-debug-high", "bits 63:32 are not checked", defect_pending_debug_high, 0},
	{"defect-rip", "not canonical is not checked", defect_rip, 0},
	{"defect-debugctl", "reserved bits are not checked", defect_debugctl, 0},
	{"defect-host-sysenter-cs", "bits 31:16 are not loaded", defect_host_sysenter_cs, 0},
	{"defect-activity-injection", "events that HLT and shutdown forbid are taken",
	 defect_activity_injection, 0},
	{"defect-code-in-data-dpl", "DPL of code of type 11 is not checked", defect_code_in_data_dpl, 0},
	{"defect-virtual-nmis", "an entry does not end the blocking of virtual NMIs", defect_virtual_nmis,
	 0},
	{"defect-nmi-into-blocking", "not checked", defect_nmi_into_blocking, 0},
	{"defect-pending-bs", "not checked", defect_pending_bs, 0},
	{"defect-cs-dpl", "checked against CS.RPL, not SS.DPL", defect_cs_dpl, 0},
	{"defect-ss-in-64", "SS is not checked in 64-bit mode", defect_ss_in_64, 0},
	{"defect-mode-of-unrestricted", "IA-32e without paging, VM without PE are taken",
	 defect_mode_of_unrestricted, 0},
};
const unsigned defect_count = ARRAY_LEN(defects);
