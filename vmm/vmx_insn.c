#include "vmm/vmx_insn.h"

#include "nested/insn.h"
#include "nested/operand.h"
#include "vmm/cr.h"
#include "vmm/ept02.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"
#include "vmm/nested_run.h"
#include "vmm/vmcs12.h"
#include "vmm/walk.h"
#include "vmx/assert.h"

/*
 * What the gate looks at; the rest is VMXON's alone. CR0.PE, and no more of CR0, is as L1 sees it; in VMX
 * operation it is 1.
 */
static void gather_mode(const struct vcpu *v, struct insn_cpu *cpu)
{
	cpu->caps = &v->machine->l1;
	cpu->efer = vcpu_read(v, VMCS_GUEST_IA32_EFER);
	cpu->cs_ar = (u32)vcpu_read(v, VMCS_GUEST_CS_AR);
	cpu->cpl = AR_DPL((u32)vcpu_read(v, VMCS_GUEST_SS_AR));
}

static void gather_rest(const struct vcpu *v, struct insn_cpu *cpu)
{
	bool vmxon = v->exit.reason == EXIT_REASON_VMXON;

	cpu->cr0 = vmxon ? l1_cr0(v) : vcpu_read(v, VMCS_GUEST_CR0);
	cpu->cr4 = vmxon ? l1_cr4(v) : 0;
	cpu->rflags = vcpu_read(v, VMCS_GUEST_RFLAGS);
	cpu->feature_control = v->machine->feature_control;
}

static NOINLINE struct insn_outcome whole_gate(struct vcpu *v, struct insn_cpu *cpu)
{
	gather_rest(v, cpu);
	return insn_gate(&v->nested, v->exit.reason, cpu);
}

static struct insn_outcome gate(struct vcpu *v, struct insn_cpu *cpu)
{
	enum exit_reason insn = v->exit.reason;

	gather_mode(v, cpu);
	if (insn != EXIT_REASON_VMXON && insn_gate_is_open(&v->nested, cpu->cs_ar, cpu->cpl) &&
	    insn_exists(insn, cpu->caps))
		return INSN_OK;
	return whole_gate(v, cpu);
}

static bool long_mode(const struct insn_cpu *cpu)
{
	return (cpu->efer & EFER_LMA) && (cpu->cs_ar & AR_L);
}

/* What the operand's address is made with: in 64-bit mode only FS and GS matter, and of them the base. */
static void read_segment(const struct vcpu *v, unsigned i, bool long64, struct operand_segment *s)
{
	if (!long64 || i >= SEG_FS)
		s->base = vcpu_read(v, VMCS_GUEST_ES_BASE + 2 * i);
	if (!long64) {
		s->limit = (u32)vcpu_read(v, VMCS_GUEST_ES_LIMIT + 2 * i);
		s->ar = (u32)vcpu_read(v, VMCS_GUEST_ES_AR + 2 * i);
	}
}

/* The linear address of the memory operand, or false with the fault raised. */
static bool find_operand(struct vcpu *v, const struct insn_cpu *cpu, unsigned size, bool write,
			 u64 *linear)
{
	bool long64 = long_mode(cpu);
	u32 info = (u32)vcpu_read(v, VMCS_EXIT_INSTRUCTION_INFO);
	struct operand_segment segment[OPERAND_SEGMENTS];
	enum vector vector;

	v->gpr[RSP] = vcpu_read(v, VMCS_GUEST_RSP);
	read_segment(v, operand_segment(info), long64, &segment[operand_segment(info)]);
	struct operand_in in = {
		.info = info,
		.displacement = v->exit.qualification,
		.gpr = v->gpr,
		.segment = segment,
		.long_mode = long64,
		.linear_bits = v->machine->hw.linear_bits,
	};
	if (operand_address(&in, size, write, linear, &vector))
		return true;
	vcpu_fault(v, vector, 0);
	return false;
}

static bool read_operand(struct vcpu *v, const struct insn_cpu *cpu, void *to, unsigned size)
{
	u64 linear;
	return find_operand(v, cpu, size, false, &linear) && walk_read(v, linear, to, size);
}

static bool write_operand(struct vcpu *v, const struct insn_cpu *cpu, const void *from, unsigned size)
{
	u64 linear;
	return find_operand(v, cpu, size, true, &linear) && walk_write(v, linear, from, size);
}

/* The operand faulted, and the fault is raised: the instruction ends with nothing done (R11). */
#define FAULTED ((struct insn_outcome){.kind = INSN_FAULTED})

static u64 register2(const struct vcpu *v, const struct insn_cpu *cpu)
{
	u64 value = vcpu_gpr(v, OPERAND_REGISTER2((u32)vcpu_read(v, VMCS_EXIT_INSTRUCTION_INFO)));
	return long_mode(cpu) ? value : value & 0xffffffff;
}

static NOINLINE struct insn_outcome do_vmxon(struct vcpu *v, const struct insn_cpu *cpu)
{
	struct nested *n = &v->nested;
	struct insn_outcome o = insn_vmxon_allowed(n, cpu);
	u64 pointer;

	if (o.kind != INSN_GO_ON)
		return o;
	if (!read_operand(v, cpu, &pointer, 8))
		return FAULTED;
	o = insn_vmxon_region(cpu->caps, pointer,
			      l1mem_read32(v->machine, (l1pa_t){pointer & PAGE_MASK}));
	if (o.kind != INSN_GO_ON)
		return o;
	n->vmxon = true;
	n->vmxon_pointer = pointer;
	n->current = NO_VMCS;
	cr_update_masks(v);
	return o;
}

static NOINLINE struct insn_outcome do_vmxoff(struct vcpu *v, const struct insn_cpu *cpu)
{
	struct nested *n = &v->nested;

	(void)cpu;
	vmcs12_unload(v);
	vmcs12_cache_forget(v);
	n->vmxon = false;
	n->vmxon_pointer = NO_VMCS;
	cr_update_masks(v);
	return INSN_OK;
}

static NOINLINE struct insn_outcome do_vmclear(struct vcpu *v, const struct insn_cpu *cpu)
{
	struct nested *n = &v->nested;
	u32 launch = VMCS12_CLEAR;
	u64 pointer;

	if (!read_operand(v, cpu, &pointer, 8))
		return FAULTED;
	struct insn_outcome o = insn_vmclear(n, cpu->caps, pointer);
	if (o.kind != INSN_GO_ON)
		return o;
	vmcs12_clear(v, pointer);
	l1mem_write(v->machine, (l1pa_t){pointer + offsetof(struct vmcs12, launch)}, &launch,
		    sizeof(launch));
	return o;
}

static NOINLINE struct insn_outcome do_vmptrld(struct vcpu *v, const struct insn_cpu *cpu)
{
	struct nested *n = &v->nested;
	u64 pointer;

	if (!read_operand(v, cpu, &pointer, 8))
		return FAULTED;
	struct insn_outcome o = insn_vmptrld_address(n, cpu->caps, pointer);
	if (o.kind != INSN_GO_ON)
		return o;
	o = insn_vmptrld_revision(cpu->caps, l1mem_read32(v->machine, (l1pa_t){pointer}));
	if (o.kind != INSN_GO_ON || pointer == n->current)
		return o;
	vmcs12_park(v);
	vmcs12_load(v, pointer);
	return o;
}

static NOINLINE struct insn_outcome do_vmptrst(struct vcpu *v, const struct insn_cpu *cpu)
{
	return write_operand(v, cpu, &v->nested.current, 8) ? INSN_OK : FAULTED;
}

static NOINLINE struct insn_outcome do_vmread(struct vcpu *v, const struct insn_cpu *cpu)
{
	u32 info = (u32)vcpu_read(v, VMCS_EXIT_INSTRUCTION_INFO);
	struct insn_field field;
	struct insn_outcome o = insn_vmread(&v->nested, cpu->caps, register2(v, cpu), &field);

	if (o.kind != INSN_GO_ON)
		return o;
	u64 value = insn_field_read(vmcs12_read(v, field.index), field);
	if (OPERAND_IS_REGISTER(info))
		vcpu_set_gpr(v, OPERAND_REGISTER(info), long_mode(cpu) ? value : value & 0xffffffff);
	else if (!write_operand(v, cpu, &value, long_mode(cpu) ? 8 : 4))
		return FAULTED;
	return o;
}

static NOINLINE struct insn_outcome do_vmwrite(struct vcpu *v, const struct insn_cpu *cpu)
{
	u32 info = (u32)vcpu_read(v, VMCS_EXIT_INSTRUCTION_INFO);
	struct insn_field field;
	u64 value = 0;

	if (v->nested.current == NO_VMCS)
		return (struct insn_outcome){.kind = INSN_FAIL_INVALID};
	if (OPERAND_IS_REGISTER(info))
		value = vcpu_gpr(v, OPERAND_REGISTER(info));
	else if (!read_operand(v, cpu, &value, long_mode(cpu) ? 8 : 4))
		return FAULTED;
	struct insn_outcome o = insn_vmwrite(&v->nested, cpu->caps, register2(v, cpu), &field);
	if (o.kind == INSN_GO_ON) {
		value = long_mode(cpu) ? value : value & 0xffffffff;
		u64 old = field.high ? vmcs12_value(v, field.index) : 0;
		vmcs12_write(v, field.index, insn_field_written(old, field, value));
	}
	return o;
}

static NOINLINE struct insn_outcome do_invept(struct vcpu *v, const struct insn_cpu *cpu)
{
	u64 type = register2(v, cpu);
	struct insn_outcome o = insn_invept_type(cpu->caps, type);
	struct inv_descriptor d;

	if (o.kind != INSN_GO_ON)
		return o;
	if (!read_operand(v, cpu, &d, sizeof(d)))
		return FAULTED;
	o = insn_invept(cpu->caps, type, d);
	if (o.kind == INSN_GO_ON && type == INVEPT_SINGLE)
		ept02_drop(v, d.low);
	else if (o.kind == INSN_GO_ON)
		ept02_drop_all(v);
	return o;
}

/* All of L2's translations are under one VPID of ours, whichever of L1's they belong to. */
static NOINLINE struct insn_outcome do_invvpid(struct vcpu *v, const struct insn_cpu *cpu)
{
	u64 type = register2(v, cpu);
	struct insn_outcome o = insn_invvpid_type(cpu->caps, type);
	struct inv_descriptor d;

	if (o.kind != INSN_GO_ON)
		return o;
	if (!read_operand(v, cpu, &d, sizeof(d)))
		return FAULTED;
	o = insn_invvpid(cpu->caps, type, d);
	if (o.kind == INSN_GO_ON)
		hw_invvpid(INVVPID_SINGLE, VPID02, 0);
	return o;
}

static struct insn_outcome dispatch(struct vcpu *v, const struct insn_cpu *cpu)
{
	switch (v->exit.reason) {
	case EXIT_REASON_VMXON:
		return do_vmxon(v, cpu);
	case EXIT_REASON_VMXOFF:
		return do_vmxoff(v, cpu);
	case EXIT_REASON_VMCLEAR:
		return do_vmclear(v, cpu);
	case EXIT_REASON_VMPTRLD:
		return do_vmptrld(v, cpu);
	case EXIT_REASON_VMPTRST:
		return do_vmptrst(v, cpu);
	case EXIT_REASON_VMREAD:
		return do_vmread(v, cpu);
	case EXIT_REASON_VMWRITE:
		return do_vmwrite(v, cpu);
	case EXIT_REASON_INVEPT:
		return do_invept(v, cpu);
	case EXIT_REASON_INVVPID:
		return do_invvpid(v, cpu);
	default:
		PANIC("exit reason %u is no VMX instruction", v->exit.reason);
	}
}

/* RFLAGS, the error field, and past the instruction. */
static void finish(struct vcpu *v, struct insn_outcome o)
{
	struct nested *n = &v->nested;

	if (o.kind == INSN_FAIL && n->current != NO_VMCS) {
		n->v12->vm_instruction_error = o.error;
		vmcs12_changed(v, FI_VM_INSTRUCTION_ERROR);
		vmcs12_give(v);
	}
	vcpu_write(v, VMCS_GUEST_RFLAGS, insn_flags(n, vcpu_read(v, VMCS_GUEST_RFLAGS), o));
	vcpu_skip(v);
}

/* Faulted, failed, or done. */
static NOINLINE void settle(struct vcpu *v, struct insn_outcome o)
{
	if (o.kind == INSN_FAULT)
		vcpu_fault(v, o.vector, 0);
	else if (o.kind != INSN_FAULTED)
		finish(v, o);
}

void vmx_insn_execute(struct vcpu *v)
{
	struct insn_cpu cpu;
	struct insn_outcome o = gate(v, &cpu);

	if (o.kind == INSN_GO_ON)
		o = dispatch(v, &cpu);
	if (o.kind == INSN_GO_ON)
		finish(v, o);
	else
		settle(v, o);
}

static struct insn_outcome entry_gate(struct vcpu *v)
{
	struct insn_cpu cpu;

	if (insn_gate_is_open(&v->nested, (u32)vcpu_read(v, VMCS_GUEST_CS_AR),
			      AR_DPL((u32)vcpu_read(v, VMCS_GUEST_SS_AR))))
		return INSN_OK;
	gather_mode(v, &cpu);
	return whole_gate(v, &cpu);
}

static struct insn_outcome entry(struct vcpu *v)
{
	u32 interruptibility = (u32)vcpu_read(v, VMCS_GUEST_INTERRUPTIBILITY);

	if (v->nested.current != NO_VMCS)
		vmcs12_take(v);
	struct insn_outcome o =
		insn_entry(&v->nested, interruptibility, v->exit.reason == EXIT_REASON_VMLAUNCH);
	return o.kind == INSN_GO_ON ? nested_enter(v) : o;
}

void vmx_insn_enter(struct vcpu *v)
{
	struct insn_outcome o = entry_gate(v);

	if (o.kind == INSN_GO_ON)
		o = entry(v);
	if (o.kind != INSN_GO_ON)
		settle(v, o);
}

/* In VMX root operation without dual-monitor treatment VMCALL fails; outside it does not exist. */
void vmx_insn_vmcall(struct vcpu *v)
{
	struct insn_cpu cpu;

	gather_mode(v, &cpu);
	gather_rest(v, &cpu);
	struct insn_outcome o = insn_gate(&v->nested, EXIT_REASON_VMCALL, &cpu);

	if (o.kind == INSN_FAULT)
		vcpu_fault(v, o.vector, 0);
	else
		finish(v, (struct insn_outcome){.kind = INSN_FAIL, .error = VMERR_VMCALL_IN_ROOT});
}
