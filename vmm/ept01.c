#include "vmm/ept01.h"

#include "vmm/lib.h"
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

static bool overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* Pages that are not what lies at their address. */
static bool touches_special(const struct machine *m, u64 base, u64 size)
{
	return overlap(base, size, m->l0_base, m->l0_size) ||
	       (m->bios.page && overlap(base, size, m->bios.page, PAGE_SIZE)) ||
	       (m->apic_hole && overlap(base, size, m->apic_hole - 1, PAGE_SIZE));
}

static bool in_apic(const struct machine *m, l1pa_t address)
{
	return m->apic_hole && (address.v & PAGE_MASK) == m->apic_hole - 1;
}

bool ept01_is_apic(const struct machine *m, l1pa_t address)
{
	return in_apic(m, address) && !m->apic_shown;
}

bool ept01_read_only(const struct machine *m, l1pa_t address)
{
	return touches_special(m, address.v & PAGE_MASK, PAGE_SIZE) && !in_apic(m, address);
}

static bool level_supported(const struct machine *m, unsigned level)
{
	return level == 0 || (level == 1 && (m->hw.ept_vpid & EPT_CAP_2M)) ||
	       (level == 2 && (m->hw.ept_vpid & EPT_CAP_1G));
}

static struct ept_leaf untyped_page(const struct machine *m, u64 page)
{
	if (in_apic(m, (l1pa_t){page}))
		return (struct ept_leaf){m->apic_shown ? m->ept01.sink.v | EPT_RWX : 0, 0};
	if (m->bios.page && page == m->bios.page)
		return (struct ept_leaf){m->bios.shown.v | EPT_R | EPT_X, 0};
	if (l0_owns(m, page))
		return (struct ept_leaf){m->ept01.ones.v | EPT_R | EPT_X, 0};
	return (struct ept_leaf){page | EPT_RWX, 0};
}

struct ept_leaf ept01_untyped(const struct machine *m, l1pa_t address, unsigned max)
{
	for (unsigned level = max; level > 0; level--) {
		u64 size = EPT_SIZE(level), base = address.v & ~(size - 1);
		if (level_supported(m, level) && !touches_special(m, base, size))
			return (struct ept_leaf){base | EPT_LARGE | EPT_RWX, level};
	}
	return untyped_page(m, address.v & PAGE_MASK);
}

struct ept_leaf ept01_leaf(const struct machine *m, l1pa_t address, unsigned max)
{
	for (unsigned level = max;; level--) {
		struct ept_leaf leaf = ept01_untyped(m, address, level);
		u64 size = EPT_SIZE(leaf.level), base = address.v & ~(size - 1);
		bool special = leaf.level == 0 && touches_special(m, base, size);
		int type = special ? MT_WB : mtrr_type(&m->mtrr, base, size);
		level = leaf.level;
		if (type < 0 && level == 0)
			type = MT_UC;
		leaf.entry |= (u64)type << EPT_MT_SHIFT;
		if (type >= 0)
			return leaf;
	}
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
	ept_invalidate(m, m->ept01.eptp);
}

void ept01_fill(struct machine *m, l1pa_t address)
{
	struct ept_leaf leaf = ept01_leaf(m, address, 2);
	unsigned at;
	u64 *entry = ept_entry(m, m->ept01.root, address.v, leaf.level, &at);

	if (!entry) {
		ept01_drop(m);
		entry = ept_entry(m, m->ept01.root, address.v, leaf.level, &at);
		ASSERT(entry, "no page for EPT01");
	}
	/* Tables below may be there from a split: then only a smaller leaf will do. */
	while (at > 0 && (*entry & EPT_RWX) && !(*entry & EPT_LARGE)) {
		leaf = ept01_leaf(m, address, at - 1);
		entry = ept_entry(m, m->ept01.root, address.v, leaf.level, &at);
		ASSERT(entry, "no page for EPT01 at %#lx", address.v);
	}
	*entry = leaf.entry;
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
