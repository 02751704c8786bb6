#include "vmm/vmcs12.h"

#include "nested/exit.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"

/* After so many entries the lists are begun anew, so that what L1 did once does not cost for ever. */
#define LISTS_LIVE 4096
/* A field that L1 writes again within so many entries is one that it writes all the time; */
#define WRITES_APART 8

/* --- the lists of fields that L1 uses between an exit and an entry --- */

void field_list_clear(struct field_list *list)
{
	memset(list, 0, sizeof(*list));
}

bool field_list_add(struct field_list *list, enum field_index i)
{
	if (list->count == FIELD_LIST_MAX || field_set_has(&list->set, i))
		return false;
	list->row[list->count].field = (u16)i;
	list->row[list->count++].encoding = field_info[i].encoding;
	field_set_add(&list->set, i);
	return true;
}

/* --- VMREAD and VMWRITE bitmaps: one bit per encoding, 1 exits --- */

static void bitmap_set(u8 *bitmap, enum field_index i, bool exits)
{
	const struct field_info *f = &field_info[i];

	for (u32 e = f->encoding; e <= f->encoding + (f->width == W64 ? 1u : 0u); e++)
		bitmap[e >> 3] = (u8)((bitmap[e >> 3] & ~(1u << (e & 7))) | (exits ? 1u << (e & 7) : 0));
}

/* What an exit does not change is always in the shadow VMCS. */
static bool changed_by_exits(enum field_index i)
{
	return field_info[i].group == GUEST || field_info[i].group == RO;
}

static bool exists_for_l1(const struct vcpu *v, enum field_index i)
{
	return caps_has_field(&v->machine->l1, i);
}

static void becomes_unseen(struct vmcs12_state *s, enum field_index i)
{
	field_set_add(&s->unseen, i);
	s->any_unseen = true;
}

/* Of the fields that hardware's exit to L1 changes, which are read at once. The places in .changed are others then. */
static void plan_exits(struct vcpu *v)
{
	struct vmcs12_state *s = v->vmcs12;
	const struct learnt *l = &v->learnt;
	struct exit_plan *p = &s->exit_plan;
	struct field_set live = v->vmcs12->saved;

	for (; s->changed; s->changed &= s->changed - 1)
		becomes_unseen(s, (enum field_index)p->shown.row[__builtin_ctzl(s->changed)].field);
	field_set_add_all(&live, &v->information);
	p->stale = live;
	field_set_remove_all(&p->stale, &l->read.set);
	s->version = l->version;
	field_list_clear(&p->kept);
	field_list_clear(&p->shown);
	for (unsigned n = 0; n < l->read.count; n++) {
		enum field_index i = (enum field_index)l->read.row[n].field;
		if (field_set_has(&live, i))
			field_list_add(field_set_has(&l->shown, i) ? &p->shown : &p->kept, i);
	}
}

static void lists_changed(struct vcpu *v)
{
	v->learnt.version++;
	plan_exits(v);
}

static void begin_lists(struct vcpu *v)
{
	struct learnt *l = &v->learnt;

	field_list_clear(&l->read);
	field_list_clear(&l->written);
	l->read_once = l->shown = (struct field_set){{0}};
	memset(l->written_at, 0, sizeof(l->written_at));
	l->age = 0;
	lists_changed(v);
	if (!l->shadowing)
		return;
	memset(l->vmread_bitmap, 0xff, PAGE_SIZE);
	memset(l->vmwrite_bitmap, 0xff, PAGE_SIZE);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (exists_for_l1(v, i) && !changed_by_exits(i))
			bitmap_set(l->vmread_bitmap, i, false);
}

void vmcs12_init(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct learnt *l = &v->learnt;

	v->nested.current = NO_VMCS;
	v->nested.v12 = page_alloc_must(m); /* while none is current */
	l->shadowing = caps_has(&m->hw, CI_PROC2_VMCS_SHADOWING) && (m->hw.misc & VMX_MISC_VMWRITE_ANY);
	if (l->shadowing) {
		l->vmread_bitmap = page_alloc_must(m);
		l->vmwrite_bitmap = page_alloc_must(m);
	}
	vmcs12_cache_init(v);
	begin_lists(v);
}

void vmcs12_new(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct vmcs12_state *s = v->vmcs12;

	*s = (struct vmcs12_state){.v12 = page_alloc_must(m)};
	if (v->learnt.shadowing) {
		void *region = page_alloc_must(m);
		vmcs_init(&s->shadow, "the shadow VMCS", &v->loaded, l0_pa(m, region), region,
			  m->hw.revision | VMCS12_SHADOW);
	}
}

/* Hardware uses the shadow VMCS only while one of L1's is current: else VMREAD and VMWRITE exit. */
static void use_shadow(struct vcpu *v, bool on)
{
	u64 proc2;

	if (!v->learnt.shadowing)
		return;
	proc2 = vcpu_read(v, VMCS_PROC2_CONTROLS);
	vcpu_write(v, VMCS_PROC2_CONTROLS,
		   on ? proc2 | PROC2_VMCS_SHADOWING : proc2 & ~(u64)PROC2_VMCS_SHADOWING);
	vcpu_write(v, VMCS_VMCS_LINK_POINTER, on ? v->vmcs12->shadow.region.v : NO_VMCS);
}

static void write_shadow(struct vcpu *v, enum field_index i)
{
	vmcs_write(&v->vmcs12->shadow, field_info[i].encoding, v->nested.v12->f[i]);
}

/* Fields wider than their width can only come from a region that L1 wrote itself. */
static void read_region(struct vcpu *v, u64 pointer)
{
	struct vmcs12 *v12 = v->nested.v12;

	l1mem_read(v->machine, (l1pa_t){pointer}, v12, sizeof(*v12));
	for (unsigned i = 0; i < FI_COUNT; i++)
		v12->f[i] &= field_value_mask((enum field_width)field_info[i].width);
}

static void set_current(struct vcpu *v, u64 pointer)
{
	v->nested.current = pointer;
	v->nested.v12 = v->vmcs12->v12;
	v->check_in.v = v->vmcs12->v12;
}

/* From L1's memory: nothing of it is in vmcs02 or in the shadow VMCS. */
static void begin(struct vcpu *v, u64 pointer)
{
	struct vmcs12_state *s = v->vmcs12;

	set_current(v, pointer);
	read_region(v, pointer);
	s->stale = s->dirty = s->unseen = (struct field_set){{0}};
	s->any_unseen = s->in_vmcs02 = s->entry_plan.valid = false;
	s->changed = 0;
	if (!v->learnt.shadowing)
		return;
	vmcs_switch(&s->shadow);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (exists_for_l1(v, i))
			write_shadow(v, i);
	vmcs_switch(&v->vmcs01);
}

/* The lists are others than when it was parked: what L1 reads without an exit now must be there. */
static void catch_up(struct vcpu *v)
{
	struct vmcs12_state *s = v->vmcs12;

	plan_exits(v);
	vmcs12_pull(v, &v->learnt.shown);
	field_set_add_all(&s->unseen, &v->learnt.shown);
	s->any_unseen = v->learnt.shadowing;
	vmcs12_give(v);
}

void vmcs12_load(struct vcpu *v, u64 pointer)
{
	bool parked = vmcs12_cache_take(v, pointer);

	if (parked) {
		set_current(v, pointer);
		v->vmcs12->resumed = true;
	} else {
		begin(v, pointer);
	}
	if (v->vmcs12->version != v->learnt.version)
		catch_up(v);
	use_shadow(v, true);
}

void vmcs12_park(struct vcpu *v)
{
	if (v->nested.current == NO_VMCS)
		return;
	vmcs12_take(v);
	v->nested.current = NO_VMCS;
	use_shadow(v, false);
}

void vmcs12_unload(struct vcpu *v)
{
	struct nested *n = &v->nested;

	if (n->current == NO_VMCS)
		return;
	vmcs12_take(v);
	vmcs12_write_back(v);
	vmcs12_cache_free(v);
	n->current = NO_VMCS;
	use_shadow(v, false);
}

void vmcs12_write_back(struct vcpu *v)
{
	struct nested *n = &v->nested;

	vmcs12_pull_all(v);
	l1mem_write(v->machine, (l1pa_t){n->current}, n->v12, sizeof(*n->v12));
}

void vmcs12_clear(struct vcpu *v, u64 pointer)
{
	u64 current = v->nested.current;

	if (pointer == current) {
		vmcs12_unload(v);
	} else if (vmcs12_cache_has(v, pointer)) {
		vmcs12_park(v);
		vmcs12_load(v, pointer);
		vmcs12_unload(v);
		if (current != NO_VMCS)
			vmcs12_load(v, current);
	}
}

/* --- from vmcs02 to v12 --- */

static void pull_field(struct vcpu *v, enum field_index i)
{
	u64 *f = &v->nested.v12->f[i];
	*f = exit_saved_value(i, *f, vmcs_read(&v->vmcs12->vmcs02, field_info[i].encoding));
}

/* Each exit keeps the field current from now on. */
static void begin_to_keep(struct vcpu *v, enum field_index i)
{
	if (changed_by_exits(i) && field_list_add(&v->learnt.read, i))
		lists_changed(v);
}

void vmcs12_saved_is_new(struct vcpu *v)
{
	plan_exits(v);
}

static void pull(struct vcpu *v, const struct field_set *fields, bool keep)
{
	struct vmcs12_state *s = v->vmcs12;
	struct vmcs *loaded = v->loaded;
	struct field_set now;

	EACH_WORD (w)
		now.w[w] = s->stale.w[w] & fields->w[w];
	field_set_remove_all(&s->stale, &now);
	vmcs_load(&v->vmcs12->vmcs02);
	FIELD_SET_EACH (i, &now) {
		pull_field(v, i);
		if (keep)
			begin_to_keep(v, i);
	}
	vmcs_load(loaded);
}

void vmcs12_pull_stale(struct vcpu *v, const struct field_set *fields)
{
	pull(v, fields, true);
}

void vmcs12_pull_all(struct vcpu *v)
{
	struct field_set all = v->vmcs12->stale;

	if (field_set_meets(&all, &all))
		pull(v, &all, false);
}

/* --- VMREAD and VMWRITE that exited --- */

static void pull_one(struct vcpu *v, enum field_index i)
{
	struct field_set one = {{0}};

	if (!field_set_has(&v->vmcs12->stale, i))
		return;
	field_set_add(&one, i);
	pull(v, &one, false);
}

/* And hardware gives it to L1. */
static void begin_to_read(struct vcpu *v, enum field_index i)
{
	struct vmcs12_state *s = v->vmcs12;
	struct learnt *l = &v->learnt;

	begin_to_keep(v, i);
	if (!l->shadowing || !field_set_has(&l->read.set, i) || field_set_has(&l->shown, i))
		return;
	field_set_add(&l->shown, i);
	becomes_unseen(s, i);
	bitmap_set(l->vmread_bitmap, i, false);
	lists_changed(v);
}

u64 vmcs12_value(struct vcpu *v, enum field_index i)
{
	pull_one(v, i);
	return v->nested.v12->f[i];
}

u64 vmcs12_read(struct vcpu *v, enum field_index i)
{
	struct learnt *l = &v->learnt;

	pull_one(v, i);
	if (field_set_has(&l->read_once, i)) {
		begin_to_read(v, i);
		vmcs12_give(v);
	}
	field_set_add(&l->read_once, i);
	return v->nested.v12->f[i];
}

/* Written again, and soon. What sets a VMCS up, before it is launched, is not learnt. */
static bool written_again(struct vcpu *v, enum field_index i)
{
	struct learnt *l = &v->learnt;
	u16 now = l->age + 1, before = l->written_at[i];

	if (v->nested.v12->launch != VMCS12_LAUNCHED)
		return false;
	l->written_at[i] = now;
	return before && now - before <= WRITES_APART;
}

/* From now on hardware takes the field from L1; one that exits change must be kept current by them. */
static void begin_to_write(struct vcpu *v, enum field_index i)
{
	struct learnt *l = &v->learnt;

	if (!l->shadowing || field_info[i].group == RO)
		return;
	begin_to_read(v, i);
	if (changed_by_exits(i) && !field_set_has(&l->read.set, i))
		return;
	if (field_list_add(&l->written, i))
		bitmap_set(l->vmwrite_bitmap, i, false);
}

static inline void set_field(struct vcpu *v, enum field_index i, u64 value)
{
	v->nested.v12->f[i] = value;
	field_set_remove(&v->vmcs12->stale, i);
	field_set_add(&v->vmcs12->dirty, i);
	v->vmcs12->far |= !field_set_has(&v->vmcs12->near, i);
}

void vmcs12_write(struct vcpu *v, enum field_index i, u64 value)
{
	set_field(v, i, value);
	vmcs12_changed(v, i);
	if (written_again(v, i))
		begin_to_write(v, i);
	vmcs12_give(v);
}

void vmcs12_changed(struct vcpu *v, enum field_index i)
{
	if (v->learnt.shadowing)
		becomes_unseen(v->vmcs12, i);
}

/* --- L1 enters, L2 exits --- */

void vmcs12_take(struct vcpu *v)
{
	struct learnt *l = &v->learnt;
	const struct field_list *list = &l->written;
	const u64 *f = v->nested.v12->f;

	if (list->count > 0) {
		vmcs_switch(&v->vmcs12->shadow);
		for (unsigned n = 0; n < list->count; n++) {
			u64 value = vcpu_read(v, (enum vmcs_field)list->row[n].encoding);
			if (value != f[list->row[n].field])
				set_field(v, (enum field_index)list->row[n].field, value);
		}
		vmcs_switch(&v->vmcs01);
	}
	if (++l->age >= LISTS_LIVE)
		begin_lists(v);
}

/* One bit of it follows L2 (R73); it is in no list, which take values as they are. */
static inline void read_entry_controls(struct vcpu *v)
{
	u64 *f = &v->nested.v12->f[FI_ENTRY_CONTROLS], now = vcpu_read(v, VMCS_ENTRY_CONTROLS);

	if (!((now ^ *f) & ENTRY_IA32E_MODE_GUEST))
		return;
	*f = exit_saved_value(FI_ENTRY_CONTROLS, *f, now);
	vmcs12_changed(v, FI_ENTRY_CONTROLS);
}

void vmcs12_exited(struct vcpu *v)
{
	struct vmcs12_state *s = v->vmcs12;
	const struct field_list *kept = &s->exit_plan.kept, *shown = &s->exit_plan.shown;
	u64 *f = v->nested.v12->f, changed = 0;

	read_entry_controls(v);
	s->stale = s->exit_plan.stale;
	for (const struct field_row *r = kept->row, *end = r + kept->count; r < end; r++)
		hw_vmread_known(r->encoding, &f[r->field]);
	for (unsigned n = 0, count = shown->count; n < count; n++) {
		u64 value = hw_vmread_value(shown->row[n].encoding);
		if (value == f[shown->row[n].field])
			continue;
		f[shown->row[n].field] = value;
		changed |= BIT(n);
	}
	s->changed = changed;
}

void vmcs12_exited_by_l0(struct vcpu *v)
{
	struct vmcs12_state *s = v->vmcs12;
	struct learnt *l = &v->learnt;

	read_entry_controls(v);
	s->stale = v->vmcs12->saved;
	field_set_remove_all(&s->stale, &l->read.set);
	for (unsigned n = 0; n < l->read.count; n++)
		if (field_set_has(&v->vmcs12->saved, (enum field_index)l->read.row[n].field))
			hw_vmread_known(l->read.row[n].encoding, &v->nested.v12->f[l->read.row[n].field]);
	field_set_add_all(&s->unseen, &l->shown);
	s->any_unseen = l->shadowing;
}

static void give_unseen(struct vcpu *v)
{
	v->vmcs12->any_unseen = false;
	for (int i; (i = field_set_take(&v->vmcs12->unseen)) != FIELD_NONE;)
		write_shadow(v, i);
}

void vmcs12_give_changed(struct vcpu *v)
{
	struct vmcs12_state *s = v->vmcs12;
	const u64 *f = v->nested.v12->f;
	u64 changed = s->changed;

	vmcs_switch(&v->vmcs12->shadow);
	for (; changed; changed &= changed - 1) {
		const struct field_row *r = &s->exit_plan.shown.row[__builtin_ctzl(changed)];
		hw_vmwrite_known(r->encoding, &f[r->field]);
	}
	s->changed = 0;
	if (s->any_unseen)
		give_unseen(v);
	vmcs_switch(&v->vmcs01);
}
