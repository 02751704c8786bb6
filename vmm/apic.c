#include "vmm/apic.h"

#include "vmm/apic_hw.h"
#include "vmm/apic_registers.h"
#include "vmm/console.h"
#include "vmm/ept01.h"
#include "vmm/ept02.h"
#include "vmm/event.h"
#include "vmm/lib.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"
#include "vmx/msr.h"

/* More cannot come in one go: each vector waits at most once. */
#define TAKE_MAX 256

static bool owed(const struct apic *a, u8 vector)
{
	return a->owed[vector / 32] >> (vector % 32) & 1;
}

static void set_owed(struct apic *a, u8 vector, bool on)
{
	u32 bit = 1u << (vector % 32), *w = &a->owed[vector / 32];
	*w = on ? *w | bit : *w & ~bit;
}

/* IRR changes here, and nowhere else. */
static void request(struct vcpu *v, u8 vector, bool level)
{
	lapic_accept(v->apic.regs, vector, level);
	v->apic.requests = true;
	v->attend = true;
}

static void acknowledge(struct apic *a, u8 vector)
{
	lapic_acknowledge(a->regs, vector);
	a->requests = lapic_any_request(a->regs);
}

static void reset(struct apic *a)
{
	lapic_reset(a->regs);
	memset(a->owed, 0, sizeof(a->owed));
	a->requests = false;
}

/* --- from the physical APIC into L1's --- */

enum origin { FROM_LAPIC, FROM_8259, SPURIOUS };

/*
 * Who gave the vector that L0 has just taken: the local APIC, if it is in service there and was not
 * before, or if it is the spurious vector; else the 8259.
 */
static enum origin origin_of(const struct apic *a, u8 vector)
{
	if (apic_hw_has(a, LAPIC_ISR, vector) && !owed(a, vector))
		return FROM_LAPIC;
	if (apic_hw_mode(a) != APIC_OFF && vector == (apic_hw_read(a, LAPIC_SVR) & 0xff))
		return SPURIOUS;
	return FROM_8259;
}

/*
 * One that is in service at the physical APIC. An edge is over there; a level stays in service, so that
 * it does not come again, until L1 has dealt with it.
 */
static void accept(struct vcpu *v, u8 vector)
{
	struct apic *a = &v->apic;
	bool level = apic_hw_has(a, LAPIC_TMR, vector);

	request(v, vector, level);
	if (level)
		set_owed(a, vector, true);
	else
		apic_hw_write(a, LAPIC_EOI, 0);
}

/*
 * Takes one interrupt and gives its vector if it is the 8259's. -1: there was none, or it is in L1's IRR
 * now, or it was spurious: L1's APIC has its own reasons for one, and here it has none.
 */
static int take(struct vcpu *v, bool *any)
{
	int vector = apic_hw_take(v->machine);
	enum origin origin = vector < 0 ? SPURIOUS : origin_of(&v->apic, (u8)vector);

	*any = origin != SPURIOUS;
	if (origin == FROM_LAPIC)
		accept(v, (u8)vector);
	return origin == FROM_8259 ? vector : -1;
}

/* With LINT0 masked where it is the 8259's: that one waits. Gives the old LVT entry. */
static u32 mask_extint(const struct apic *a)
{
	u32 lvt = apic_hw_read(a, LAPIC_LVT_LINT0);
	if (LAPIC_LVT_MODE(lvt) == LAPIC_DM_EXTINT && !(lvt & LAPIC_LVT_MASKED))
		apic_hw_write(a, LAPIC_LVT_LINT0, lvt | (u32)LAPIC_LVT_MASKED);
	return lvt;
}

static void unmask_extint(const struct apic *a, u32 lvt)
{
	if (LAPIC_LVT_MODE(lvt) == LAPIC_DM_EXTINT && !(lvt & LAPIC_LVT_MASKED))
		apic_hw_write(a, LAPIC_LVT_LINT0, lvt);
}

/* All that the local APIC can deliver now. Whether there was anything. */
static bool accept_all(struct vcpu *v)
{
	struct apic *a = &v->apic;
	bool any = false, more = true;

	if (!apic_hw_deliverable(a))
		return false;
	u32 lvt = mask_extint(a);
	for (unsigned n = 0; n < TAKE_MAX && more && a->extint < 0 && apic_hw_deliverable(a); n++) {
		a->extint = take(v, &more);
		any |= more;
	}
	unmask_extint(a, lvt);
	return any;
}

void apic_external_interrupt(struct vcpu *v)
{
	v->attend = true;
	if (!accept_all(v))
		v->apic.extint_waits = true;
}

/*
 * The physical EOI for a level. Those above it that the physical APIC still has in service end with it:
 * the I/O APIC sends them again, and they wait for L1 in IRR already.
 */
static void retire(struct apic *a, u8 vector)
{
	for (int top = apic_hw_highest(a, LAPIC_ISR); top >= vector;
	     top = apic_hw_highest(a, LAPIC_ISR)) {
		if (!owed(a, (u8)top))
			break;
		set_owed(a, (u8)top, false);
		apic_hw_write(a, LAPIC_EOI, 0);
	}
	set_owed(a, vector, false);
}

/*
 * A level that L1 has not taken is in service at the physical APIC already, and holds back a higher vector
 * of its class, which L1 must take first: it goes back to the I/O APIC, and comes again behind the other.
 */
static void let_pass(struct vcpu *v)
{
	struct apic *a = &v->apic;
	int first = lapic_pending(a->regs), behind = apic_hw_highest(a, LAPIC_IRR);

	if (first < 0 || !owed(a, (u8)first) || behind <= first || behind >> 4 != first >> 4)
		return;
	retire(a, (u8)first);
	accept_all(v);
}

/* --- from L1's APIC into L1 --- */

bool apic_pending(const struct vcpu *v)
{
	const struct apic *a = &v->apic;
	return a->extint >= 0 || a->extint_waits || (a->requests && lapic_pending(a->regs) >= 0);
}

bool apic_extint_waits(const struct vcpu *v)
{
	return v->apic.extint_waits;
}

static int acknowledge_lapic(struct vcpu *v)
{
	int vector = lapic_pending(v->apic.regs);
	if (vector >= 0)
		acknowledge(&v->apic, (u8)vector);
	return vector;
}

/* INTA to the 8259; the local APIC may have got one meanwhile that goes before. */
static int acknowledge_extint(struct vcpu *v)
{
	bool any;

	if (!v->apic.extint_waits)
		return -1;
	int vector = take(v, &any);
	v->apic.extint_waits = any && vector < 0;
	return vector < 0 ? acknowledge_lapic(v) : vector;
}

int apic_acknowledge(struct vcpu *v)
{
	int vector = v->apic.extint;

	v->apic.extint = -1;
	if (vector < 0) {
		accept_all(v);
		let_pass(v);
		vector = acknowledge_lapic(v);
	}
	return vector < 0 ? acknowledge_extint(v) : vector;
}

/* --- what L1 does --- */

static void eoi(struct vcpu *v)
{
	int vector = lapic_eoi(v->apic.regs);
	if (vector >= 0 && owed(&v->apic, (u8)vector))
		retire(&v->apic, (u8)vector);
}

/* SDM: "Error Handling": an illegal vector only makes an error, which the physical APIC reports. */
static void interrupt_self(struct vcpu *v, u8 vector)
{
	struct apic *a = &v->apic;

	if (vector < 16)
		apic_hw_self_ipi(a, vector);
	else if (apic_hw_read(a, LAPIC_SVR) & LAPIC_SVR_ENABLE)
		request(v, vector, false);
}

/* Other processors are not L1's: what it sends there goes nowhere. */
static void send(struct vcpu *v, u64 icr)
{
	struct apic *a = &v->apic;
	struct lapic_self self = {
		.x2apic = apic_hw_mode(a) == APIC_X2APIC,
		.id = apic_hw_read(a, LAPIC_ID),
		.ldr = apic_hw_read(a, LAPIC_LDR),
	};
	if (!self.x2apic)
		self.dfr = apic_hw_read(a, LAPIC_DFR);
	struct lapic_ipi ipi = lapic_decode_icr(icr, &self);

	if ((ipi.others && v->machine->boot->cpu_count > 1 && !a->told_others) || ipi.kind == IPI_SMI) {
		log_line("L1's interprocessor interrupt %#lx is not sent on", icr);
		a->told_others = true;
	}
	if (ipi.kind == IPI_FIXED)
		interrupt_self(v, ipi.vector);
	else if (ipi.kind == IPI_NMI)
		event_pend(v, EVENT_NMI);
	else if (ipi.kind == IPI_INIT)
		event_pend(v, EVENT_INIT);
}

u32 apic_read_register(struct vcpu *v, u32 offset)
{
	struct apic *a = &v->apic;

	if (!lapic_is_virtual(offset))
		return apic_hw_read(a, offset);
	u32 value = lapic_read(a->regs, offset);
	if (offset < LAPIC_TMR || offset >= LAPIC_ESR)
		return value;
	/* Requests that L0 has not taken yet count too, with their trigger mode. */
	u32 request = apic_hw_read(a, LAPIC_IRR + (offset & 0x70));
	return offset >= LAPIC_IRR ? value | request :
				     (value & ~request) | (apic_hw_read(a, offset) & request);
}

void apic_write_register(struct vcpu *v, u32 offset, u32 value)
{
	struct lapic *l = v->apic.regs;

	switch (offset) {
	case LAPIC_TPR:
		*lapic_register(l, LAPIC_TPR) = value & 0xff;
		break;
	case LAPIC_EOI:
		eoi(v);
		break;
	case LAPIC_ICR:
		*lapic_register(l, LAPIC_ICR) = value & 0xccfff & ~0x1000u;
		send(v, (u64)*lapic_register(l, LAPIC_ICR_HIGH) << 32 | value);
		break;
	case LAPIC_ICR_HIGH:
		*lapic_register(l, LAPIC_ICR_HIGH) = value & 0xff000000;
		break;
	default:
		if (!lapic_is_virtual(offset)) /* the others are read-only */
			apic_hw_write(&v->apic, offset, value);
	}
}

static u32 offset_of(u32 msr)
{
	return (msr - MSR_X2APIC_FIRST) * 16;
}

bool apic_read_msr(struct vcpu *v, u32 number, u64 *value)
{
	if (apic_hw_mode(&v->apic) != APIC_X2APIC || number == MSR_X2APIC_EOI ||
	    number == MSR_X2APIC_SELF_IPI)
		return false;
	*value = apic_read_register(v, offset_of(number));
	if (number == MSR_X2APIC_ICR)
		*value |= (u64)*lapic_register(v->apic.regs, LAPIC_ICR_HIGH) << 32;
	return true;
}

bool apic_write_msr(struct vcpu *v, u32 number, u64 *value)
{
	if (apic_hw_mode(&v->apic) != APIC_X2APIC || !lapic_x2apic_value_legal(offset_of(number), *value))
		return false;
	if (number == MSR_X2APIC_SELF_IPI) {
		interrupt_self(v, (u8)*value);
		return true;
	}
	if (number == MSR_X2APIC_ICR)
		*lapic_register(v->apic.regs, LAPIC_ICR_HIGH) = (u32)(*value >> 32);
	apic_write_register(v, offset_of(number), (u32)*value);
	return true;
}

u8 apic_tpr(const struct vcpu *v)
{
	return (u8)*lapic_register(v->apic.regs, LAPIC_TPR);
}

void apic_set_tpr(struct vcpu *v, u8 value)
{
	*lapic_register(v->apic.regs, LAPIC_TPR) = value;
}

void apic_update_threshold(struct vcpu *v)
{
	struct apic *a = &v->apic;
	u32 threshold = a->requests ? lapic_tpr_threshold(a->regs) : 0;

	if (threshold == a->threshold || !caps_has(&v->machine->hw, CI_PROC_USE_TPR_SHADOW))
		return;
	vcpu_write(v, VMCS_TPR_THRESHOLD, threshold);
	a->threshold = threshold;
}

/* --- where it is, and how it starts --- */

static void place(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct apic *a = &v->apic;
	u64 hole = apic_hw_mode(a) == APIC_XAPIC ? (a->base & APIC_BASE_ADDRESS) + 1 : 0;

	if (m->apic_hole == hole)
		return;
	m->apic_hole = hole;
	ept02_drop_all(v);
	ept01_drop(m);
}

void apic_show_page(struct vcpu *v, bool shown)
{
	struct machine *m = v->machine;

	if (m->apic_shown == shown)
		return;
	m->apic_shown = shown;
	ept02_drop_all(v);
	ept01_drop(m);
}

/* An APIC that has been off starts anew. SDM: "Enabling or Disabling the Local APIC". */
bool apic_write_base(struct vcpu *v, u64 value)
{
	struct apic *a = &v->apic;
	u64 page = value & APIC_BASE_ADDRESS;

	if (l0_owns(v->machine, page) || page >= v->machine->direct_end) {
		log_line("L1 wanted its APIC at %#lx, where L0 lives or does not reach: #GP", value);
		return false;
	}
	if (cpu_wrmsr_safe(MSR_IA32_APIC_BASE, value))
		return false;
	a->base = cpu_rdmsr(MSR_IA32_APIC_BASE);
	if (apic_hw_mode(a) == APIC_OFF)
		reset(a);
	place(v);
	return true;
}

/* What firmware left in service is in service, and its physical EOI is due. */
static void inherit(struct apic *a)
{
	*lapic_register(a->regs, LAPIC_TPR) = apic_hw_read(a, LAPIC_TPR) & 0xff;
	apic_hw_write(a, LAPIC_TPR, 0);
	for (unsigned i = 0; i < 8; i++) {
		a->owed[i] = apic_hw_read(a, LAPIC_ISR + 16 * i);
		*lapic_register(a->regs, LAPIC_ISR + 16 * i) = a->owed[i];
		*lapic_register(a->regs, LAPIC_TMR + 16 * i) = apic_hw_read(a, LAPIC_TMR + 16 * i);
	}
}

void apic_init(struct vcpu *v)
{
	struct apic *a = &v->apic;

	_Static_assert(sizeof(struct lapic) == PAGE_SIZE, "the APIC is a page");
	a->regs = page_alloc_must(v->machine);
	a->extint = -1;
	a->base = cpu_rdmsr(MSR_IA32_APIC_BASE);
	if (apic_hw_mode(a) != APIC_OFF)
		inherit(a);
	if (caps_has(&v->machine->hw, CI_PROC_USE_TPR_SHADOW)) {
		vcpu_write(v, VMCS_VIRTUAL_APIC_ADDRESS, l0_pa(v->machine, a->regs).v);
		vcpu_write(v, VMCS_TPR_THRESHOLD, 0);
	}
	place(v);
}

/* The physical registers as after an INIT. SDM: "Local APIC State After It Receives an INIT Reset". */
static void reset_hw(const struct apic *a)
{
	static const struct {
		u32 offset, value;
	} row[] = {
		{LAPIC_LVT_TIMER, LAPIC_LVT_MASKED},
		{LAPIC_LVT_THERMAL, LAPIC_LVT_MASKED},
		{LAPIC_LVT_PERFORMANCE, LAPIC_LVT_MASKED},
		{LAPIC_LVT_LINT0, LAPIC_LVT_MASKED},
		{LAPIC_LVT_LINT1, LAPIC_LVT_MASKED},
		{LAPIC_LVT_ERROR, LAPIC_LVT_MASKED},
		{LAPIC_INITIAL_COUNT, 0},
		{LAPIC_DIVIDE, 0},
		{LAPIC_ESR, 0},
		{LAPIC_SVR, 0xff},
	};

	for (unsigned i = 0; i < ARRAY_LEN(row); i++)
		apic_hw_write(a, row[i].offset, row[i].value);
	if (apic_hw_mode(a) == APIC_XAPIC) {
		apic_hw_write(a, LAPIC_LDR, 0);
		apic_hw_write(a, LAPIC_DFR, ~0u);
	}
}

void apic_reset(struct vcpu *v)
{
	struct apic *a = &v->apic;

	if (apic_hw_mode(a) != APIC_OFF) {
		reset_hw(a);
		accept_all(v);
		retire(a, 0);
	}
	reset(a);
	a->extint = -1;
	a->extint_waits = false;
}
