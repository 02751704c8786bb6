#include "vmm/ept02.h"

#include "vmm/ept01.h"
#include "vmm/l1mem.h"
#include "vmm/step.h"
#include "vmx/assert.h"

static u64 read_entry(const void *context, l1pa_t address)
{
	return l1mem_read64(context, address);
}

static void write_entry(const void *context, l1pa_t address, u64 value)
{
	l1mem_write(context, address, &value, sizeof(value));
}

/* Translations are tagged with the pointer's address bits alone. */
static bool same_tables(u64 a, u64 b)
{
	return ((a ^ b) & EPTP_ADDRESS) == 0;
}

static void drop_slot(struct vcpu *v, unsigned i)
{
	struct machine *m = v->machine;
	if (v->ept02.slot[i].root)
		ept_free_below(m, v->ept02.slot[i].root, 3);
}

void ept02_drop(struct vcpu *v, u64 eptp12)
{
	for (unsigned i = 0; i < EPT02_SLOTS; i++)
		if (v->ept02.slot[i].root && same_tables(v->ept02.slot[i].eptp12, eptp12))
			drop_slot(v, i);
	hw_invept(INVEPT_GLOBAL, 0);
}

void ept02_drop_all(struct vcpu *v)
{
	step_forget(v);
	for (unsigned i = 0; i < EPT02_SLOTS; i++)
		drop_slot(v, i);
	hw_invept(INVEPT_GLOBAL, 0);
}

/* The slot of this EPT12 pointer, taken from the one that was used longest ago if need be. */
static unsigned find_slot(struct vcpu *v, u64 eptp12)
{
	struct ept02 *e = &v->ept02;
	unsigned oldest = 0;

	e->clock++;
	for (unsigned i = 0; i < EPT02_SLOTS; i++) {
		if (e->slot[i].root && e->slot[i].eptp12 == eptp12) {
			e->slot[i].used = e->clock;
			return i;
		}
		if (e->slot[i].used < e->slot[oldest].used)
			oldest = i;
	}
	if (!e->slot[oldest].root)
		e->slot[oldest].root = page_alloc_must(v->machine);
	drop_slot(v, oldest);
	hw_invept(INVEPT_GLOBAL, 0);
	e->slot[oldest].eptp12 = eptp12;
	e->slot[oldest].used = e->clock;
	return oldest;
}

u64 ept02_pointer(struct vcpu *v, u64 eptp12)
{
	u64 *root = v->ept02.slot[find_slot(v, eptp12)].root;
	return l0_pa(v->machine, root).v | EPTP_WALK_4 | MT_WB | (eptp12 & EPTP_AD);
}

/* Room for a leaf at this level: what is there in another shape goes. */
static u64 *make_room(struct vcpu *v, u64 *root, u64 address, unsigned level)
{
	struct machine *m = v->machine;

	for (;;) {
		unsigned at;
		u64 *entry = ept_entry(m, root, address, level, &at);
		if (!entry)
			return 0;
		if (at > level) {
			*entry = 0;
			hw_invept(INVEPT_GLOBAL, 0);
			continue;
		}
		if (level > 0 && (*entry & EPT_RWX) && !(*entry & EPT_LARGE)) {
			u64 *below = l0_va(m, (hpa_t){*entry & EPT_ADDRESS});
			ept_free_below(m, below, level - 1);
			page_free(m, below);
			*entry = 0;
			hw_invept(INVEPT_GLOBAL, 0);
		}
		return entry;
	}
}

/* EPT12's leaf over EPT01's: the smaller page, the rights that both give, EPT12's memory type. */
static u64 *install(struct vcpu *v, u64 *root, l2pa_t address, const struct ept12_result *r)
{
	struct ept_leaf below = ept01_leaf(v->machine, r->address, r->level);
	u64 rights = r->rights & below.entry & EPT_RWX;
	u64 *entry = make_room(v, root, address.v, below.level);

	if (!entry) {
		ept02_drop_all(v);
		entry = make_room(v, root, address.v, below.level);
		ASSERT(entry, "no page for EPT02");
	}
	if (!r->dirty)
		rights &= ~EPT_W;
	*entry = (below.entry & (EPT_ADDRESS | EPT_LARGE)) | rights | r->attributes;
	return entry;
}

struct ept12_result ept02_violation(struct vcpu *v, u64 eptp12)
{
	struct ept12_memory memory = {v->machine, read_entry, write_entry};
	u64 access = v->exit.qualification & (EPTV_READ | EPTV_WRITE | EPTV_FETCH);
	l2pa_t address = {v->exit.gpa};
	struct ept12_result r = ept12_walk(&memory, &v->machine->l1, eptp12, address, access);

	if (r.kind != EPT12_MAPPED || ept01_is_apic(v->machine, r.address))
		return r;
	u64 *leaf = install(v, v->ept02.slot[find_slot(v, eptp12)].root, address, &r);
	if ((access & EPT_W) && ept01_read_only(v->machine, r.address))
		step_write(v, leaf);
	return r;
}

bool ept02_translate(const struct vcpu *v, u64 address, l1pa_t *at)
{
	struct ept12_memory memory = {v->machine, read_entry, write_entry};
	const struct vmcs12 *v12 = v->nested.v12;

	*at = (l1pa_t){address};
	if (!v->nested.in_l2 || !v12_proc2(v12, PROC2_ENABLE_EPT))
		return true;
	struct ept12_result r =
		ept12_walk(&memory, &v->machine->l1, v12->ept_pointer, (l2pa_t){address}, EPT_R);
	*at = r.address;
	return r.kind == EPT12_MAPPED;
}
