#include "guest/fuzz/fuzz.h"
#include "guest/fuzz/record.h"

#include "guest/lib/console.h"
#include "guest/lib/memory.h"

#define FRAME_QUADS 8

void record_put(struct record *r, const char *name, u64 value)
{
	r->hash = (r->hash ^ value ^ (u64)name) * 0x9e3779b97f4a7c15ull;
	r->hash ^= r->hash >> 29;
	if (r->print)
		print("  %s 0x%lx\n", name, value);
}

/* Exit information that is defined; the rest of the RO fields is left out, or must not have changed. */
struct ro_rule {
	enum field_index field;
	bool (*defined)(const struct result *r, const u64 *ro);
};

static bool ro_always(const struct result *r, const u64 *ro)
{
	(void)r, (void)ro;
	return true;
}

/* SDM: "Format of the VM-Exit Interruption-Information Field": the error code, if there is one. */
static bool ro_error_code(const struct result *r, const u64 *ro)
{
	u64 info = ro[FI_EXIT_INTERRUPTION_INFO];
	(void)r;
	return (info & INTR_VALID) && (info & INTR_ERROR_CODE_VALID);
}

static bool ro_vectoring_error(const struct result *r, const u64 *ro)
{
	u64 info = ro[FI_IDT_VECTORING_INFO];
	(void)r;
	return (info & INTR_VALID) && (info & INTR_ERROR_CODE_VALID);
}

static bool ro_ept(const struct result *r, const u64 *ro)
{
	(void)ro;
	return r->reason == EXIT_REASON_EPT_VIOLATION || r->reason == EXIT_REASON_EPT_MISCONFIGURATION;
}

static bool ro_linear(const struct result *r, const u64 *ro)
{
	return r->reason == EXIT_REASON_EPT_VIOLATION && (ro[FI_EXIT_QUALIFICATION] & BIT(7));
}

/* SDM: "Information for VM Exits Due to Instruction Execution": instructions, and software events. */
static bool ro_length(const struct result *r, const u64 *ro)
{
	u32 vectoring = (u32)ro[FI_IDT_VECTORING_INFO], type = INTR_TYPE(vectoring);
	bool software = (vectoring & INTR_VALID) &&
			(type == INTR_SW_INTERRUPT || type == INTR_PRIV_SW_EXCEPTION ||
			 type == INTR_SW_EXCEPTION);
	return r->reason == EXIT_REASON_HLT || software;
}

static const struct ro_rule ro_rules[] = {
	{FI_EXIT_REASON, ro_always},
	{FI_EXIT_QUALIFICATION, ro_always},
	{FI_EXIT_INTERRUPTION_INFO, ro_always},
	{FI_EXIT_INTERRUPTION_ERROR_CODE, ro_error_code},
	{FI_IDT_VECTORING_INFO, ro_always},
	{FI_IDT_VECTORING_ERROR_CODE, ro_vectoring_error},
	{FI_GUEST_PHYSICAL_ADDRESS, ro_ept},
	{FI_GUEST_LINEAR_ADDRESS, ro_linear},
	{FI_EXIT_INSTRUCTION_LENGTH, ro_length},
};

/* An event whose valid bit is clear has no other bits. */
static u64 ro_value(unsigned field, u64 value)
{
	bool event = field == FI_EXIT_INTERRUPTION_INFO || field == FI_IDT_VECTORING_INFO;

	return event && !(value & INTR_VALID) ? 0 : value;
}

/*
 * SDM: "VM-Entry Failures During or After Loading Guest State": but for reason and qualification nothing is
 * written; defect-failed-entry-writes (masks.c) is why that is not asked here.
 */
static void ro_record_refused(struct record *r, const struct entry *e, const u64 *ro)
{
	record_put(r, field_info[FI_EXIT_REASON].name, ro[FI_EXIT_REASON]);
	if ((ro[FI_EXIT_REASON] & 0xffff) != EXIT_REASON_ENTRY_GUEST_STATE ||
	    !mask_bits(e, FI_EXIT_QUALIFICATION))
		record_put(r, field_info[FI_EXIT_QUALIFICATION].name, ro[FI_EXIT_QUALIFICATION]);
}

static void ro_record_exited(struct record *r, const struct result *result, const u64 *ro)
{
	for (unsigned i = 0; i < ARRAY_LEN(ro_rules); i++) {
		unsigned field = ro_rules[i].field;
		if (field_known[field] && ro_rules[i].defined(result, ro))
			record_put(r, field_info[field].name, ro_value(field, ro[field]));
	}
}

/* SDM: "Conventions": a failing instruction writes the error number, and nothing else. */
static void ro_record_failed(struct record *r, const struct entry *e, const struct result *result,
			     const u64 *ro, bool all)
{
	for (unsigned i = 0; i < FI_COUNT && all; i++)
		if (field_info[i].group == RO && field_known[i] && i != FI_VM_INSTRUCTION_ERROR &&
		    ro[i] != e->base->seen[i])
			record_put(r, field_info[i].name, ro[i]);
	if (result->flags & RFLAGS_ZF)
		record_put(r, field_info[FI_VM_INSTRUCTION_ERROR].name, ro[FI_VM_INSTRUCTION_ERROR]);
}

/* The known fields that are not RO, in their order; and what is read after an entry of each kind. */
static struct {
	struct field_set all, guest, controls, ro, ro_main;
} fields;

void result_init(void)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		if (field_known[i])
			field_set_add(field_info[i].group == RO ? &fields.ro : &fields.all,
				      (enum field_index)i);
		if (field_known[i] && field_info[i].group == GUEST)
			field_set_add(&fields.guest, (enum field_index)i);
	}
	field_set_add(&fields.controls, FI_ENTRY_CONTROLS);
	field_set_add(&fields.controls, FI_ENTRY_INTERRUPTION_INFO);
	field_set_add(&fields.ro_main, FI_EXIT_REASON);
	field_set_add(&fields.ro_main, FI_EXIT_QUALIFICATION);
	field_set_add(&fields.ro_main, FI_VM_INSTRUCTION_ERROR);
}

static struct field_set interesting(const struct entry *e, const struct result *r, bool full)
{
	struct field_set set = full ? fields.all : fields.controls;

	if (r->kind == EXITED)
		field_set_add_all(&set, &fields.guest);
	for (unsigned i = 0; i < e->count; i++)
		if (e->mutation[i].field >= 0)
			field_set_add(&set, (enum field_index)e->mutation[i].field);
	return set;
}

/* What the RO fields held, for the next entry that must leave them alone. */
static void ro_remember(struct base *b, const struct result *r, const u64 *ro, bool full)
{
	if (r->kind == EXITED || full)
		copy_quads(b->seen, ro, FI_COUNT);
	b->seen_all = r->kind == EXITED || full || (r->kind == FAILED && b->seen_all);
}

/* The fields that are not RO: what differs from before the entry; and puts the base's value back. */
static void fields_record(struct record *r, const struct entry *e, const struct result *result, bool full)
{
	const struct field_set set = interesting(e, result, full);

	FIELD_SET_EACH (i, &set) {
		const struct field_info *f = &field_info[i];
		u64 value = vmread_fast(f->encoding);
		u64 masked = value == e->image.f[i] ? 0 : mask_bits(e, (enum field_index)i);
		if ((value ^ e->image.f[i]) & ~masked)
			record_put(r, f->name, value & ~masked);
		if (value != e->base->image.f[i])
			vmwrite_fast(f->encoding, e->base->image.f[i]);
	}
}

/* Reason, qualification and error number, or all of the RO fields. */
static void ro_read(u64 *ro, bool all)
{
	FIELD_SET_EACH (i, all ? &fields.ro : &fields.ro_main)
		ro[i] = vmread_fast(field_info[i].encoding);
}

/* Without "use TPR shadow" nothing writes the page: then it is not looked at. */
static void vapic_record(struct record *r, const struct entry *e)
{
	const u64 *page = (const u64 *)arena.scratch;

	if (!(e->image.f[FI_PROC_CONTROLS] & PROC_USE_TPR_SHADOW))
		return;
	for (unsigned i = 0; i < PAGE_SIZE / 8; i += 2)
		if (page[i])
			record_put(r, "virtual-APIC page", (u64)i << 32 | page[i]);
}

/* What the processor wrote to memory: the MSR-store area, and the frame of an event. */
static void memory_record(struct record *r, const struct entry *e)
{
	const u64 *stack = (const u64 *)arena.stack_top - FRAME_QUADS;
	bool stores = e->image.f[FI_EXIT_MSR_STORE_COUNT];
	bool delivers = (e->image.f[FI_ENTRY_INTERRUPTION_INFO] & INTR_VALID) ||
			e->image.f[FI_GUEST_PENDING_DEBUG];

	for (unsigned i = 0; stores && i < MSR_SLOTS; i++)
		record_put(r, "MSR-store area", arena.store_msrs[i].value);
	for (unsigned i = 0; delivers && i < FRAME_QUADS; i++)
		if (stack[i])
			record_put(r, "stack", stack[i]);
	vapic_record(r, e);
}

static void prepare_memory(const struct entry *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		const struct mutation *m = &e->mutation[i];
		struct msr_slot *slot = &arena.entry_msrs[m->slot];
		if (m->field >= 0)
			continue;
		switch (m->knob) {
		case KNOB_VTPR:
			*arena.vtpr = (u32)m->value;
			break;
		case KNOB_PDPTE:
			arena.pae_pdpt[m->slot] = m->value;
			break;
		case KNOB_ENTRY_MSR:
			*slot = (struct msr_slot){(u32)m->value, (u32)(m->value >> 32), m->more};
			break;
		case KNOB_NONE:
			break;
		}
	}
}

static bool memory_touched(const struct entry *e)
{
	for (unsigned i = 0; i < e->count; i++)
		if (e->mutation[i].field < 0)
			return true;
	return (e->image.f[FI_ENTRY_INTERRUPTION_INFO] & INTR_VALID) ||
	       e->image.f[FI_GUEST_PENDING_DEBUG] || e->image.f[FI_EXIT_MSR_STORE_COUNT] ||
	       (e->image.f[FI_PROC_CONTROLS] & PROC_USE_TPR_SHADOW);
}

static void print_mutations(const struct entry *e)
{
	static const char *const knobs[] = {"", "VTPR", "entry MSR list", "PDPTE in memory"};

	for (unsigned i = 0; i < e->count; i++) {
		const struct mutation *m = &e->mutation[i];
		if (m->field >= 0)
			print("  change %s: 0x%lx -> 0x%lx\n", field_info[m->field].name,
			      e->base->image.f[m->field], m->value);
		else
			print("  change %s[%u]: 0x%lx 0x%lx\n", knobs[m->knob], m->slot, m->value,
			      m->more);
	}
	if (e->clear_first)
		print("  change VMCLEAR first, then VMRESUME\n");
}

static void enter(struct entry *e, struct result *r)
{
	static const struct base *current;
	struct base *b = e->base;
	u64 failed;

	if (e->clear_first)
		vmclear(&b->region);
	if (e->clear_first || b != current)
		vmptrld(&b->region);
	current = b;
	b->launched = b->launched && !e->clear_first;
	for (unsigned i = 0; i < e->count; i++)
		if (e->mutation[i].field >= 0)
			vmwrite_fast(field_info[e->mutation[i].field].encoding, e->mutation[i].value);
	prepare_memory(e);
	unblock_nmis(); /* an injected NMI leaves them blocked in L1 */
	failed = fuzz_enter(b->launched || e->clear_first, &r->flags);
	r->kind = failed ? FAILED : EXITED;
}

static void classify(struct entry *e, struct result *r, const u64 *ro)
{
	r->reason = r->kind == FAILED ? 0 : (u32)ro[FI_EXIT_REASON];
	r->error = r->kind == FAILED && (r->flags & RFLAGS_ZF) ? (u32)ro[FI_VM_INSTRUCTION_ERROR] : 0;
	r->qualification = r->kind == FAILED ? 0 : ro[FI_EXIT_QUALIFICATION];
	if (r->reason & EXIT_REASON_ENTRY_FAILURE)
		r->kind = REFUSED;
	else if (r->kind == EXITED)
		e->base->launched = true;
}

void result_of(struct entry *e, bool full, bool print, struct result *r)
{
	struct record record = {.hash = e->number, .print = print};
	static u64 ro[FI_COUNT];

	if (print)
		print_mutations(e);
	full = full || e->number % 16 == 0;
	enter(e, r);
	ro_read(ro, full);
	classify(e, r, ro);
	if (r->kind == EXITED && !full)
		ro_read(ro, true);
	record_put(&record, "kind", r->kind);
	record_put(&record, "flags", r->flags);
	if (r->kind == FAILED)
		ro_record_failed(&record, e, r, ro, full && e->base->seen_all);
	else if (r->kind == REFUSED)
		ro_record_refused(&record, e, ro);
	else
		ro_record_exited(&record, r, ro);
	ro_remember(e->base, r, ro, full);
	fields_record(&record, e, r, full);
	l1_state_record(&record);
	memory_record(&record, e);
	if (memory_touched(e))
		arena_reset();
	r->hash = record.hash;
}
