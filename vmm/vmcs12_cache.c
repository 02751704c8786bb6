/*
 * The VMCSs of L1 that are active: a processor may keep the data of each of them until VMCLEAR, and so does L0.
 * A few slots are made at once, others when they are wanted, as long as there is memory; then they have to make
 * room in turn: the data goes back to L1's memory. SDM: "Software Use of Virtual-Machine Control Structures".
 */
#include "vmm/vmcs02.h"
#include "vmm/vmcs12.h"
#include "vmx/assert.h"

/* Of the page pool no more than this part is for slots, of so many pages each. */
#define POOL_PART 2
#define SLOT_PAGES 4
#define SLOTS_AT_ONCE 8
_Static_assert(sizeof(struct vmcs12_slot) <= PAGE_SIZE, "slot, v12, vmcs02, shadow VMCS");

/* False where there is no memory for one more. */
static bool make_slot(struct vcpu *v)
{
	struct vmcs12_cache *c = &v->cache;

	if (c->count == c->limit || page_available(v->machine) < SLOT_PAGES)
		return false;
	struct vmcs12_slot *slot = page_alloc_must(v->machine);
	v->vmcs12 = &slot->state;
	vmcs12_new(v);
	vmcs02_new(v);
	slot->pointer = NO_VMCS;
	slot->next = c->unused;
	c->unused = c->slot[c->count++] = slot;
	return true;
}

void vmcs12_cache_init(struct vcpu *v)
{
	unsigned room = page_available(v->machine) / POOL_PART / SLOT_PAGES;

	v->cache.limit = room < CACHE_SLOTS ? room : CACHE_SLOTS;
	while (v->cache.count < SLOTS_AT_ONCE && make_slot(v))
		;
	ASSERT(v->cache.count == SLOTS_AT_ONCE, "no memory for %u VMCSs of L1", SLOTS_AT_ONCE);
}

static struct vmcs12_slot **bucket_of(struct vcpu *v, u64 pointer)
{
	return &v->cache.bucket[(pointer >> 12 ^ pointer >> 20) % CACHE_BUCKETS];
}

static struct vmcs12_slot *find(struct vcpu *v, u64 pointer)
{
	struct vmcs12_slot *slot = *bucket_of(v, pointer);

	while (slot && slot->pointer != pointer)
		slot = slot->next;
	return slot;
}

bool vmcs12_cache_has(struct vcpu *v, u64 pointer)
{
	return find(v, pointer);
}

static void enter_bucket(struct vcpu *v, struct vmcs12_slot *slot, u64 pointer)
{
	struct vmcs12_slot **bucket = bucket_of(v, pointer);

	slot->pointer = pointer;
	slot->next = *bucket;
	*bucket = slot;
}

static void leave_bucket(struct vcpu *v, struct vmcs12_slot *slot)
{
	struct vmcs12_slot **at = bucket_of(v, slot->pointer);

	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	slot->pointer = NO_VMCS;
	slot->next = v->cache.unused;
	v->cache.unused = slot;
}

/* Its data goes to L1's memory. None is current. */
static void evict(struct vcpu *v, struct vmcs12_slot *slot)
{
	v->vmcs12 = &slot->state;
	v->nested.v12 = slot->state.v12;
	v->nested.current = slot->pointer;
	vmcs12_write_back(v);
	v->nested.current = NO_VMCS;
	leave_bucket(v, slot);
}

static struct vmcs12_slot *unused_slot(struct vcpu *v)
{
	struct vmcs12_cache *c = &v->cache;

	if (!c->unused && !make_slot(v)) {
		evict(v, c->slot[c->victim]);
		c->victim = (c->victim + 1) % c->count;
	}
	struct vmcs12_slot *slot = c->unused;
	c->unused = slot->next;
	return slot;
}

bool vmcs12_cache_take(struct vcpu *v, u64 pointer)
{
	struct vmcs12_slot *slot = find(v, pointer);
	bool parked = slot;

	if (!parked) {
		slot = unused_slot(v);
		enter_bucket(v, slot, pointer);
	}
	v->vmcs12 = &slot->state;
	v->cache.now = slot;
	return parked;
}

void vmcs12_cache_free(struct vcpu *v)
{
	leave_bucket(v, v->cache.now);
	v->cache.now = 0;
}

void vmcs12_cache_forget(struct vcpu *v)
{
	for (unsigned i = 0; i < v->cache.count; i++)
		if (v->cache.slot[i]->pointer != NO_VMCS)
			leave_bucket(v, v->cache.slot[i]);
}
