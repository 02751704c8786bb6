/*
 * L2 in the HLT and shutdown states: entered so, or halted by its own instruction with each event pending
 * behind it. A preemption timer of some length is on wherever nothing should end the state: what nothing
 * ends is exit 52.
 *
 * SDM: "Activity State" (guest-state area; event injection; special features of VM entry), "Architectural
 * State before a VM Exit": an exit directly by an event saves the state in which it came.
 */
#include "guest/events/defects.h"
#include "guest/events/rows.h"
#include "guest/events/special.h"

#define TIMER PIN_ACTIVATE_PREEMPTION_TIMER
#define XINT PIN_EXTERNAL_INTERRUPT_EXITING
#define LONG_ENOUGH 2000 /* units of the timer */
#define EXTERNAL (INTR_VALID | INTR_EXTERNAL << 8 | IRQ)
#define SOFTWARE_INT (INTR_VALID | INTR_SW_INTERRUPT << 8 | 0x30)
#define WITH_ERROR(vector) (EXCEPTION(vector) | INTR_ERROR_CODE_VALID)

/* What is refused in a state that the event cannot come in. SDM: "Checks on Guest Non-Register State". */
#define REFUSED .reason = FAILED(EXIT_REASON_ENTRY_GUEST_STATE), .still = true

static const struct special rows[] = {
	/* HLT, entered. */
	{"HLT", PIECE_home, .activity = HLT, .pin = TIMER, .timer = LONG_ENOUGH, .rflags = RFLAGS_IF,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .after = HLT},
	{"HLT, timer 0", PIECE_home, .activity = HLT, .pin = TIMER,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .after = HLT},
	{"HLT, interrupt", PIECE_home, .activity = HLT, .pin = TIMER | XINT, .timer = LONG_ENOUGH,
	 .rflags = RFLAGS_IF, .interrupt = true, .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .after = HLT},
	{"HLT, interrupt, acknowledged", PIECE_home, .activity = HLT, .pin = TIMER | XINT,
	 .exit = EXIT_ACK_INTERRUPT_ON_EXIT, .timer = LONG_ENOUGH, .rflags = RFLAGS_IF, .interrupt = true,
	 .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .info = EXTERNAL, .after = HLT},
	{"HLT, interrupt, IF 0", PIECE_home, .activity = HLT, .pin = TIMER | XINT, .timer = LONG_ENOUGH,
	 .interrupt = true, .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .after = HLT,
	 .defect = defect_interrupt_if_0},
	{"HLT, interrupt not intercepted", PIECE_home, .activity = HLT, .pin = TIMER,
	 .timer = LONG_ENOUGH, .rflags = RFLAGS_IF, .interrupt = true, .reason = EXIT_REASON_VMCALL,
	 .where = HANDLER, .vector = IRQ},
	{"HLT, interrupt not intercepted, IF 0", PIECE_home, .activity = HLT, .pin = TIMER,
	 .timer = LONG_ENOUGH, .interrupt = true, .reason = EXIT_REASON_PREEMPTION_TIMER, .after = HLT},
	{"HLT, NMI", PIECE_home, .activity = HLT, .pin = TIMER | PIN_NMI_EXITING, .timer = LONG_ENOUGH,
	 .nmi_pending = true, .reason = EXIT_REASON_EXCEPTION_NMI, .info = NMI_INFO, .after = HLT,
	 .defect = defect_nmi_stays_blocked},
	{"HLT, NMI not intercepted", PIECE_home, .activity = HLT, .pin = TIMER, .timer = LONG_ENOUGH,
	 .nmi_pending = true, .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_NMI,
	 .blocking = BLOCKING_NMI, .defect = defect_nmi_stays_blocked},
	{"HLT, interrupt window", PIECE_home, .activity = HLT, .pin = TIMER, .timer = LONG_ENOUGH,
	 .proc = PROC_INTERRUPT_WINDOW_EXITING, .rflags = RFLAGS_IF,
	 .reason = EXIT_REASON_INTERRUPT_WINDOW, .after = HLT, .defect = defect_window_in_hlt},
	{"HLT, interrupt window, IF 0", PIECE_home, .activity = HLT, .pin = TIMER, .timer = LONG_ENOUGH,
	 .proc = PROC_INTERRUPT_WINDOW_EXITING, .reason = EXIT_REASON_PREEMPTION_TIMER, .after = HLT},
	{"HLT, NMI window", PIECE_home, .activity = HLT, .pin = TIMER | VNMI, .timer = LONG_ENOUGH,
	 .proc = PROC_NMI_WINDOW_EXITING, .reason = EXIT_REASON_NMI_WINDOW, .after = HLT},
	{"HLT, NMI window, blocking by NMI", PIECE_home, .activity = HLT, .pin = TIMER | VNMI,
	 .timer = LONG_ENOUGH, .proc = PROC_NMI_WINDOW_EXITING, .interruptibility = BLOCKING_NMI,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .blocking = BLOCKING_NMI, .after = HLT},
	{"HLT, pending BS", PIECE_home, .activity = HLT, .pin = TIMER, .timer = LONG_ENOUGH,
	 .rflags = RFLAGS_TF, .debug = DR6_BS, .bitmap = 1u << VEC_DB,
	 .reason = EXIT_REASON_EXCEPTION_NMI, .info = EXCEPTION(VEC_DB), .qualification = DR6_BS,
	 .after = HLT},
	{"HLT, interrupt and pending BS", PIECE_home, .activity = HLT, .pin = TIMER | XINT,
	 .timer = LONG_ENOUGH, .rflags = RFLAGS_TF | RFLAGS_IF, .debug = DR6_BS, .bitmap = 1u << VEC_DB,
	 .interrupt = true, .reason = EXIT_REASON_EXCEPTION_NMI, .info = EXCEPTION(VEC_DB),
	 .qualification = DR6_BS, .after = HLT},
	/* HLT, and an event is injected: some wake, the others are refused. */
	{"HLT, inject extint", PIECE_home, .activity = HLT, .rflags = RFLAGS_IF, .injected = EXTERNAL,
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = IRQ},
	{"HLT, inject NMI", PIECE_home, .activity = HLT, .injected = NMI_INFO,
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_NMI, .blocking = BLOCKING_NMI},
	{"HLT, inject #DB", PIECE_home, .activity = HLT, .injected = EXCEPTION(VEC_DB),
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_DB},
	{"HLT, inject #MC", PIECE_home, .activity = HLT, .injected = EXCEPTION(VEC_MC),
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_MC},
	{"HLT, inject MTF", PIECE_home, .activity = HLT, .injected = MTF_INFO,
	 .reason = EXIT_REASON_MONITOR_TRAP_FLAG, .after = HLT, .defect = defect_mtf_never},
	{"HLT, inject #UD", PIECE_home, .activity = HLT, .injected = EXCEPTION(VEC_UD), REFUSED,
	 .defect = defect_inject_in_hlt},
	{"HLT, inject #GP", PIECE_home, .activity = HLT, .injected = WITH_ERROR(VEC_GP), REFUSED,
	 .defect = defect_inject_in_hlt},
	{"HLT, inject INT", PIECE_home, .activity = HLT, .injected = SOFTWARE_INT, .length = 2, REFUSED,
	 .defect = defect_inject_in_hlt},
	/* More than one thing: what is injected comes first, then the exit, and L2 is awake by then. */
	{"HLT, inject extint, interrupt", PIECE_home, .activity = HLT, .pin = XINT, .rflags = RFLAGS_IF,
	 .injected = INTR_VALID | INTR_EXTERNAL << 8 | 0x31, .interrupt = true,
	 .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .where = STUB, .vector = 0x31},
	{"HLT, inject NMI, timer 0", PIECE_home, .activity = HLT, .pin = TIMER, .injected = NMI_INFO,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .where = STUB, .vector = VEC_NMI,
	 .blocking = BLOCKING_NMI},
	{"HLT, interrupt, interrupt window", PIECE_home, .activity = HLT, .pin = TIMER | XINT,
	 .timer = LONG_ENOUGH, .proc = PROC_INTERRUPT_WINDOW_EXITING, .rflags = RFLAGS_IF,
	 .interrupt = true, .reason = EXIT_REASON_INTERRUPT_WINDOW, .after = HLT},
	{"HLT, interrupt, NMI window", PIECE_home, .activity = HLT, .pin = TIMER | VNMI | XINT,
	 .timer = LONG_ENOUGH, .proc = PROC_NMI_WINDOW_EXITING, .rflags = RFLAGS_IF, .interrupt = true,
	 .reason = EXIT_REASON_NMI_WINDOW, .after = HLT},

	/* L2's own HLT. */
	{"HLT exits", PIECE_hlt, .proc = PROC_HLT_EXITING, .rflags = RFLAGS_IF,
	 .reason = EXIT_REASON_HLT},
	{"L2 halts", PIECE_hlt, .pin = TIMER, .timer = LONG_ENOUGH, .rflags = RFLAGS_IF,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .where = END, .after = HLT},
	{"L2 halts, interrupt behind STI", PIECE_hlt, .pin = TIMER | XINT, .timer = LONG_ENOUGH,
	 .rflags = RFLAGS_IF, .interruptibility = BLOCKING_STI, .interrupt = true,
	 .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .where = END, .after = HLT},
	{"L2 halts, interrupt behind MOV SS", PIECE_hlt, .pin = TIMER | XINT, .timer = LONG_ENOUGH,
	 .rflags = RFLAGS_IF, .interruptibility = BLOCKING_MOV_SS, .interrupt = true,
	 .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .where = END, .after = HLT},
	{"L2 halts, interrupt not intercepted", PIECE_hlt, .pin = TIMER, .timer = LONG_ENOUGH,
	 .rflags = RFLAGS_IF, .interruptibility = BLOCKING_STI, .interrupt = true,
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = IRQ},
	{"L2 halts, interrupt not intercepted, IF 0", PIECE_hlt, .pin = TIMER, .timer = LONG_ENOUGH,
	 .interrupt = true, .reason = EXIT_REASON_PREEMPTION_TIMER, .where = END, .after = HLT},
	{"L2 halts, NMI behind MOV SS", PIECE_hlt, .pin = TIMER | PIN_NMI_EXITING, .timer = LONG_ENOUGH,
	 .interruptibility = BLOCKING_MOV_SS, .nmi_pending = true, .reason = EXIT_REASON_EXCEPTION_NMI,
	 .info = NMI_INFO, .where = END, .after = HLT, .defect = defect_nmi_stays_blocked},
	{"L2 halts, interrupt window", PIECE_hlt, .pin = TIMER, .timer = LONG_ENOUGH,
	 .proc = PROC_INTERRUPT_WINDOW_EXITING, .rflags = RFLAGS_IF, .interruptibility = BLOCKING_STI,
	 .reason = EXIT_REASON_INTERRUPT_WINDOW, .where = END, .after = HLT,
	 .defect = defect_window_in_hlt},
	{"L2 halts, NMI window", PIECE_hlt, .pin = TIMER | VNMI, .timer = LONG_ENOUGH,
	 .proc = PROC_NMI_WINDOW_EXITING, .interruptibility = BLOCKING_MOV_SS,
	 .reason = EXIT_REASON_NMI_WINDOW, .where = END, .after = HLT},
	{"L2 halts, MTF", PIECE_hlt, .pin = TIMER, .timer = LONG_ENOUGH, .proc = PROC_MONITOR_TRAP_FLAG,
	 .reason = EXIT_REASON_MONITOR_TRAP_FLAG, .where = END, .after = HLT, .defect = defect_mtf_never},

	/* Shutdown: NMIs end it, and what exits by itself. */
	{"shutdown, timer 0", PIECE_home, .activity = SHUTDOWN, .pin = TIMER,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .after = SHUTDOWN},
	{"shutdown, interrupt", PIECE_home, .activity = SHUTDOWN, .pin = TIMER | XINT,
	 .timer = LONG_ENOUGH, .rflags = RFLAGS_IF, .interrupt = true,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .after = SHUTDOWN},
	{"shutdown, interrupt not intercepted", PIECE_home, .activity = SHUTDOWN, .pin = TIMER,
	 .timer = LONG_ENOUGH, .rflags = RFLAGS_IF, .interrupt = true,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .after = SHUTDOWN},
	{"shutdown, NMI", PIECE_home, .activity = SHUTDOWN, .pin = TIMER | PIN_NMI_EXITING,
	 .timer = LONG_ENOUGH, .nmi_pending = true, .reason = EXIT_REASON_EXCEPTION_NMI, .info = NMI_INFO,
	 .after = SHUTDOWN, .defect = defect_nmi_stays_blocked},
	{"shutdown, interrupt window", PIECE_home, .activity = SHUTDOWN, .pin = TIMER,
	 .timer = LONG_ENOUGH, .proc = PROC_INTERRUPT_WINDOW_EXITING, .rflags = RFLAGS_IF,
	 .reason = EXIT_REASON_PREEMPTION_TIMER, .after = SHUTDOWN},
	{"shutdown, NMI window", PIECE_home, .activity = SHUTDOWN, .pin = TIMER | VNMI,
	 .timer = LONG_ENOUGH, .proc = PROC_NMI_WINDOW_EXITING, .reason = EXIT_REASON_NMI_WINDOW,
	 .after = SHUTDOWN},
	{"shutdown, inject NMI", PIECE_home, .activity = SHUTDOWN, .injected = NMI_INFO,
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_NMI, .blocking = BLOCKING_NMI},
	{"shutdown, inject #MC", PIECE_home, .activity = SHUTDOWN, .injected = EXCEPTION(VEC_MC),
	 .reason = EXIT_REASON_VMCALL, .where = HANDLER, .vector = VEC_MC},
	{"shutdown, inject extint", PIECE_home, .activity = SHUTDOWN, .rflags = RFLAGS_IF,
	 .injected = EXTERNAL, REFUSED},
	{"shutdown, inject #DB", PIECE_home, .activity = SHUTDOWN, .injected = EXCEPTION(VEC_DB),
	 REFUSED},
};

void rows_activity(struct world *w)
{
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		special_row(w, "activity", &rows[i]);
}
