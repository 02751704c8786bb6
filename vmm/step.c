#include "vmm/step.h"

#include "vmm/lib.h"
#include "vmx/cpu.h"
#include "vmx/ept_entry.h"
#include "vmx/msr.h"

static void set_bit(struct vcpu *v, enum vmcs_field field, u64 bit, bool on)
{
	u64 value = vcpu_read(v, field);
	vcpu_write(v, field, on ? value | bit : value & ~bit);
}

/*
 * With the trap flag the guest's IF is held at 0 for the one instruction: an interrupt would put the
 * trap flag into the frame that it pushes.
 */
static void trap_after_one(struct vcpu *v)
{
	struct step *s = &v->step;

	s->by_trap_flag = !caps_has(&v->machine->hw, CI_PROC_MONITOR_TRAP_FLAG);
	if (!s->by_trap_flag) {
		set_bit(v, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG, true);
		return;
	}
	s->rflags = vcpu_read(v, VMCS_GUEST_RFLAGS);
	vcpu_write(v, VMCS_GUEST_RFLAGS, (s->rflags | RFLAGS_TF) & ~RFLAGS_IF);
	set_bit(v, VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_STI, false);
	set_bit(v, VMCS_EXCEPTION_BITMAP, BIT(VEC_DB), true);
}

void step_write(struct vcpu *v, u64 *leaf)
{
	struct step *s = &v->step;

	if (s->count == STEP_PAGES)
		step_end(v);
	if (!s->active)
		trap_after_one(v);
	s->active = true;
	s->leaf[s->count] = leaf;
	s->old[s->count++] = *leaf;
	*leaf = v->machine->ept01.sink.v | EPT_RWX | MT_WB << EPT_MT_SHIFT;
	hw_invept(INVEPT_GLOBAL, 0);
}

void step_forget(struct vcpu *v)
{
	v->step.count = 0;
}

void step_end(struct vcpu *v)
{
	struct step *s = &v->step;

	if (!s->active)
		return;
	while (s->count > 0) {
		s->count--;
		*s->leaf[s->count] = s->old[s->count];
	}
	s->active = false;
	memset(l0_va(v->machine, v->machine->ept01.sink), 0xff, PAGE_SIZE);
	hw_invept(INVEPT_GLOBAL, 0);
	if (!s->by_trap_flag) {
		set_bit(v, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG,
			v->nested.in_l2 && (v->nested.v12->proc_controls & PROC_MONITOR_TRAP_FLAG));
		return;
	}
	u64 ours = RFLAGS_TF | RFLAGS_IF;
	vcpu_write(v, VMCS_GUEST_RFLAGS, (vcpu_read(v, VMCS_GUEST_RFLAGS) & ~ours) | (s->rflags & ours));
	set_bit(v, VMCS_EXCEPTION_BITMAP, BIT(VEC_DB),
		v->nested.in_l2 && (v->nested.v12->exception_bitmap & BIT(VEC_DB)));
}

/* The guest's own single-step trap, or breakpoint, comes after the step as a pending debug exception. */
bool step_trap(struct vcpu *v)
{
	struct step *s = &v->step;
	u64 pending = v->exit.qualification & ~(s->rflags & RFLAGS_TF ? 0 : DR6_BS);

	if (!s->active)
		return false;
	bool by_trap_flag = s->by_trap_flag;
	step_end(v);
	if (by_trap_flag && (pending & (DR6_BS | 0xf)))
		vcpu_write(v, VMCS_GUEST_PENDING_DEBUG, pending & (DR6_BS | 0xf));
	return true;
}
