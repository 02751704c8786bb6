#include "vmm/ept01.h"

#include "vmm/lib.h"
#include "vmm/watch.h"
#include "vmx/assert.h"
#include "vmx/ept_entry.h"
#include "vmx/insn.h"
#include "vmx/x86.h"

void ept01_init(struct machine *m)
{
	void *ones = page_alloc_must(m), *sink = page_alloc_must(m);
	memset(ones, 0xff, PAGE_SIZE);
	memset(sink, 0xff, PAGE_SIZE);
	m->ept01.ones = l0_pa(m, ones);
	m->ept01.sink = l0_pa(m, sink);
	m->ept01.root = page_alloc_must(m);
	m->ept01.eptp = l0_pa(m, m->ept01.root).v | EPTP_WALK_4 | MT_WB;
}

static struct ept_extent find_around(const struct machine *m, u64 address)
{
	struct ept_extent e = EPT_EVERYTHING;
	u64 apic = m->apic_shown ? m->ept01.sink.v | EPT_RWX : 0;

	ept_extent_bound(&e, address, m->apic_hole - 1, m->apic_hole ? PAGE_SIZE : 0, apic);
	ept_extent_bound(&e, address, m->l0_base, m->l0_size, m->ept01.ones.v | EPT_R | EPT_X);
	ept_extent_bound(&e, address, m->bios.page, m->bios.page ? PAGE_SIZE : 0,
			 m->bios.shown.v | EPT_R | EPT_X);
	for (const struct watch *w = m->watched.first; w; w = w->next)
		ept_extent_bound(&e, address, w->page, w->on ? PAGE_SIZE : 0, w->page | EPT_R | EPT_X);
	return e;
}

struct ept_extent ept01_around(struct machine *m, l1pa_t address)
{
	if (address.v - m->ept01.extent.base >= m->ept01.extent.size)
		m->ept01.extent = find_around(m, address.v);
	return m->ept01.extent;
}

bool ept01_read_only(struct machine *m, l1pa_t address)
{
	struct ept_extent e = ept01_around(m, address);
	return (e.special & (EPT_R | EPT_W)) == EPT_R && !watch_find(m, address.v);
}

bool ept01_is_apic(const struct machine *m, l1pa_t address)
{
	return (address.v & PAGE_MASK) == m->apic_hole - 1 && !m->apic_shown;
}

u64 ept01_page_sizes(const struct machine *m)
{
	return BIT(0) | (m->hw.ept_vpid & EPT_CAP_2M ? BIT(1) : 0) |
	       (m->hw.ept_vpid & EPT_CAP_1G ? BIT(2) : 0);
}

/* One page. What is not L1's own memory is L0's, and that is write-back. */
static struct ept_leaf page_leaf(const struct machine *m, u64 page, u64 entry)
{
	int type = (entry & EPT_ADDRESS) == page ? mtrr_type(&m->mtrr, page, PAGE_SIZE) : MT_WB;

	if (!(entry & EPT_RWX))
		return (struct ept_leaf){0, 0};
	return (struct ept_leaf){entry | (u64)(type < 0 ? MT_UC : type) << EPT_MT_SHIFT, 0};
}

struct ept_leaf ept01_leaf(const struct machine *m, l1pa_t address, unsigned max)
{
	struct ept_extent e = find_around(m, address.v);

	u64 page = address.v & PAGE_MASK;

	for (unsigned level = e.special ? 0 : max; level > 0; level--) {
		u64 size = EPT_SIZE(level), base = address.v & ~(size - 1);
		int type = mtrr_type(&m->mtrr, base, size);
		if ((ept01_page_sizes(m) >> level & 1) && type >= 0 && ept_covers(&e, base, size))
			return (struct ept_leaf){base | EPT_LARGE | EPT_RWX | (u64)type << EPT_MT_SHIFT,
						 level};
	}
	return page_leaf(m, page, e.special ? e.special & ~EPT_SPECIAL : page | EPT_RWX);
}

void ept_invalidate(const struct machine *m, u64 eptp)
{
	if (m->hw.ept_vpid & EPT_CAP_INVEPT_SINGLE)
		hw_invept(INVEPT_SINGLE, eptp);
	else
		hw_invept(INVEPT_GLOBAL, 0);
}

u64 *ept_entry(struct machine *m, u64 *root, u64 address, unsigned level, unsigned *at)
{
	u64 *table = root;
	for (unsigned l = 3;; l--) {
		u64 *entry = &table[EPT_INDEX(address, l)];
		*at = l;
		if (l == level || (*entry & EPT_LARGE))
			return entry;
		if (!(*entry & EPT_RWX)) {
			void *page = page_alloc(m);
			if (!page)
				return 0;
			*entry = l0_pa(m, page).v | EPT_RWX;
		}
		table = l0_va(m, (hpa_t){*entry & EPT_ADDRESS});
	}
}

void ept_free_below(struct machine *m, u64 *table, unsigned level)
{
	for (unsigned i = 0; i < 512; i++) {
		if (level > 0 && (table[i] & EPT_RWX) && !(table[i] & EPT_LARGE)) {
			u64 *below = l0_va(m, (hpa_t){table[i] & EPT_ADDRESS});
			ept_free_below(m, below, level - 1);
			page_free(m, below);
		}
		table[i] = 0;
	}
}

void ept01_drop(struct machine *m)
{
	ASSERT(m->ept01.root, "EPT01 is not there yet");
	ept_free_below(m, m->ept01.root, 3);
	m->ept01.extent.size = 0;
	ept_invalidate(m, m->ept01.eptp);
}

/* One large leaf becomes 512 of the next size. */
static bool split(struct machine *m, u64 *entry, unsigned level)
{
	u64 *table = page_alloc(m);
	u64 attributes = *entry & (EPT_RWX | EPT_MT | EPT_IPAT);
	u64 base = *entry & EPT_ADDRESS & ~(EPT_SIZE(level) - 1);
	if (!table)
		return false;
	for (unsigned i = 0; i < 512; i++)
		table[i] = (base + i * EPT_SIZE(level - 1)) | attributes | (level > 1 ? EPT_LARGE : 0);
	*entry = l0_pa(m, table).v | EPT_RWX;
	ept_invalidate(m, m->ept01.eptp);
	return true;
}

u64 *ept01_split(struct machine *m, l1pa_t address)
{
	for (;;) {
		unsigned at;
		u64 *entry = ept_entry(m, m->ept01.root, address.v, 0, &at);
		if (!entry)
			return 0;
		if (at > 0) {
			if (!split(m, entry, at))
				return 0;
			continue;
		}
		if (!(*entry & EPT_RWX))
			*entry = ept01_leaf(m, address, 0).entry;
		return entry;
	}
}

/* Tables may be there from a split: then only a smaller leaf will do; or a larger one is in the way. */
bool ept01_fill(struct machine *m, l1pa_t address)
{
	for (unsigned at = 2;; at--) {
		struct ept_leaf leaf = ept01_leaf(m, address, at);
		u64 *entry = ept_entry(m, m->ept01.root, address.v, leaf.level, &at);
		if (entry && at > leaf.level) {
			entry = ept01_split(m, address);
			leaf = ept01_leaf(m, address, 0);
			at = 0;
		}
		if (!entry)
			return false;
		if (at == 0 || !(*entry & EPT_RWX) || (*entry & EPT_LARGE)) {
			*entry = leaf.entry;
			return true;
		}
	}
}
