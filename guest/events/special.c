/*
 * Single rules of entries and exits: one row each, that says what is set up and what must come out.
 */
#include "guest/events/apic.h"
#include "guest/events/defects.h"
#include "guest/events/event.h"
#include "guest/events/report.h"
#include "guest/events/rows.h"
#include "guest/events/special.h"
#include "guest/lib/asm.h"
#include "guest/lib/memory.h"
#include "vmx/exits.h"
#include "vmx/msr.h"

static void spoil_rflags(struct world *w)
{
	SET(w, GUEST_RFLAGS, 0);
}

static void spoil_activity(struct world *w)
{
	SET(w, GUEST_ACTIVITY_STATE, 7);
}

/* An MSR that no list may load. SDM: "Loading MSRs". */
static void spoil_msr(struct world *w)
{
	static u64 *list;

	if (!list)
		list = page_alloc();
	list[0] = MSR_IA32_FS_BASE;
	SET(w, ENTRY_MSR_LOAD_ADDR, (u64)list);
	SET(w, ENTRY_MSR_LOAD_COUNT, 1);
}

static void spoil_link(struct world *w)
{
	SET(w, VMCS_LINK_POINTER, 0x123);
}

static const struct special specials[] = {
	/* R63, R64: windows and what blocks them. */
	{"interrupt window, blocking by STI", PIECE_nop, .proc = PROC_INTERRUPT_WINDOW_EXITING,
	 .rflags = RFLAGS_IF, .interruptibility = BLOCKING_STI, .reason = EXIT_REASON_INTERRUPT_WINDOW,
	 .where = END},
	{"interrupt window, blocking by MOV SS", PIECE_nop, .proc = PROC_INTERRUPT_WINDOW_EXITING,
	 .rflags = RFLAGS_IF, .interruptibility = BLOCKING_MOV_SS, .reason = EXIT_REASON_INTERRUPT_WINDOW,
	 .where = END},
	{"interrupt window, IF 0", PIECE_nop, .proc = PROC_INTERRUPT_WINDOW_EXITING,
	 .reason = EXIT_REASON_VMCALL, .where = END},
	{"interrupt window, STI", PIECE_sti, .proc = PROC_INTERRUPT_WINDOW_EXITING,
	 .reason = EXIT_REASON_INTERRUPT_WINDOW, .where = END},
	{"NMI window, blocking by MOV SS", PIECE_nop, .pin = VNMI, .proc = PROC_NMI_WINDOW_EXITING,
	 .interruptibility = BLOCKING_MOV_SS, .reason = EXIT_REASON_NMI_WINDOW, .where = END},
	{"NMI window, blocking by NMI", PIECE_nop, .pin = VNMI, .proc = PROC_NMI_WINDOW_EXITING,
	 .interruptibility = BLOCKING_NMI, .reason = EXIT_REASON_VMCALL, .where = END,
	 .blocking = BLOCKING_NMI},
	/* R65. */
	{"timer 0, blocking by STI", PIECE_nop, .pin = PIN_ACTIVATE_PREEMPTION_TIMER, .rflags = RFLAGS_IF,
	 .interruptibility = BLOCKING_STI, .reason = EXIT_REASON_PREEMPTION_TIMER,
	 .blocking = BLOCKING_STI, .defect = defect_sti_blocks_timer},
	/* R59, R60, R62. */
	{"interrupt, IF 0", PIECE_nop, .pin = PIN_EXTERNAL_INTERRUPT_EXITING, .interrupt = true,
	 .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .defect = defect_interrupt_if_0},
	{"interrupt not intercepted, IF 0", PIECE_nop, .interrupt = true, .reason = EXIT_REASON_VMCALL,
	 .where = END},
	{"interrupt not intercepted, STI", PIECE_sti, .interrupt = true, .reason = EXIT_REASON_VMCALL,
	 .where = HANDLER, .vector = IRQ},
	/* Without virtual NMIs there is no NMI window to wait for the end of this blocking with. */
	{"interrupt, IF 0, blocking by MOV SS, NMI exiting", PIECE_nop,
	 .pin = PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING, .interruptibility = BLOCKING_MOV_SS,
	 .interrupt = true, .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .where = END,
	 .defect = defect_interrupt_if_0},
	{"NMI, blocking by MOV SS, NMI exiting", PIECE_nop, .pin = PIN_NMI_EXITING,
	 .interruptibility = BLOCKING_MOV_SS, .nmi_pending = true, .reason = EXIT_REASON_EXCEPTION_NMI,
	 .where = END, .info = NMI_INFO, .defect = defect_nmi_stays_blocked},
	{"NMI from L2, NMI exiting", PIECE_write, .pin = PIN_NMI_EXITING, .nmi = true,
	 .reason = EXIT_REASON_EXCEPTION_NMI, .where = END, .info = NMI_INFO,
	 .defect = defect_nmi_blocks_early},
	{"NMI from L2, virtual NMIs", PIECE_write, .pin = VNMI, .nmi = true,
	 .reason = EXIT_REASON_EXCEPTION_NMI, .where = END, .info = NMI_INFO},
	{"NMI from L2, virtual NMIs, blocking by NMI", PIECE_write, .pin = VNMI, .nmi = true,
	 .interruptibility = BLOCKING_NMI, .reason = EXIT_REASON_EXCEPTION_NMI, .where = END,
	 .info = NMI_INFO, .blocking = BLOCKING_NMI},
	/* Pending debug exceptions: R41, R54. */
	{"pending BS", PIECE_nop, .bitmap = 1u << VEC_DB, .rflags = RFLAGS_TF, .debug = DR6_BS,
	 .reason = EXIT_REASON_EXCEPTION_NMI, .info = EXCEPTION(VEC_DB), .qualification = DR6_BS},
	{"pending BS, blocking by MOV SS", PIECE_nop, .bitmap = 1u << VEC_DB, .rflags = RFLAGS_TF,
	 .interruptibility = BLOCKING_MOV_SS, .debug = DR6_BS, .reason = EXIT_REASON_EXCEPTION_NMI,
	 .where = END, .info = EXCEPTION(VEC_DB), .qualification = DR6_BS},
	{"pending B0", PIECE_nop, .bitmap = 1u << VEC_DB, .debug = BIT(12) | BIT(0),
	 .reason = EXIT_REASON_EXCEPTION_NMI, .info = EXCEPTION(VEC_DB), .qualification = BIT(0)},
	{"pending BS, TF, not intercepted", PIECE_nop, .rflags = RFLAGS_TF, .debug = DR6_BS,
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_DB},
	{"#GP injected drops pending BS", PIECE_nop, .bitmap = 1u << VEC_DB, .debug = DR6_BS,
	 .rflags = RFLAGS_TF, .injected = EXCEPTION(VEC_UD), .reason = EXIT_REASON_VMCALL,
	 .where = HANDLER, .vector = VEC_UD},
	/* R52. */
	{"INT3, #BP intercepted", PIECE_int3, .bitmap = 1u << VEC_BP, .reason = EXIT_REASON_EXCEPTION_NMI,
	 .info = SOFTWARE(VEC_BP)},
	{"INT1, #DB intercepted", PIECE_int1, .bitmap = 1u << VEC_DB, .reason = EXIT_REASON_EXCEPTION_NMI,
	 .info = PRIVILEGED(VEC_DB)},
	{"INT 3 of two bytes, #BP intercepted", PIECE_int03, .bitmap = 1u << VEC_BP,
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_BP},
	{"INT 14, #PF intercepted", PIECE_int0e, .bitmap = 1u << VEC_PF, .reason = EXIT_REASON_VMCALL,
	 .where = HANDLER, .vector = VEC_PF},
	/* R67: the injected monitor trap flag. */
	{"MTF injected", PIECE_nop, .injected = MTF_INFO, .reason = EXIT_REASON_MONITOR_TRAP_FLAG,
	 .defect = defect_mtf_never},
	{"MTF", PIECE_nop, .proc = PROC_MONITOR_TRAP_FLAG, .reason = EXIT_REASON_MONITOR_TRAP_FLAG,
	 .where = END, .defect = defect_mtf_never},
	/* R45: an entry that fails writes nothing but reason and qualification. */
	{"entry fails over RFLAGS", PIECE_nop, .injected = EXCEPTION(VEC_UD), .spoil = spoil_rflags,
	 .reason = FAILED(EXIT_REASON_ENTRY_GUEST_STATE), .still = true},
	{"entry fails over the activity state", PIECE_nop, .injected = EXCEPTION(VEC_UD),
	 .spoil = spoil_activity, .reason = FAILED(EXIT_REASON_ENTRY_GUEST_STATE), .still = true},
	{"entry fails over the link pointer", PIECE_nop, .injected = EXCEPTION(VEC_UD),
	 .spoil = spoil_link, .reason = FAILED(EXIT_REASON_ENTRY_GUEST_STATE), .qualification = 4,
	 .still = true},
	{"entry fails over an MSR", PIECE_nop, .injected = EXCEPTION(VEC_UD), .spoil = spoil_msr,
	 .reason = FAILED(EXIT_REASON_ENTRY_MSR_LOAD), .qualification = 1, .still = true},
	{"entry fails with an interrupt pending", PIECE_nop, .pin = PIN_EXTERNAL_INTERRUPT_EXITING,
	 .interrupt = true, .injected = EXCEPTION(VEC_UD), .spoil = spoil_rflags,
	 .reason = FAILED(EXIT_REASON_ENTRY_GUEST_STATE), .still = true},
};

/* IA32_VMX_MISC: a bit for each activity state from HLT on. */
#define MISC_ACTIVITY_STATES 6

static bool possible(const struct special *s)
{
	u64 states = BIT(ACTIVE) | rdmsr(MSR_IA32_VMX_MISC) >> MISC_ACTIVITY_STATES << HLT;

	return vmx_allows(PIN, s->pin) && vmx_allows(PROC, s->proc) && states >> s->activity & 1 &&
	       (s->injected != MTF_INFO || vmx_allows(PROC, PROC_MONITOR_TRAP_FLAG));
}

static void set_up(struct world *w, const struct special *s)
{
	world_control(w, PIN, s->pin);
	world_control(w, PROC, s->proc);
	world_control(w, EXIT, s->exit);
	SET(w, EXCEPTION_BITMAP, s->bitmap);
	SET(w, GUEST_RIP, world_piece(w, s->piece));
	SET(w, GUEST_RFLAGS, RFLAGS_FIXED1 | s->rflags);
	SET(w, GUEST_INTERRUPTIBILITY, s->interruptibility);
	SET(w, GUEST_PENDING_DEBUG, s->debug);
	SET(w, ENTRY_INTERRUPTION_INFO, s->injected);
	SET(w, ENTRY_INSTRUCTION_LENGTH, s->length);
	if (s->pin & PIN_ACTIVATE_PREEMPTION_TIMER)
		SET(w, PREEMPTION_TIMER_VALUE, s->timer);
	SET(w, GUEST_ACTIVITY_STATE, s->activity);
	if (s->nmi_pending)
		report_check("NMI at L1", 1, apic_send_nmi());
	if (s->interrupt)
		apic_send(IRQ);
	if (s->nmi) {
		w->gpr[RBX] = APIC_ICR_ADDRESS;
		w->gpr[RCX] = apic_nmi_command();
	}
	if (s->spoil)
		s->spoil(w);
}

static u64 place(const struct world *w, const struct special *s)
{
	return s->where == START ? world_piece(w, s->piece) :
	       s->where == END   ? world_piece_end(w, s->piece) :
				   world_stub(w, s->vector) + (s->where == HANDLER ? STUB_VMCALL : 0);
}

static u64 valid(u64 info)
{
	return info & INTR_VALID ? info & ~(u64)INTR_NMI_UNBLOCKING : 0;
}

static void check(const struct world *w, const struct special *s)
{
	bool failed = s->reason & EXIT_REASON_ENTRY_FAILURE;

	report_check("reason", s->reason, w->now[FI_EXIT_REASON]);
	report_check("qualification", s->qualification, w->now[FI_EXIT_QUALIFICATION]);
	report_check("injection", s->still ? INTR_VALID : 0,
		     w->now[FI_ENTRY_INTERRUPTION_INFO] & INTR_VALID);
	report_check("RIP", place(w, s), w->now[FI_GUEST_RIP]);
	if (failed)
		return;
	report_check("interruption", s->info, valid(w->now[FI_EXIT_INTERRUPTION_INFO]));
	report_check("vectoring", 0, valid(w->now[FI_IDT_VECTORING_INFO]));
	report_check("interruptibility", s->blocking, w->now[FI_GUEST_INTERRUPTIBILITY]);
	report_check("pending-debug", 0, w->now[FI_GUEST_PENDING_DEBUG]);
	report_check("activity", s->after, w->now[FI_GUEST_ACTIVITY_STATE]);
}

void special_row(struct world *w, const char *group, const struct special *s)
{
	if (!report_begin("%s %s: %s", w->name, group, s->name))
		return;
	if (!possible(s)) {
		report_skip();
		return;
	}
	if (s->defect)
		s->defect();
	if (s->after != ACTIVE && s->reason != EXIT_REASON_PREEMPTION_TIMER)
		defect_activity_lost();
	world_reset(w);
	world_invalidate(w);
	world_enter(w); /* L2's code is mapped: see warm() in delivery.c */
	write_dr6(DR6_INIT);
	set_up(w, s);
	report_enter(w);
	check(w, s);
	report_end();
	apic_unblock_nmi();
	apic_drain();
	if (s->interruptibility & BLOCKING_NMI)
		event_unblock_virtual_nmi(w);
}

void rows_special(struct world *w)
{
	for (unsigned i = 0; i < ARRAY_LEN(specials); i++)
		special_row(w, "special", &specials[i]);
}
