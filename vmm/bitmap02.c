#include "vmm/bitmap02.h"

#include "nested/merge.h"
#include "vmm/l1mem.h"
#include "vmm/watch.h"
#include "vmx/msr.h"

void bitmap02_init(struct vcpu *v)
{
	u8 *pages = page_alloc_run(v->machine, BITMAP02_SLOTS);

	for (unsigned i = 0; i < BITMAP02_SLOTS; i++)
		v->bitmap02[i].merged = (u64 *)(pages + i * PAGE_SIZE);
}

void bitmap02_start(struct vcpu *v)
{
	v->vmcs12->bitmap02_now = &v->bitmap02[0];
	vcpu_write(v, VMCS_MSR_BITMAP, l0_pa(v->machine, v->bitmap02[0].merged).v);
}

/* Neighbouring pages do not meet in one slot. */
static struct bitmap02 *slot_of(struct vcpu *v, u64 page)
{
	return &v->bitmap02[(page >> 12 ^ page >> 18) % BITMAP02_SLOTS];
}

/* Hardware writes to the virtual-APIC page by itself. */
static u64 virtual_apic_page(const struct vmcs12 *v12)
{
	return v12->proc_controls & PROC_USE_TPR_SHADOW ? v12->virtual_apic_address & PAGE_MASK : ~0ul;
}

/* Where MSRs 800H to 83FH are in an MSR bitmap of 64-bit words, for reads and for writes. */
enum { X2APIC_READ = MSR_X2APIC_FIRST / 64, X2APIC_WRITE = X2APIC_READ + 2048 / 8 };

/* L1's bitmap and what L0 itself must see; the MSRs of an APIC of L2's own are not L0's. */
static void merge(const struct machine *m, struct bitmap02 *b, u64 page)
{
	const u64 *l1 = l1mem_page(m, (l1pa_t){page}), *l0 = l0_va(m, m->msr_bitmap);

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		b->merged[i] = l1 ? l1[i] | l0[i] : ~0ul;
	if (!l1)
		return;
	b->merged[X2APIC_READ] = l1[X2APIC_READ] | (l0[X2APIC_READ] & ~b->virtual_reads);
	b->merged[X2APIC_WRITE] = l1[X2APIC_WRITE] | (l0[X2APIC_WRITE] & ~b->virtual_writes);
}

/* Whether the x2APIC MSRs that are L2's own are the same as when it was merged. */
static bool same_virtual(struct bitmap02 *b, const struct vmcs12 *v12)
{
	bool on = v12_proc2(v12, PROC2_VIRTUALIZE_X2APIC_MODE);
	u64 reads = on ? merge_x2apic_virtual(v12, false) : 0;
	u64 writes = on ? merge_x2apic_virtual(v12, true) : 0;
	bool same = reads == b->virtual_reads && writes == b->virtual_writes;

	b->virtual_reads = reads;
	b->virtual_writes = writes;
	return same;
}

void bitmap02_update(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	u64 page = v12->msr_bitmap, apic = virtual_apic_page(v12);

	struct bitmap02 *b = slot_of(v, page);
	bool worth = watch_worth(&b->watch), same = same_virtual(b, v12);
	watch_written(v->machine, (l1pa_t){apic}, 1);
	if (!b->watch.on || b->watch.page != page) {
		watch_stop(v->machine, &b->watch);
		if (worth && page != apic)
			watch_start(v, &b->watch, (l1pa_t){page});
		same = false;
	}
	if (!same)
		merge(v->machine, b, page);
	if (b != v->vmcs12->bitmap02_now)
		vcpu_write(v, VMCS_MSR_BITMAP, l0_pa(v->machine, b->merged).v);
	v->vmcs12->bitmap02_now = b;
}
