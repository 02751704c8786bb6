#include "guest/demo/steps.h"

enum when { ALWAYS, PAGED, EPT, NO_EPT };

static const struct {
	void (*run)(struct guest *g);
	enum when when;
} steps[] = {
	{step_cpuid, ALWAYS},
	{step_vmcall, ALWAYS},
	{step_hlt, ALWAYS},
	{step_always, ALWAYS},
	{step_rdtsc, ALWAYS},
	{step_tsc_offset, ALWAYS},
	{step_pause, ALWAYS},
	{step_invlpg, ALWAYS},
	{step_io, ALWAYS},
	{step_io_string, ALWAYS},
	{step_io_bitmap, ALWAYS},
	{step_rdmsr, ALWAYS},
	{step_wrmsr, ALWAYS},
	{step_msr_bitmap, ALWAYS},
	{step_msr_lists, ALWAYS},
	{step_cr0, ALWAYS},
	{step_clts, ALWAYS},
	{step_lmsw, ALWAYS},
	{step_cr3, ALWAYS},
	{step_cr4, ALWAYS},
	{step_dr, ALWAYS},
	{step_page_fault, PAGED},
	{step_page_fault_write, PAGED},
	{step_page_fault_own, PAGED},
	{step_page_fault_filter, PAGED},
	{step_ept_read, EPT},
	{step_ept_write, EPT},
	{step_ept_execute, EPT},
	{step_ept_misconfiguration, EPT},
	{step_ept_invalidate, EPT},
	{step_vpid, NO_EPT},
	{step_exception, ALWAYS},
	{step_inject_interrupt, ALWAYS},
	{step_inject_error_code, ALWAYS},
	{step_inject_software, ALWAYS},
	{step_interrupt_window, ALWAYS},
	{step_timer, ALWAYS},
	{step_timer_after_injection, ALWAYS},
	{step_triple_fault, ALWAYS},
	{step_bad_host_state, ALWAYS},
	{step_bad_guest_state, ALWAYS},
	{step_loop, ALWAYS},
};

static bool applies(const struct guest *g, enum when when)
{
	return when == ALWAYS || (when == PAGED && g->kind != REAL_MODE) || (when == EPT && g->ept) ||
	       (when == NO_EPT && !g->ept);
}

void steps_run(struct guest *g)
{
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		if (!applies(g, steps[i].when))
			continue;
		guest_reset(g);
		steps[i].run(g);
	}
}
