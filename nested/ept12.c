#include "nested/ept12.h"

#include "vmx/x86.h"

/* What four levels translate: nothing maps an address beyond it. */
#define EPT_BITS 48

/* Memory types, and combinations of R, W and X, as numbers of bits. */
#define RESERVED_TYPES (BIT(2) | BIT(3) | BIT(7))
#define WRITE_WITHOUT_READ (BIT(EPT_W) | BIT(EPT_W | EPT_X))
#define EXECUTE_ONLY BIT(EPT_X)

void ept12_rules_init(struct ept12_rules *rules, const struct caps *caps)
{
	u64 wide = caps->maxphyaddr < 52 ? BITS(51, caps->maxphyaddr) : 0;

	*rules = (struct ept12_rules){
		.table = {0, wide | BITS(6, 3), wide | BITS(6, 3), wide | BITS(7, 3)},
		.leaf = {wide, wide | BITS(20, 12), wide | BITS(29, 12), 0},
		.rights = WRITE_WITHOUT_READ,
		.address_reserved = wide,
	};
	if (!(caps->ept_vpid & EPT_CAP_EXECUTE_ONLY))
		rules->rights |= EXECUTE_ONLY;
	if (!(caps->ept_vpid & EPT_CAP_2M))
		rules->leaf[1] |= EPT_LARGE;
	if (!(caps->ept_vpid & EPT_CAP_1G))
		rules->leaf[2] |= EPT_LARGE;
}

static bool is_leaf(u64 entry, unsigned level)
{
	return level == 0 || ((entry & EPT_LARGE) && level < 3);
}

static bool misconfigured(const struct ept12_rules *rules, u64 entry, unsigned level, bool leaf)
{
	if (rules->rights >> (entry & EPT_RWX) & 1)
		return true;
	if (!leaf)
		return entry & rules->table[level];
	return (entry & rules->leaf[level]) || (RESERVED_TYPES >> (entry >> EPT_MT_SHIFT & 7) & 1);
}

/* The entries that a walk met, and where, from level 3 down to the leaf's. */
struct path {
	u64 at[4], entry[4];
};

/* SDM: "Accessed and Dirty Flags for EPT". */
static void mark_used(const struct ept12_memory *m, struct path *p, unsigned leaf, u64 access)
{
	for (unsigned level = 3;; level--) {
		u64 flags = level == leaf && (access & EPT_W) ? EPT_A | EPT_D : EPT_A;
		if (flags & ~p->entry[level]) {
			p->entry[level] |= flags;
			m->write(m->context, (l1pa_t){p->at[level]}, p->entry[level]);
		}
		if (level == leaf)
			return;
	}
}

/* Down to the leaf: r->level, r->rights and p are filled as far as the walk comes. */
static enum ept12_kind find_leaf(const struct ept12_memory *m, const struct ept12_rules *rules, u64 table,
				 u64 address, struct path *p, struct ept12_result *r)
{
	u64 rights = EPT_RWX;
	unsigned shift = 12 + 9 * 3;

	for (unsigned level = 3;; level--, shift -= 9) {
		const volatile u64 *entries = ept12_table(m, table);
		u64 index = address >> shift & 511, entry = entries ? entries[index] : ~0ul;
		bool leaf = is_leaf(entry, level);
		p->at[level] = table + 8 * index;
		p->entry[level] = entry;
		if (!(entry & EPT_RWX)) {
			r->rights = 0;
			return EPT12_VIOLATION;
		}
		if (misconfigured(rules, entry, level, leaf))
			return EPT12_MISCONFIGURATION;
		rights &= entry;
		if (leaf) {
			r->level = level;
			r->rights = rights;
			r->table.v = table;
			return EPT12_MAPPED;
		}
		table = entry & EPT_ADDRESS;
	}
}

struct ept12_result ept12_walk(const struct ept12_memory *m, const struct ept12_rules *rules, u64 eptp,
			       l2pa_t address, u64 access)
{
	struct ept12_result r = {.kind = EPT12_VIOLATION};
	struct path p;

	if (address.v >> EPT_BITS)
		return r;
	r.kind = find_leaf(m, rules, eptp & EPTP_ADDRESS, address.v, &p, &r);
	if (r.kind != EPT12_MAPPED)
		return r;
	if (access & ~r.rights) {
		r.kind = EPT12_VIOLATION;
		return r;
	}
	if (eptp & EPTP_AD)
		mark_used(m, &p, r.level, access);
	u64 offset = EPT_SIZE(r.level) - 1;
	r.leaf = p.entry[r.level];
	r.address.v = (r.leaf & EPT_ADDRESS & ~offset) | (address.v & offset);
	return r;
}
