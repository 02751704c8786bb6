/*
 * Exceptions, injected events, windows, the timer, and entries that fail. SDM: "Event Injection",
 * "Exceptions" (other causes of VM exits), "VM-Entry Failures".
 */
#include "guest/demo/l2_memory.h"
#include "guest/demo/report.h"
#include "guest/demo/steps.h"
#include "guest/lib/console.h"

#define EVENT(type, vector) (INTR_VALID | (u32)(type) << 8 | (vector))

void step_exception(struct guest *g)
{
	vmcs_set(VMCS_EXCEPTION_BITMAP, 1u << VEC_UD | 1u << VEC_BP);
	guest_goto(g, PAYLOAD_ud2);
	expect_exception(g, "UD2: #UD", EVENT(INTR_HW_EXCEPTION, VEC_UD), 0, 0);
	guest_goto(g, PAYLOAD_int3);
	expect_exception(g, "INT3: #BP", EVENT(INTR_SW_EXCEPTION, VEC_BP), 0, 0);
	expect_value(g, "  its instruction length", 1, g->cpu.exit.length);
}

static void inject(u32 event)
{
	vmcs_set(VMCS_ENTRY_INTERRUPTION_INFO, event);
}

void step_inject_interrupt(struct guest *g)
{
	guest_goto(g, PAYLOAD_spin);
	vmcs_set(VMCS_GUEST_RFLAGS, RFLAGS_FIXED1 | RFLAGS_IF);
	inject(EVENT(INTR_EXTERNAL, L2_VECTOR_IRQ));
	expect_exit_at(g, "injected interrupt, then VMCALL", EXIT_REASON_VMCALL, PAYLOAD_spin, 0);
	expect_value(g, "  L2's handler ran", 1, g->cpu.gpr[RSI]);
	expect_value(g, "  injection's valid bit is cleared",
		     EVENT(INTR_EXTERNAL, L2_VECTOR_IRQ) & ~INTR_VALID,
		     vmcs_get(VMCS_ENTRY_INTERRUPTION_INFO));
}

/* In real mode an exception has no error code. */
void step_inject_error_code(struct guest *g)
{
	bool real = g->kind == REAL_MODE;

	guest_goto(g, PAYLOAD_vmcall);
	inject(EVENT(INTR_HW_EXCEPTION, VEC_GP) | (real ? 0 : INTR_ERROR_CODE_VALID));
	vmcs_set(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0x18);
	if (real) {
		expect_exit_at(g, "injected #GP, VMCALL of L2's handler", EXIT_REASON_VMCALL,
			       PAYLOAD_on_fault, 0);
		return;
	}
	expect_vmcall(g);
	expect_value(g, "injected #GP, L2's handler: error code", 0x18, g->cpu.gpr[RAX]);
	vm_skip_instruction(&g->cpu);
	expect_exit_at(g, "  back at the instruction: VMCALL", EXIT_REASON_VMCALL, PAYLOAD_vmcall, 0);
}

/* A software interrupt returns behind the instruction that L1 says it has. */
void step_inject_software(struct guest *g)
{
	guest_goto(g, PAYLOAD_sti);
	inject(EVENT(INTR_SW_INTERRUPT, L2_VECTOR_IRQ));
	vmcs_set(VMCS_ENTRY_INSTRUCTION_LENGTH, 2);
	expect_exit_at(g, "injected INT 0x20 of length 2", EXIT_REASON_VMCALL, PAYLOAD_sti, 2);
	expect_value(g, "  L2's handler ran", 1, g->cpu.gpr[RSI]);
}

/* STI blocks for one instruction, so the window opens after the NOP. */
void step_interrupt_window(struct guest *g)
{
	guest_goto(g, PAYLOAD_sti);
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_INTERRUPT_WINDOW_EXITING);
	expect_exit_at(g, "interrupt window: STI, NOP", EXIT_REASON_INTERRUPT_WINDOW, PAYLOAD_sti, 2);
}

static bool timer_start(struct guest *g, const char *what)
{
	if (!vmx_allows(PIN, PIN_ACTIVATE_PREEMPTION_TIMER)) {
		report_skip(g, what, "VMX-preemption timer");
		return false;
	}
	guest_add_controls(VMCS_PIN_CONTROLS, PIN_ACTIVATE_PREEMPTION_TIMER);
	vmcs_set(VMCS_PREEMPTION_TIMER_VALUE, 0);
	return true;
}

void step_timer(struct guest *g)
{
	if (!timer_start(g, "preemption timer 0"))
		return;
	guest_goto(g, PAYLOAD_vmcall);
	expect_exit_at(g, "preemption timer 0: no instruction runs", EXIT_REASON_PREEMPTION_TIMER,
		       PAYLOAD_vmcall, 0);
}

/* The event comes first, then the timer, then the handler's first instruction. */
void step_timer_after_injection(struct guest *g)
{
	if (!timer_start(g, "preemption timer 0 and injection"))
		return;
	guest_goto(g, PAYLOAD_vmcall);
	vmcs_set(VMCS_GUEST_RFLAGS, RFLAGS_FIXED1 | RFLAGS_IF);
	inject(EVENT(INTR_EXTERNAL, L2_VECTOR_IRQ));
	expect_exit_at(g, "preemption timer 0 and injection: handler", EXIT_REASON_PREEMPTION_TIMER,
		       PAYLOAD_on_interrupt, 0);
}

void step_triple_fault(struct guest *g)
{
	vmcs_set(VMCS_GUEST_IDTR_LIMIT, 0);
	guest_goto(g, PAYLOAD_ud2);
	expect_reason(g, "triple fault: UD2 without an IDT", EXIT_REASON_TRIPLE_FAULT);
}

void step_bad_host_state(struct guest *g)
{
	guest_goto(g, PAYLOAD_vmcall);
	vmcs_set(VMCS_HOST_TR_SELECTOR, 0);
	expect_vmfail(g, "entry with a null host TR", VMERR_ENTRY_BAD_HOST_STATE);
}

void step_bad_guest_state(struct guest *g)
{
	guest_goto(g, PAYLOAD_vmcall);
	vmcs_set(VMCS_GUEST_RFLAGS, 0);
	expect_entry_failure(g, "entry with guest RFLAGS = 0");
}

/* A measurement, not a fact: the line starts with ~. */
void step_loop(struct guest *g)
{
	const unsigned rounds = 100;
	u64 start;

	guest_goto(g, PAYLOAD_vmcall_loop);
	expect_vmcall(g);
	start = rdtsc();
	for (unsigned i = 0; i < rounds; i++) {
		vmcs_set(VMCS_GUEST_RIP, vmcs_get(VMCS_GUEST_RIP) + 3);
		vm_enter_raw(g->cpu.gpr, true);
	}
	print("~ %s: %lu TSC units for a VMCALL and back\n", g->name, (rdtsc() - start) / rounds);
}
