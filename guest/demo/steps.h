/*
 * The steps of the demo, in the order in which they run.
 */
#ifndef GUEST_DEMO_STEPS_H
#define GUEST_DEMO_STEPS_H

#include "guest/demo/guests.h"

/* Runs all the steps that make sense for this L2. */
void steps_run(struct guest *g);

/* steps_instructions.c */
void step_cpuid(struct guest *g);
void step_vmcall(struct guest *g);
void step_hlt(struct guest *g);
void step_always(struct guest *g);
void step_rdtsc(struct guest *g);
void step_tsc_offset(struct guest *g);
void step_pause(struct guest *g);
void step_invlpg(struct guest *g);

/* steps_io.c */
void step_io(struct guest *g);
void step_io_string(struct guest *g);
void step_io_bitmap(struct guest *g);
void step_rdmsr(struct guest *g);
void step_wrmsr(struct guest *g);
void step_msr_bitmap(struct guest *g);
void step_msr_lists(struct guest *g);

/* steps_control.c */
void step_cr0(struct guest *g);
void step_clts(struct guest *g);
void step_lmsw(struct guest *g);
void step_cr3(struct guest *g);
void step_cr4(struct guest *g);
void step_dr(struct guest *g);

/* steps_memory.c */
void step_page_fault(struct guest *g);
void step_page_fault_write(struct guest *g);
void step_page_fault_own(struct guest *g);
void step_page_fault_filter(struct guest *g);
void step_ept_read(struct guest *g);
void step_ept_write(struct guest *g);
void step_ept_execute(struct guest *g);
void step_ept_misconfiguration(struct guest *g);
void step_ept_invalidate(struct guest *g);
void step_vpid(struct guest *g);

/* steps_events.c */
void step_exception(struct guest *g);
void step_inject_interrupt(struct guest *g);
void step_inject_error_code(struct guest *g);
void step_inject_software(struct guest *g);
void step_interrupt_window(struct guest *g);
void step_timer(struct guest *g);
void step_timer_after_injection(struct guest *g);
void step_triple_fault(struct guest *g);
void step_bad_host_state(struct guest *g);
void step_bad_guest_state(struct guest *g);
void step_loop(struct guest *g);

#endif
