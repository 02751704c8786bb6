/*
 * Several things pending at one entry: they come out one after the other, each before L2's next
 * instruction, in the order of pending.def, and behind the event that was injected.
 */
#include "guest/events/apic.h"
#include "guest/events/defects.h"
#include "guest/events/report.h"
#include "guest/events/rows.h"
#include "guest/lib/console.h"
#include "guest/lib/memory.h"
#include "vmx/exits.h"

enum pending {
#define X(name, reason) PENDING_##name,
#include "guest/events/pending.def"
#undef X
	PENDING_COUNT
};

static const struct {
	const char *name;
	u32 reason;
} pending[] = {
#define X(name, reason) {#name, EXIT_REASON_##reason},
#include "guest/events/pending.def"
#undef X
};

#define IRQ 0x41
#define MOST 3 /* pending in one row */
#define NMI_INFO (INTR_VALID | INTR_NMI << 8 | VEC_NMI)
#define DB_INFO (INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_DB)
#define IRQ_INFO (INTR_VALID | INTR_EXTERNAL << 8 | IRQ)

struct set {
	u32 members; /* bits of enum pending */
	const struct event *injected; /* or NULL */
};

static void *apic_pages[2];

/* ---- what can be */

static bool has(const struct set *s, enum pending p)
{
	return s->members & 1u << p;
}

static bool allowed(enum pending p)
{
	switch (p) {
	case PENDING_tpr:
		return vmx_allows(PROC, PROC_USE_TPR_SHADOW | PROC_ACTIVATE_SECONDARY) &&
		       vmx_allows(PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES);
	case PENDING_mtf:
		return vmx_allows(PROC, PROC_MONITOR_TRAP_FLAG);
	case PENDING_timer:
		return vmx_allows(PIN, PIN_ACTIVATE_PREEMPTION_TIMER);
	case PENDING_nmi_window:
		return vmx_allows(PIN, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS) &&
		       vmx_allows(PROC, PROC_NMI_WINDOW_EXITING);
	default:
		return true;
	}
}

/* MTF is pending behind an injected event only; an injected event drops pending debug exceptions. */
static bool sensible(const struct set *s)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PENDING_COUNT; i++) {
		count += has(s, i);
		if (has(s, i) && !allowed(i))
			return false;
	}
	if (has(s, PENDING_mtf) && !s->injected)
		return false;
	if (has(s, PENDING_db) && s->injected)
		return false;
	return count >= 1 && count <= MOST &&
	       !(has(s, PENDING_interrupt) && has(s, PENDING_interrupt_ack));
}

/* ---- bringing it about */

static void arm_tpr(struct world *w)
{
	world_control(w, PROC, PROC_USE_TPR_SHADOW);
	world_control(w, PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES);
	SET(w, VIRTUAL_APIC_ADDRESS, (u64)apic_pages[0]);
	SET(w, APIC_ACCESS_ADDRESS, (u64)apic_pages[1]);
	SET(w, TPR_THRESHOLD, 1);
}

static void arm_interrupt(struct world *w, bool ack)
{
	world_control(w, PIN, PIN_EXTERNAL_INTERRUPT_EXITING);
	if (ack)
		world_control(w, EXIT, EXIT_ACK_INTERRUPT_ON_EXIT);
	apic_send(IRQ);
}

static void arm(struct world *w, enum pending p)
{
	switch (p) {
	case PENDING_tpr:
		arm_tpr(w);
		break;
	case PENDING_mtf:
		world_control(w, PROC, PROC_MONITOR_TRAP_FLAG);
		break;
	case PENDING_db:
		SET(w, GUEST_RFLAGS, w->now[FI_GUEST_RFLAGS] | RFLAGS_TF);
		SET(w, GUEST_PENDING_DEBUG, DR6_BS);
		SET(w, EXCEPTION_BITMAP, 1u << VEC_DB);
		break;
	case PENDING_timer:
		world_control(w, PIN, PIN_ACTIVATE_PREEMPTION_TIMER);
		SET(w, PREEMPTION_TIMER_VALUE, 0);
		break;
	case PENDING_nmi_window:
		world_control(w, PIN, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
		world_control(w, PROC, PROC_NMI_WINDOW_EXITING);
		break;
	case PENDING_nmi:
		world_control(w, PIN, PIN_NMI_EXITING);
		report_check("NMI at L1", 1, apic_send_nmi());
		break;
	case PENDING_interrupt_window:
		world_control(w, PROC, PROC_INTERRUPT_WINDOW_EXITING);
		break;
	default:
		arm_interrupt(w, p == PENDING_interrupt_ack);
		break;
	}
}

static void drop(struct world *w, enum field_index field, u64 control)
{
	world_set(w, field, w->now[field] & ~control);
}

/* It has come out: L1 does what ends it. */
static void disarm(struct world *w, enum pending p)
{
	switch (p) {
	case PENDING_tpr:
		SET(w, TPR_THRESHOLD, 0);
		break;
	case PENDING_mtf:
		drop(w, FI_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
		break;
	case PENDING_db: /* L1 drops the trap */
		SET(w, GUEST_RFLAGS, w->now[FI_GUEST_RFLAGS] & ~RFLAGS_TF);
		SET(w, EXCEPTION_BITMAP, 0);
		break;
	case PENDING_timer:
		drop(w, FI_PIN_CONTROLS, PIN_ACTIVATE_PREEMPTION_TIMER);
		break;
	case PENDING_nmi_window:
		drop(w, FI_PROC_CONTROLS, PROC_NMI_WINDOW_EXITING);
		break;
	case PENDING_interrupt_window:
		drop(w, FI_PROC_CONTROLS, PROC_INTERRUPT_WINDOW_EXITING);
		break;
	case PENDING_nmi:
		break;
	default:
		apic_drain();
		break;
	}
}

/* ---- what must come */

static u64 info_expected(enum pending p)
{
	return p == PENDING_nmi           ? NMI_INFO :
	       p == PENDING_db            ? DB_INFO :
	       p == PENDING_interrupt_ack ? IRQ_INFO :
					    0;
}

/* SDM: "Saving Non-Register State": these two keep what is still pending. */
static u64 debug_expected(const struct set *s, enum pending p)
{
	return has(s, PENDING_db) && (p == PENDING_tpr || p == PENDING_mtf) ? DR6_BS : 0;
}

static void check_exit(const struct world *w, const struct set *s, enum pending p, u64 rip)
{
	u64 info = w->now[FI_EXIT_INTERRUPTION_INFO];

	report_check("reason", pending[p].reason, w->now[FI_EXIT_REASON]);
	report_check("RIP", rip, w->now[FI_GUEST_RIP]);
	report_check("qualification", p == PENDING_db ? DR6_BS : 0, w->now[FI_EXIT_QUALIFICATION]);
	report_check("interruption", info_expected(p), info & INTR_VALID ? info : 0);
	report_check("vectoring", 0, w->now[FI_IDT_VECTORING_INFO] & INTR_VALID);
	report_check("injection", 0, w->now[FI_ENTRY_INTERRUPTION_INFO] & INTR_VALID);
	report_check("pending-debug", debug_expected(s, p), w->now[FI_GUEST_PENDING_DEBUG]);
	if (p == PENDING_interrupt)
		report_check("still requested", IRQ, (u64)apic_requested());
	if (p == PENDING_interrupt_ack)
		report_check("in service", IRQ, (u64)apic_in_service());
}

/* An injected NMI blocks NMIs, virtual ones where there are such, until its handler's IRET. */
static bool waits(const struct set *s, enum pending p)
{
	bool nmi = s->injected && s->injected->type == INTR_NMI;
	bool virtual = has(s, PENDING_nmi_window);

	return nmi && (p == PENDING_nmi_window || (p == PENDING_nmi && !virtual));
}

static void run_exits(struct world *w, struct set *s, u64 rip, bool waiting)
{
	for (unsigned p = 0; p < PENDING_COUNT && report_good(); p++) {
		if (!has(s, p) || (!waiting && waits(s, p)))
			continue;
		report_enter(w);
		check_exit(w, s, p, rip);
		disarm(w, p);
		s->members &= ~(1u << p);
	}
}

static void run_vmcall(struct world *w, u64 rip)
{
	if (!report_good())
		return;
	report_enter(w);
	report_check("reason", EXIT_REASON_VMCALL, w->now[FI_EXIT_REASON]);
	report_check("RIP", rip, w->now[FI_GUEST_RIP]);
	SET(w, GUEST_RIP, rip + VMCALL_LENGTH);
}

static void run(struct world *w, struct set s)
{
	u64 home = world_piece(w, PIECE_home);
	u64 stub = s.injected ? world_stub(w, s.injected->vector) : home;

	for (unsigned p = 0; p < PENDING_COUNT; p++)
		if (has(&s, p))
			arm(w, p);
	if (s.injected)
		event_inject(w, s.injected);
	run_exits(w, &s, stub, false);
	if (s.injected) {
		run_vmcall(w, stub + STUB_VMCALL);
		run_exits(w, &s, home, true); /* behind the IRET */
	}
	run_vmcall(w, home);
}

static void row(struct world *w, struct set s)
{
	char name[64];
	size_t n = 0;
	bool cut;

	for (unsigned p = 0; p < PENDING_COUNT; p++)
		if (has(&s, p))
			n += format(name + n, sizeof(name) - n, "%s%s", n ? ", " : "", pending[p].name);
	if (!report_begin("%s pending%s%s: %s", w->name, s.injected ? " inject " : "",
			  s.injected ? s.injected->name : "", name))
		return;
	if (has(&s, PENDING_nmi))
		defect_nmi_stays_blocked();
	if (has(&s, PENDING_mtf))
		defect_mtf_never();
	world_reset(w);
	world_invalidate(w);
	SET(w, GUEST_RFLAGS, RFLAGS_FIXED1 | RFLAGS_IF);
	run(w, s);
	cut = !report_good();
	report_end();
	apic_unblock_nmi();
	apic_drain();
	if (cut && s.injected && s.injected->type == INTR_NMI)
		event_unblock_virtual_nmi(w);
}

void rows_pending(struct world *w)
{
	static const enum event_index injected[] = {EVENT_extint, EVENT_nmi, EVENT_gp};

	for (unsigned i = 0; i < ARRAY_LEN(apic_pages); i++)
		if (!apic_pages[i])
			apic_pages[i] = page_alloc();
	for (u32 members = 1; members < 1u << PENDING_COUNT; members++)
		for (unsigned i = 0; i <= ARRAY_LEN(injected); i++) {
			struct set s = {members, i ? &events[injected[i - 1]] : NULL};
			if (sensible(&s))
				row(w, s);
		}
}
