#include "vmm/task_switch.h"

#include "vmm/cr.h"
#include "vmm/event.h"
#include "vmm/task_pure.h"
#include "vmm/walk.h"
#include "vmx/cpu.h"

#define FIELD(name, s) ((enum vmcs_field)(VMCS_GUEST_ES_##name + 2 * (s)))
#define EFLAGS_NT (1u << 14)
#define DR6_BT BIT(15)
#define DR7_LOCAL_ENABLES 0x155ul
#define NULL_BITS 0xfffcu /* of a selector: all but RPL */

/* One task switch; an exception ends it at once: every step gives false having raised it. */
struct switching {
	struct vcpu *v;
	enum task_source source;
	u32 event; /* interruption information of what went through the gate; 0: nothing */
	u32 error_code;
	u16 selector, old_selector;
	u32 old_base;
	struct descriptor tss;
	bool wide, old_wide;
	struct task task;
};

static u32 external_bit(const struct switching *s)
{
	unsigned type = INTR_TYPE(s->event);
	return (s->event & INTR_VALID) && type != INTR_SW_INTERRUPT && type != INTR_SW_EXCEPTION;
}

static bool fault(const struct switching *s, enum vector vector, u32 error_code)
{
	vcpu_fault(s->v, vector, error_code | external_bit(s));
	return false;
}

static bool is_linked(const struct switching *s)
{
	return s->source == TASK_CALL || s->source == TASK_GATE;
}

/* --- L1's memory --- */

/* Where a selector's descriptor is; false: outside its table. Without an LDT none is in it. */
static bool find_descriptor(const struct vcpu *v, u16 selector, u32 *at)
{
	bool local = selector & 4;
	u64 base = vcpu_read(v, local ? VMCS_GUEST_LDTR_BASE : VMCS_GUEST_GDTR_BASE);
	u64 limit = vcpu_read(v, local ? VMCS_GUEST_LDTR_LIMIT : VMCS_GUEST_GDTR_LIMIT);

	*at = (u32)base + (selector & 0xfff8u);
	if (local && (vcpu_read(v, VMCS_GUEST_LDTR_AR) & AR_UNUSABLE))
		return false;
	return (selector | 7u) <= limit;
}

/* Can this be written? It becomes what it is. */
static bool probe(struct vcpu *v, u32 at, size_t size)
{
	u8 bytes[TASK_TSS_MAX];
	return walk_read(v, at, bytes, size) && walk_write(v, at, bytes, size);
}

static bool set_descriptor_bits(struct vcpu *v, u32 at, u64 clear, u64 set)
{
	u64 raw;

	if (!walk_read(v, at, &raw, sizeof(raw)))
		return false;
	u64 wanted = (raw & ~clear) | set;
	return wanted == raw || walk_write(v, at, &wanted, sizeof(wanted));
}

/* --- before the point of no return: a fault leaves the old task as it was --- */

/* The old task as its TSS has to show it. EIP is behind what asked for the switch. */
static struct task current_task(const struct switching *s)
{
	const struct vcpu *v = s->v;
	unsigned type = INTR_TYPE(s->event);
	bool instruction = !(s->event & INTR_VALID) ||
			   (type >= INTR_SW_INTERRUPT && type <= INTR_SW_EXCEPTION);
	struct task t = {.eflags = (u32)vcpu_read(v, VMCS_GUEST_RFLAGS)};

	t.eip = (u32)vcpu_read(v, VMCS_GUEST_RIP) + (instruction ? (u32)vcpu_insn_length(v) : 0);
	if (!(vcpu_read(v, VMCS_GUEST_CS_AR) & AR_DB) && instruction)
		t.eip &= 0xffff;
	if (s->source == TASK_IRET)
		t.eflags &= ~EFLAGS_NT;
	for (unsigned i = 0; i < 8; i++)
		t.gpr[i] = (u32)vcpu_gpr(v, (enum gpr)i);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		t.selector[i] = (u16)vcpu_read(v, FIELD(SELECTOR, i));
	return t;
}

/* The processor has checked all this before the exit. SDM: "Treatment of Task Switches". */
static bool check_new_tss(struct switching *s)
{
	bool iret = s->source == TASK_IRET;
	u32 at, error = s->selector & NULL_BITS;
	u64 raw;

	if ((s->selector & 4) || !find_descriptor(s->v, s->selector, &at))
		return fault(s, iret ? VEC_TS : VEC_GP, error);
	if (!walk_read(s->v, at, &raw, sizeof(raw)))
		return false;
	s->tss = descriptor_decode(raw);
	s->wide = descriptor_is_wide_tss(&s->tss);
	if (!descriptor_is_tss(&s->tss, iret))
		return fault(s, iret ? VEC_TS : VEC_GP, error);
	if (!(s->tss.ar & AR_P))
		return fault(s, VEC_NP, error);
	return s->tss.limit >= task_tss_size(s->wide) - 1 || fault(s, VEC_TS, error);
}

static bool check_old_tss(struct switching *s)
{
	const struct vcpu *v = s->v;
	struct descriptor old = {.ar = (u32)vcpu_read(v, VMCS_GUEST_TR_AR)};
	u32 saved_end;

	s->old_wide = descriptor_is_wide_tss(&old);
	s->old_base = (u32)vcpu_read(v, VMCS_GUEST_TR_BASE);
	s->old_selector = (u16)vcpu_read(v, VMCS_GUEST_TR_SELECTOR);
	saved_end = s->old_wide ? 0x5f : 0x29;
	return vcpu_read(v, VMCS_GUEST_TR_LIMIT) >= saved_end ||
	       fault(s, VEC_TS, s->old_selector & NULL_BITS);
}

/* All that will be accessed is there, so that nothing is changed by a switch that does not take place. */
static bool check_memory(const struct switching *s)
{
	struct vcpu *v = s->v;
	u32 gdt = (u32)vcpu_read(v, VMCS_GUEST_GDTR_BASE);
	u8 bytes[TASK_TSS_MAX];

	return walk_read(v, s->tss.base, bytes, task_tss_size(s->wide)) &&
	       (!is_linked(s) || probe(v, s->tss.base, 2)) &&
	       probe(v, s->old_base, s->old_wide ? 0x60 : 0x2a) &&
	       (is_linked(s) || probe(v, gdt + (s->old_selector & 0xfff8u), 8)) &&
	       (s->source == TASK_IRET || probe(v, gdt + (s->selector & 0xfff8u), 8));
}

static bool save_old_task(const struct switching *s)
{
	struct vcpu *v = s->v;
	struct task old = current_task(s);
	size_t size = s->old_wide ? 0x60 : 0x2a;
	u8 tss[TASK_TSS_MAX];

	if (!walk_read(v, s->old_base, tss, size))
		return false;
	task_save(tss, s->old_wide, &old);
	return walk_write(v, s->old_base, tss, size);
}

/* SDM: table "Effect of a Task Switch on Busy Flag, NT Flag, Previous Task Link Field, and TS Flag". */
static bool mark_tasks(const struct switching *s)
{
	struct vcpu *v = s->v;
	u32 gdt = (u32)vcpu_read(v, VMCS_GUEST_GDTR_BASE);
	u32 old = gdt + (s->old_selector & 0xfff8u), new = gdt + (s->selector & 0xfff8u);

	if (is_linked(s) && !walk_write(v, s->tss.base, &s->old_selector, 2))
		return false;
	if (!is_linked(s) && !set_descriptor_bits(v, old, DESCRIPTOR_TSS_BUSY, 0))
		return false;
	return s->source == TASK_IRET || set_descriptor_bits(v, new, 0, DESCRIPTOR_TSS_BUSY);
}

static bool read_new_task(struct switching *s)
{
	u8 tss[TASK_TSS_MAX];

	if (!walk_read(s->v, s->tss.base, tss, task_tss_size(s->wide)))
		return false;
	task_load(tss, s->wide, &s->task);
	if (is_linked(s))
		s->task.eflags |= EFLAGS_NT;
	return true;
}

/* --- after it: exceptions are the new task's --- */

static void write_segment(struct vcpu *v, unsigned s, u16 selector, const struct descriptor *d)
{
	vcpu_write(v, FIELD(SELECTOR, s), selector);
	vcpu_write(v, FIELD(BASE, s), d->base);
	vcpu_write(v, FIELD(LIMIT, s), d->limit);
	vcpu_write(v, FIELD(AR, s), d->ar);
}

/*
 * The selectors without their descriptors. VM entry insists on a CS: an exception before its check has one
 * that is conforming and so legal at any privilege level. That is SS.DPL: 3 as long as there is no stack, so
 * that the handler gets one from the TSS.
 */
static void write_selectors(const struct switching *s)
{
	const struct descriptor code = {.limit = 0xffffffff, .ar = 0xc09f};
	const struct descriptor none = {.ar = AR_UNUSABLE | 0x60};

	for (unsigned i = SEG_ES; i <= SEG_LDTR; i++)
		write_segment(s->v, i, s->task.selector[i], i == SEG_CS ? &code : &none);
}

static void write_registers(const struct switching *s)
{
	struct vcpu *v = s->v;
	struct descriptor tr = s->tss;

	tr.ar |= (u32)(DESCRIPTOR_TSS_BUSY >> 40);
	write_segment(v, SEG_TR, s->selector, &tr);
	vcpu_write(v, VMCS_GUEST_CR0, vcpu_read(v, VMCS_GUEST_CR0) | CR0_TS);
	vcpu_write(v, VMCS_CR0_READ_SHADOW, vcpu_read(v, VMCS_CR0_READ_SHADOW) | CR0_TS);
	vcpu_write(v, VMCS_GUEST_DR7, vcpu_read(v, VMCS_GUEST_DR7) & ~DR7_LOCAL_ENABLES);
	vcpu_write(v, VMCS_GUEST_RIP, s->task.eip);
	vcpu_write(v, VMCS_GUEST_RFLAGS, s->task.eflags);
	vcpu_write(v, VMCS_GUEST_PENDING_DEBUG, 0);
	for (unsigned i = 0; i < 8; i++)
		vcpu_set_gpr(v, (enum gpr)i, s->task.gpr[i]);
}

/* A 16-bit TSS has no CR3, and without paging the field is not loaded. */
static bool load_cr3(const struct switching *s)
{
	if (!s->wide || !(vcpu_read(s->v, VMCS_GUEST_CR0) & CR0_PG))
		return true;
	return cr3_switch(s->v, s->task.cr3) || fault(s, VEC_TS, 0);
}

static bool load_segment(const struct switching *s, enum segment i)
{
	struct vcpu *v = s->v;
	u16 selector = s->task.selector[i];
	unsigned cpl = s->task.selector[SEG_CS] & 3;
	bool null = (selector & NULL_BITS) == 0, system = i == SEG_LDTR;
	struct descriptor d = {0};
	u32 at = 0;
	u64 raw;

	if (!null) {
		if ((system && (selector & 4)) || !find_descriptor(v, selector, &at))
			return fault(s, VEC_TS, selector & NULL_BITS);
		if (!walk_read(v, at, &raw, sizeof(raw)))
			return false;
		d = descriptor_decode(raw);
	}
	int vector = task_check_segment(i, selector, &d, cpl);
	if (vector != TASK_NO_FAULT)
		return fault(s, (enum vector)vector, selector & NULL_BITS);
	if (null)
		return true;
	if (!system && !set_descriptor_bits(v, at, 0, DESCRIPTOR_ACCESSED))
		return false;
	d.ar |= system ? 0 : (u32)(DESCRIPTOR_ACCESSED >> 40);
	write_segment(v, i, selector, &d);
	return true;
}

static bool load_segments(const struct switching *s)
{
	static const u8 order[] = {SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_CS};

	if (!load_segment(s, SEG_LDTR))
		return false;
	for (unsigned i = 0; i < sizeof(order); i++) {
		u16 selector = s->task.selector[order[i]];
		struct descriptor d = task_v86_segment(selector);
		if (s->task.eflags & RFLAGS_VM)
			write_segment(s->v, order[i], selector, &d);
		else if (!load_segment(s, (enum segment)order[i]))
			return false;
	}
	return true;
}

/* SDM: volume 3A, "Interrupt 17 - Alignment Check Exception (#AC)". */
static bool is_misaligned(const struct switching *s, u32 at, u32 size)
{
	return (s->task.eflags & RFLAGS_AC) && (vcpu_read(s->v, VMCS_GUEST_CR0) & CR0_AM) &&
	       (at & (size - 1));
}

/* On the new task's stack, with the rights of its ring. */
static bool push_error_code(const struct switching *s)
{
	struct vcpu *v = s->v;
	struct descriptor ss = {.limit = (u32)vcpu_read(v, VMCS_GUEST_SS_LIMIT),
				.ar = (u32)vcpu_read(v, VMCS_GUEST_SS_AR)};
	u32 esp = (u32)vcpu_read(v, VMCS_GUEST_RSP), offset, size = s->wide ? 4 : 2;

	if (!(s->event & INTR_VALID) || !(s->event & INTR_ERROR_CODE_VALID))
		return true;
	if (!task_push(&ss, &esp, size, &offset))
		return fault(s, VEC_SS, 0);
	bool user = AR_DPL(ss.ar) == 3;
	u32 at = (u32)vcpu_read(v, VMCS_GUEST_SS_BASE) + offset;
	if (user && is_misaligned(s, at, size))
		return fault(s, VEC_AC, 0);
	if (!(user ? walk_write_user : walk_write)(v, at, &s->error_code, size))
		return false;
	vcpu_write(v, VMCS_GUEST_RSP, esp);
	return true;
}

static bool start_new_task(const struct switching *s)
{
	if (!push_error_code(s))
		return false;
	if (s->task.eip > vcpu_read(s->v, VMCS_GUEST_CS_LIMIT))
		return fault(s, VEC_GP, 0);
	if (s->task.trap) {
		cpu_write_dr6(cpu_read_dr6() | DR6_BT);
		event_put_in_flight(s->v, INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_DB, 0, 0);
	}
	return true;
}

static bool do_switch(struct switching *s)
{
	if (!check_new_tss(s) || !check_old_tss(s) || !check_memory(s) || !save_old_task(s) ||
	    !mark_tasks(s) || !read_new_task(s))
		return false;
	write_registers(s);
	write_selectors(s);
	return load_cr3(s) && load_segments(s) && start_new_task(s);
}

/* What the event leaves behind, with or without a fault. SDM: "Handling Multiple NMIs". */
static void write_blocking(const struct switching *s)
{
	u64 blocking = vcpu_read(s->v, VMCS_GUEST_INTERRUPTIBILITY);

	blocking &= ~(u64)(BLOCKING_STI | BLOCKING_MOV_SS);
	if (s->source == TASK_IRET)
		blocking &= ~(u64)BLOCKING_NMI;
	if ((s->event & INTR_VALID) && INTR_TYPE(s->event) == INTR_NMI)
		blocking |= BLOCKING_NMI;
	vcpu_write(s->v, VMCS_GUEST_INTERRUPTIBILITY, blocking);
}

/* An exception while another was being delivered. */
static void combine(const struct switching *s)
{
	unsigned second = s->v->events.in_flight.info & INTR_VECTOR;
	int vector = task_combine(s->event, (enum vector)second);

	if (vector == TASK_TRIPLE_FAULT)
		vcpu_shutdown(s->v, "triple fault");
	if (vector != (int)second)
		vcpu_fault(s->v, (enum vector)vector, 0);
}

void task_switch(struct vcpu *v)
{
	const struct exit_info *x = &v->exit;
	struct switching s = {.v = v,
			      .source = (enum task_source)(x->qualification >> 30 & 3),
			      .selector = (u16)x->qualification,
			      .event = x->vectoring_info,
			      .error_code = x->vectoring_error_code};

	v->events.in_flight.info = 0; /* the switch is its delivery */
	write_blocking(&s);
	if (!do_switch(&s))
		combine(&s);
}
