#include "nested/ept12.h"

#include "vmx/x86.h"

/* What four levels translate: nothing maps an address beyond it. */
#define EPT_BITS 48

/* Memory types, and combinations of R, W and X, as numbers of bits. */
#define RESERVED_TYPES (BIT(2) | BIT(3) | BIT(7))
#define WRITE_WITHOUT_READ (BIT(EPT_W) | BIT(EPT_W | EPT_X))
#define EXECUTE_ONLY BIT(EPT_X)

static bool is_leaf(u64 entry, unsigned level)
{
	return level == 0 || ((level == 1 || level == 2) && (entry & EPT_LARGE));
}

u64 ept12_reserved_address(const struct caps *caps)
{
	return caps->maxphyaddr < 52 ? BITS(51, caps->maxphyaddr) : 0;
}

static bool leaf_misconfigured(const struct caps *caps, u64 entry, unsigned level)
{
	if (RESERVED_TYPES >> ((entry & EPT_MT) >> EPT_MT_SHIFT) & 1)
		return true;
	if (level == 0)
		return false;
	return (entry & BITS(11 + 9 * level, 12)) ||
	       !(caps->ept_vpid & (level == 2 ? EPT_CAP_1G : EPT_CAP_2M));
}

/* SDM: "EPT Misconfigurations". An entry that is present. */
static bool misconfigured(const struct caps *caps, u64 entry, unsigned level, u64 reserved)
{
	u64 illegal = WRITE_WITHOUT_READ | (caps->ept_vpid & EPT_CAP_EXECUTE_ONLY ? 0 : EXECUTE_ONLY);

	if ((illegal >> (entry & EPT_RWX) & 1) || (entry & reserved))
		return true;
	if (is_leaf(entry, level))
		return leaf_misconfigured(caps, entry, level);
	return entry & (level == 3 ? BITS(7, 3) : BITS(6, 3));
}

static u64 read_entry(const struct ept12_memory *m, u64 table, unsigned index)
{
	const volatile u64 *entries = m->table(m->context, (l1pa_t){table});
	return entries ? entries[index] : ~0ul;
}

/* The entries that a walk met, from level 3 down to the leaf's. */
struct path {
	u64 table[4], entry[4];
};

/* SDM: "Accessed and Dirty Flags for EPT". */
static void set_flags(const struct ept12_memory *m, struct path *p, unsigned level, unsigned index,
		      u64 flags)
{
	if ((p->entry[level] & flags) == flags)
		return;
	p->entry[level] |= flags;
	m->write(m->context, (l1pa_t){p->table[level] + 8ul * index}, p->entry[level]);
}

static void mark_used(const struct ept12_memory *m, struct path *p, u64 address, unsigned leaf,
		      u64 access)
{
	for (unsigned level = 3; level > leaf; level--)
		set_flags(m, p, level, EPT_INDEX(address, level), EPT_A);
	set_flags(m, p, leaf, EPT_INDEX(address, leaf), access & EPT_W ? EPT_A | EPT_D : EPT_A);
}

/* Down to the leaf: r->level, r->rights, and p are filled as far as the walk comes. */
static enum ept12_kind find_leaf(const struct ept12_memory *m, const struct caps *caps, u64 address,
				 struct path *p, struct ept12_result *r)
{
	u64 reserved = ept12_reserved_address(caps), rights = EPT_RWX;

	for (unsigned level = 3;; level--) {
		u64 entry = read_entry(m, p->table[level], EPT_INDEX(address, level));
		r->level = level;
		p->entry[level] = entry;
		if (!(entry & EPT_RWX)) {
			r->rights = 0;
			return EPT12_VIOLATION;
		}
		if (misconfigured(caps, entry, level, reserved))
			return EPT12_MISCONFIGURATION;
		r->rights = rights &= entry;
		if (is_leaf(entry, level))
			return EPT12_MAPPED;
		p->table[level - 1] = entry & EPT_ADDRESS;
	}
}

struct ept12_result ept12_walk(const struct ept12_memory *m, const struct caps *caps, u64 eptp,
			       l2pa_t address, u64 access)
{
	struct ept12_result r = {.kind = EPT12_VIOLATION};
	struct path p;

	if (address.v >> EPT_BITS)
		return r;
	p.table[3] = eptp & EPTP_ADDRESS;
	r.kind = find_leaf(m, caps, address.v, &p, &r);
	if (r.kind != EPT12_MAPPED)
		return r;
	if (access & ~r.rights) {
		r.kind = EPT12_VIOLATION;
		return r;
	}
	if (eptp & EPTP_AD)
		mark_used(m, &p, address.v, r.level, access);
	u64 leaf = p.entry[r.level], offset = EPT_SIZE(r.level) - 1;
	r.leaf = leaf;
	r.table.v = p.table[r.level];
	r.address.v = (leaf & EPT_ADDRESS & ~offset) | (address.v & offset);
	r.attributes = leaf & (EPT_MT | EPT_IPAT);
	r.dirty = !(eptp & EPTP_AD) || (leaf & EPT_D);
	return r;
}
