#include "vmm/start.h"

#include "vmm/console.h"
#include "vmm/lib.h"
#include "vmm/load.h"
#include "vmm/option.h"
#include "vmx/cpu.h"

static struct load_plan plan;

static void *physical(u64 address)
{
	return (void *)(DIRECT_BASE + address);
}

static void do_op(const struct load_op *op)
{
	switch (op->kind) {
	case LOAD_COPY:
		memmove(physical(op->dst), physical(op->src), op->len);
		break;
	case LOAD_ZERO:
		memset(physical(op->dst), 0, op->len);
		break;
	case LOAD_INFO:
		memcpy(physical(op->dst), plan.info + op->src, op->len);
		break;
	}
}

void start_load_l1(struct machine *m)
{
	char why[256], protocol[32];

	if (m->boot->module_count == 0)
		refuse("no L1 was given: add `module2 /path/to/l1 arguments` to the GRUB menu entry");
	option_value(m->boot->args, "protocol", protocol, sizeof(protocol));
	struct load_in in = {
		.boot = m->boot,
		.image = physical(m->boot->module[0].base),
		.map = m->map,
		.map_count = m->map_count,
		.l0_base = m->l0_base,
		.l0_size = m->l0_size,
		.protocol = protocol,
	};
	if (load_plan(&plan, &in, why, sizeof(why)) < 0)
		refuse("%s", why);
	for (unsigned i = 0; i < plan.op_count; i++)
		do_op(&plan.op[i]);
	log_line("L1 is a %s image, entered at %#x", plan.format, plan.state.eip);
}

static void set_flat_segment(struct vcpu *v, unsigned segment, u16 selector, u32 ar)
{
	vcpu_write(v, VMCS_GUEST_ES_SELECTOR + 2 * segment, selector);
	vcpu_write(v, VMCS_GUEST_ES_BASE + 2 * segment, 0);
	vcpu_write(v, VMCS_GUEST_ES_LIMIT + 2 * segment, 0xffffffff);
	vcpu_write(v, VMCS_GUEST_ES_AR + 2 * segment, ar);
}

void start_enter_l1(struct vcpu *v)
{
	const struct load_state *s = &plan.state;
	u64 ne = v->machine->hw.cr0_fixed0 & ~(CR0_PE | CR0_PG);
	/* As firmware left them: no VM entry or exit changes them. SDM: "Loading Guest Control Registers". */
	u64 cache = cpu_read_cr0() & (CR0_CD | CR0_NW);

	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		set_flat_segment(v, i, i == SEG_CS ? s->cs : s->ds, i == SEG_CS ? 0xc09b : 0xc093);
	vcpu_write(v, VMCS_GUEST_CR0, CR0_PE | CR0_ET | ne | cache);
	vcpu_write(v, VMCS_CR0_READ_SHADOW, CR0_PE | CR0_ET | cache);
	vcpu_write(v, VMCS_GUEST_GDTR_BASE, s->gdt_base);
	vcpu_write(v, VMCS_GUEST_GDTR_LIMIT, s->gdt_limit);
	vcpu_write(v, VMCS_GUEST_IDTR_LIMIT, 0);
	vcpu_write(v, VMCS_GUEST_RIP, s->eip);
	vcpu_write(v, VMCS_GUEST_RSP, s->esp);
	vcpu_write(v, VMCS_GUEST_RFLAGS, s->eflags);
	v->gpr[RAX] = s->eax;
	v->gpr[RBX] = s->ebx;
	v->gpr[RCX] = s->ecx;
	v->gpr[RDX] = s->edx;
	v->gpr[RSI] = s->esi;
	v->gpr[RDI] = s->edi;
	v->gpr[RBP] = s->ebp;
	console_l1_started();
}
