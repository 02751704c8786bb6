#include "vmm/ept02.h"

#include "vmm/console.h"
#include "vmm/ept01.h"
#include "vmm/l1mem.h"
#include "vmm/step.h"
#include "vmm/watch.h"
#include "vmx/assert.h"

static void write_entry(void *context, l1pa_t address, u64 value)
{
	l1mem_write(context, address, &value, sizeof(value));
}

static struct ept_extent around(void *context, l1pa_t address, bool write)
{
	struct vcpu *v = context;

	if (write)
		watch_written(v->machine, address, 1);
	return ept01_around(v->machine, address);
}

void ept02_init(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct ept02 *e = &v->ept02;
	u32 count = page_available(m) / 2;
	unsigned info = (unsigned)((count * sizeof(struct ept_table) + PAGE_SIZE - 1) / PAGE_SIZE);

	e->in = (struct ept02_in){
		.memory = {.base = (const u8 *)DIRECT_BASE,
			   .end = m->direct_end,
			   .hole_base = m->l0_base,
			   .hole_size = m->l0_size,
			   .context = m,
			   .write = write_entry},
		.page_sizes = ept01_page_sizes(m),
		.context = v,
		.around = around,
	};
	ept12_rules_init(&e->in.rules, &m->l1);
	ASSERT(count > 2 * EPT02_SLOTS, "%u pages are too few for EPT02", count);
	struct ept_table *table = page_alloc_run(m, info);
	u64 *base = page_alloc_run(m, count);
	ept_tables_init(&e->tables, base, l0_pa(m, base), table, count);
}

/* --- one root for each EPT12 pointer --- */

/* Translations are tagged with the pointer's address bits alone. */
static bool same_tables(u64 a, u64 b)
{
	return ((a ^ b) & EPTP_ADDRESS) == 0;
}

static struct ept02_slot **bucket_of(struct ept02 *e, u64 eptp12)
{
	u64 hash = (eptp12 & EPTP_ADDRESS) * 0x9e3779b97f4a7c15ul;
	return &e->bucket[hash >> 58 & (EPT02_BUCKETS - 1)];
}

static u64 pointer02(const struct vcpu *v, const struct ept02_root *root)
{
	return l0_pa(v->machine, root->table).v | EPTP_WALK_4 | MT_WB | (root->eptp12 & EPTP_AD);
}

/* What is empty, the processor has cached nothing of. */
static void drop(struct vcpu *v, struct ept02_root *root)
{
	if (ept_tables_clear(&v->ept02.tables, root->table))
		ept_invalidate(v->machine, pointer02(v, root));
	root->run = 0;
}

void ept02_drop(struct vcpu *v, u64 eptp12)
{
	for (struct ept02_slot *s = *bucket_of(&v->ept02, eptp12); s; s = s->next)
		if (same_tables(s->root.eptp12, eptp12))
			drop(v, &s->root);
}

void ept02_drop_all(struct vcpu *v)
{
	step_forget(v);
	for (unsigned i = 0; i < v->ept02.used; i++)
		drop(v, &v->ept02.slot[i].root);
}

/* All start anew. The leaves that a step has opened are gone with their tables. */
static void reclaim(struct vcpu *v)
{
	if (!v->ept02.reclaimed)
		log_line("EPT02 has used up its %u tables, and starts anew", v->ept02.tables.count);
	v->ept02.reclaimed = true;
	step_forget(v);
	ept02_drop_all(v);
}

static u64 *take_root(struct vcpu *v)
{
	u64 *table = ept_tables_take(&v->ept02.tables, 3);
	if (table)
		return table;
	reclaim(v);
	table = ept_tables_take(&v->ept02.tables, 3);
	ASSERT(table, "no table for EPT02's root");
	return table;
}

static void unlink_slot(struct ept02 *e, struct ept02_slot *slot)
{
	struct ept02_slot **at = bucket_of(e, slot->root.eptp12);
	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
}

/* A slot that nobody has, or the next one in turn. */
static struct ept02_slot *take_slot(struct vcpu *v)
{
	struct ept02 *e = &v->ept02;

	if (e->used < EPT02_SLOTS) {
		u64 *table = take_root(v);
		e->slot[e->used].root.table = table;
		return &e->slot[e->used++];
	}
	struct ept02_slot *slot = &e->slot[e->victim++ % EPT02_SLOTS];
	unlink_slot(e, slot);
	drop(v, &slot->root);
	return slot;
}

static struct ept02_slot *find_slot(struct vcpu *v, u64 eptp12)
{
	struct ept02_slot **bucket = bucket_of(&v->ept02, eptp12), *slot;

	for (slot = *bucket; slot; slot = slot->next)
		if (slot->root.eptp12 == eptp12)
			return slot;
	slot = take_slot(v);
	slot->root.eptp12 = eptp12;
	slot->next = *bucket;
	*bucket = slot;
	return slot;
}

u64 ept02_pointer(struct vcpu *v, u64 eptp12)
{
	struct ept02 *e = &v->ept02;

	if (!e->now || e->now->root.eptp12 != eptp12)
		e->now = find_slot(v, eptp12);
	return pointer02(v, &e->now->root);
}

/* --- filling --- */

/* What the step of the instruction has opened so far does not outlive a tree that is cut off. */
static struct ept02_filled fill(struct vcpu *v, l2pa_t address, u64 access)
{
	struct ept02 *e = &v->ept02;
	e->in.memory.absent = v->machine->apic_hole - 1;
	struct ept02_filled f = ept02_fill(&e->tables, &e->now->root, &e->in, address, access);

	if (f.walk.kind == EPT12_MAPPED && !f.leaf) {
		reclaim(v);
		f = ept02_fill(&e->tables, &e->now->root, &e->in, address, access);
		ASSERT(f.leaf, "no table for EPT02");
	}
	if (f.cut) {
		step_forget(v);
		ept_invalidate(v->machine, pointer02(v, &e->now->root));
	}
	return f;
}

struct ept12_result ept02_violation(struct vcpu *v, u64 eptp12)
{
	u64 access = v->exit.qualification & (EPTV_READ | EPTV_WRITE | EPTV_FETCH);
	const struct ept02_slot *now = v->ept02.now;

	ASSERT(now && now->root.eptp12 == eptp12, "EPT02 is of another EPT12 than %#lx", eptp12);
	struct ept02_filled f = fill(v, (l2pa_t){v->exit.gpa}, access);
	if (f.walk.kind == EPT12_MAPPED && (access & EPT_W) &&
	    ept01_read_only(v->machine, f.walk.address))
		step_write(v, f.leaf);
	return f.walk;
}

bool ept02_translate(const struct vcpu *v, u64 address, l1pa_t *at)
{
	const struct vmcs12 *v12 = v->nested.v12;
	*at = (l1pa_t){address};
	if (!v->nested.in_l2 || !v12_proc2(v12, PROC2_ENABLE_EPT))
		return true;
	struct ept12_memory memory = v->ept02.in.memory;
	memory.absent = v->machine->apic_hole - 1;
	struct ept12_result r =
		ept12_walk(&memory, &v->ept02.in.rules, v12->ept_pointer, (l2pa_t){address}, EPT_R);
	*at = r.address;
	return r.kind == EPT12_MAPPED;
}
