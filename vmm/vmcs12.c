#include "vmm/vmcs12.h"

#include "nested/exit.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"

/* After so many entries the lists are begun anew, so that what L1 did once does not cost for ever. */
#define LISTS_LIVE 1024
/* A field that L1 writes again within so many entries is one that it writes all the time. */
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

static void begin_lists(struct vcpu *v)
{
	struct vmcs12_state *s = &v->vmcs12;

	field_list_clear(&s->read);
	field_list_clear(&s->written);
	memset(&s->read_once, 0, sizeof(s->read_once));
	s->shown = s->changed = s->places_saved = s->places_of_information = 0;
	memset(s->written_at, 0, sizeof(s->written_at));
	s->age = 0;
	if (!s->shadowing)
		return;
	memset(s->vmread_bitmap, 0xff, PAGE_SIZE);
	memset(s->vmwrite_bitmap, 0xff, PAGE_SIZE);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (exists_for_l1(v, i) && !changed_by_exits(i))
			bitmap_set(s->vmread_bitmap, i, false);
}

void vmcs12_init(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct vmcs12_state *s = &v->vmcs12;

	v->nested.current = NO_VMCS;
	v->nested.v12 = page_alloc_must(m);
	s->shadowing = caps_has(&m->hw, CI_PROC2_VMCS_SHADOWING) && (m->hw.misc & VMX_MISC_VMWRITE_ANY);
	if (s->shadowing) {
		void *region = page_alloc_must(m);
		s->vmread_bitmap = page_alloc_must(m);
		s->vmwrite_bitmap = page_alloc_must(m);
		vmcs_init(&v->shadow, "the shadow VMCS", &v->loaded, l0_pa(m, region), region,
			  m->hw.revision | VMCS12_SHADOW);
	}
	begin_lists(v);
}

/* Hardware uses the shadow VMCS only while one of L1's is current: else VMREAD and VMWRITE exit. */
static void use_shadow(struct vcpu *v, bool on)
{
	u64 proc2;

	if (!v->vmcs12.shadowing)
		return;
	proc2 = vcpu_read(v, VMCS_PROC2_CONTROLS);
	vcpu_write(v, VMCS_PROC2_CONTROLS,
		   on ? proc2 | PROC2_VMCS_SHADOWING : proc2 & ~(u64)PROC2_VMCS_SHADOWING);
	vcpu_write(v, VMCS_VMCS_LINK_POINTER, on ? v->shadow.region.v : NO_VMCS);
}

static void write_shadow(struct vcpu *v, enum field_index i)
{
	vmcs_write(&v->shadow, field_info[i].encoding, v->nested.v12->f[i]);
}

/* Fields wider than their width can only come from a region that L1 wrote itself. */
static void read_region(struct vcpu *v, u64 pointer)
{
	struct vmcs12 *v12 = v->nested.v12;

	l1mem_read(v->machine, (l1pa_t){pointer}, v12, sizeof(*v12));
	for (unsigned i = 0; i < FI_COUNT; i++)
		v12->f[i] &= field_value_mask((enum field_width)field_info[i].width);
}

void vmcs12_load(struct vcpu *v, u64 pointer)
{
	struct vmcs12_state *s = &v->vmcs12;

	read_region(v, pointer);
	v->nested.current = pointer;
	memset(&s->stale, 0, sizeof(s->stale));
	memset(&s->dirty, 0, sizeof(s->dirty));
	memset(&s->unseen, 0, sizeof(s->unseen));
	s->changed = 0;
	s->in_vmcs02 = false;
	if (!s->shadowing)
		return;
	vmcs_load(&v->shadow);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (exists_for_l1(v, i))
			write_shadow(v, i);
	vmcs_load(&v->vmcs01);
	use_shadow(v, true);
}

void vmcs12_unload(struct vcpu *v)
{
	struct nested *n = &v->nested;

	if (n->current == NO_VMCS)
		return;
	vmcs12_take(v);
	vmcs12_pull_all(v);
	l1mem_write(v->machine, (l1pa_t){n->current}, n->v12, sizeof(*n->v12));
	n->current = NO_VMCS;
	v->vmcs12.in_vmcs02 = false;
	use_shadow(v, false);
}

/* --- from vmcs02 to v12 --- */

static void pull_field(struct vcpu *v, enum field_index i)
{
	u64 *f = &v->nested.v12->f[i];
	*f = exit_saved_value(i, *f, vmcs_read(&v->vmcs02, field_info[i].encoding));
}

/* Each exit keeps the field current from now on. */
static void begin_to_keep(struct vcpu *v, enum field_index i)
{
	struct vmcs12_state *s = &v->vmcs12;

	if (!changed_by_exits(i) || !field_list_add(&s->read, i))
		return;
	if (field_set_has(&v->saved, i))
		s->places_saved |= BIT(s->read.count - 1);
	if (field_set_has(&v->information, i))
		s->places_of_information |= BIT(s->read.count - 1);
}

void vmcs12_saved_is_new(struct vcpu *v)
{
	struct vmcs12_state *s = &v->vmcs12;

	s->places_saved = 0;
	for (unsigned n = 0; n < s->read.count; n++)
		if (field_set_has(&v->saved, s->read.row[n].field))
			s->places_saved |= BIT(n);
}

static void pull(struct vcpu *v, const struct field_set *fields, bool keep)
{
	struct vmcs12_state *s = &v->vmcs12;
	struct vmcs *loaded = v->loaded;
	struct field_set now;
	u64 any = 0;

	EACH_WORD (w)
		any |= now.w[w] = s->stale.w[w] & fields->w[w];
	if (!any)
		return;
	field_set_remove_all(&s->stale, &now);
	vmcs_load(&v->vmcs02);
	FIELD_SET_EACH (i, &now) {
		pull_field(v, i);
		if (keep)
			begin_to_keep(v, i);
	}
	vmcs_load(loaded);
}

void vmcs12_pull(struct vcpu *v, const struct field_set *fields)
{
	pull(v, fields, true);
}

void vmcs12_pull_all(struct vcpu *v)
{
	struct field_set all = v->vmcs12.stale;
	pull(v, &all, false);
}

/* --- VMREAD and VMWRITE that exited --- */

static void pull_one(struct vcpu *v, enum field_index i)
{
	struct field_set one = {{0}};

	if (!field_set_has(&v->vmcs12.stale, i))
		return;
	field_set_add(&one, i);
	pull(v, &one, false);
}

/* And hardware gives it to L1. */
static void begin_to_read(struct vcpu *v, enum field_index i)
{
	struct vmcs12_state *s = &v->vmcs12;

	begin_to_keep(v, i);
	if (!s->shadowing || !field_set_has(&s->read.set, i))
		return;
	for (unsigned n = 0; n < s->read.count; n++)
		s->shown |= s->read.row[n].field == i ? BIT(n) : 0;
	bitmap_set(s->vmread_bitmap, i, false);
	field_set_add(&s->unseen, i);
}

u64 vmcs12_read(struct vcpu *v, enum field_index i)
{
	struct vmcs12_state *s = &v->vmcs12;

	pull_one(v, i);
	if (field_set_has(&s->read_once, i)) {
		begin_to_read(v, i);
		vmcs12_give(v);
	}
	field_set_add(&s->read_once, i);
	return v->nested.v12->f[i];
}

/* Written again, and soon: what sets a VMCS up is not learnt. */
static bool written_again(struct vcpu *v, enum field_index i)
{
	u16 now = v->vmcs12.age + 1, before = v->vmcs12.written_at[i];

	v->vmcs12.written_at[i] = now;
	return before && now - before <= WRITES_APART;
}

/* From now on hardware takes the field from L1; one that exits change must be kept current by them. */
static void begin_to_write(struct vcpu *v, enum field_index i)
{
	struct vmcs12_state *s = &v->vmcs12;

	if (!s->shadowing || field_info[i].group == RO)
		return;
	begin_to_read(v, i);
	if (changed_by_exits(i) && !field_set_has(&s->read.set, i))
		return;
	if (field_list_add(&s->written, i))
		bitmap_set(s->vmwrite_bitmap, i, false);
}

static void set_field(struct vcpu *v, enum field_index i, u64 value)
{
	v->nested.v12->f[i] = value;
	field_set_remove(&v->vmcs12.stale, i);
	field_set_add(&v->vmcs12.dirty, i);
	v->vmcs12.far |= !field_set_has(&v->vmcs12.near, i);
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
	if (v->vmcs12.shadowing)
		field_set_add(&v->vmcs12.unseen, i);
}

/* --- L1 enters, L2 exits --- */

void vmcs12_take(struct vcpu *v)
{
	struct vmcs12_state *s = &v->vmcs12;
	const u64 *f = v->nested.v12->f;

	if (s->written.count > 0) {
		vmcs_load(&v->shadow);
		for (unsigned n = 0; n < s->written.count; n++) {
			u64 value = vmcs_read(&v->shadow, s->written.row[n].encoding);
			if (value != f[s->written.row[n].field])
				set_field(v, s->written.row[n].field, value);
		}
		vmcs_load(&v->vmcs01);
	}
	if (++s->age >= LISTS_LIVE)
		begin_lists(v);
}

/* All rows of the list from vmcs02: bit n says whether row n has changed. Requires vmcs02 loaded. */
static u64 read_rows(struct vcpu *v)
{
	const struct field_list *list = &v->vmcs12.read;
	u64 *f = v->nested.v12->f, changed = 0;

	for (unsigned n = 0; n < list->count; n++) {
		u64 value, *field = &f[list->row[n].field];
		if (hw_vmread(list->row[n].encoding, &value) != VMX_SUCCEED)
			vmcs_refused(&v->vmcs02, list->row[n].encoding);
		changed |= (u64)(value != *field) << n;
		*field = value;
	}
	return changed;
}

/* Those alone that the exit has written; L0 may have written the others. */
static u64 read_some_rows(struct vcpu *v, u64 places)
{
	const struct field_list *list = &v->vmcs12.read;
	u64 *f = v->nested.v12->f;

	for (u64 left = places; left; left &= left - 1) {
		unsigned n = (unsigned)__builtin_ctzl(left);
		f[list->row[n].field] = vmcs_read(&v->vmcs02, list->row[n].encoding);
	}
	return ~0ul;
}

/* One bit of it follows L2 (R73); it is not in the list, which takes values as they are. */
static void read_entry_controls(struct vcpu *v)
{
	u64 *f = &v->nested.v12->f[FI_ENTRY_CONTROLS], old = *f;

	*f = exit_saved_value(FI_ENTRY_CONTROLS, old, vmcs_read(&v->vmcs02, VMCS_ENTRY_CONTROLS));
	if (*f != old)
		vmcs12_changed(v, FI_ENTRY_CONTROLS);
}

void vmcs12_exited(struct vcpu *v, bool information)
{
	struct vmcs12_state *s = &v->vmcs12;
	u64 places = s->places_saved | (information ? s->places_of_information : 0);
	bool all = places == BIT(s->read.count) - 1;

	EACH_WORD (w)
		s->stale.w[w] = (v->saved.w[w] | (information ? v->information.w[w] : 0)) &
				~s->read.set.w[w];
	read_entry_controls(v);
	s->changed = (all ? read_rows(v) : read_some_rows(v, places)) & s->shown;
}

static void give_unseen(struct vcpu *v)
{
	for (int i; (i = field_set_take(&v->vmcs12.unseen)) != FIELD_NONE;)
		write_shadow(v, i);
}

void vmcs12_give(struct vcpu *v)
{
	struct vmcs12_state *s = &v->vmcs12;
	const u64 *f = v->nested.v12->f;
	u64 any = s->changed;

	EACH_WORD (w)
		any |= s->unseen.w[w];
	if (any) {
		vmcs_load(&v->shadow);
		for (; s->changed; s->changed &= s->changed - 1) {
			unsigned n = (unsigned)__builtin_ctzl(s->changed);
			vmcs_write(&v->shadow, s->read.row[n].encoding, f[s->read.row[n].field]);
		}
		give_unseen(v);
	}
	vmcs_load(&v->vmcs01);
}
