#include "nested/ept02.h"

/* A run is a line of entries, and twice as long each time that the last one was used up. */
#define RUN_MIN EPT_LINE
#define RUN_MAX 64

/* EPT12's leaf over EPT01's: the smaller page, the rights that both give, EPT12's memory type. */
struct leaf02 {
	unsigned level;
	u64 attributes; /* all but the address */
	u64 window, window_size; /* l1pa, bytes: there L1 has its own memory at its own address */
};

static u64 offset_mask(unsigned level)
{
	return EPT_SIZE(level) - 1;
}

static u64 rights02(const struct ept12_result *r, u64 below)
{
	return r->rights & below & (r->dirty ? EPT_RWX : EPT_R | EPT_X);
}

static u64 entry02(const struct ept12_result *r, const struct ept_leaf *below, unsigned level,
		   u64 address)
{
	u64 rights = rights02(r, below->entry);
	u64 base = below->entry & EPT_ADDRESS & ~offset_mask(below->level);
	u64 offset = address & offset_mask(below->level) & ~offset_mask(level);

	return rights ? base | offset | rights | r->attributes | (level > 0 ? EPT_LARGE : 0) : 0;
}

/*
 * What may lie beside the page: a table of EPT12's own, or the pages that one large page of EPT12 comes
 * down to.
 */
struct beside {
	const u64 *entries; /* EPT12's, or 0 */
	u64 differ; /* the bits in which an entry must not differ from `like` */
	u64 like, address_mask;
	u64 first; /* l1pa of entry 0, where EPT12 has one large page */
	u64 size;
};

static struct beside look_beside(const struct ept02_in *in, const struct ept12_result *r, u64 eptp12,
				 unsigned level)
{
	struct beside b = {.like = r->leaf, .size = EPT_SIZE(level)};
	u64 ignored = BITS(63, 52) | BITS(11, 10) | (eptp12 & EPTP_AD ? 0 : EPT_A | EPT_D);

	b.address_mask = EPT_ADDRESS & ~ept12_reserved_address(in->caps) & ~offset_mask(level);
	b.differ = ~(b.address_mask | ignored);
	if (level == r->level)
		b.entries = in->memory.table(in->memory.context, r->table);
	b.first = r->address.v & ~offset_mask(level + 1);
	return b;
}

/* The l1pa of the page at this index, or false where it is not a page like the one in the middle. */
static bool address_beside(const struct beside *b, unsigned index, u64 *address)
{
	if (!b->entries) {
		*address = b->first + b->size * index;
		return true;
	}
	u64 entry = ((const volatile u64 *)b->entries)[index];
	*address = entry & b->address_mask;
	return !((entry ^ b->like) & b->differ);
}

/* Entries [first, end) that are empty. window: the last page of L1's that was asked for. */
static void fill_beside(u64 *table, unsigned first, unsigned end, const struct beside *b,
			const struct ept02_in *in, const struct ept12_result *r, unsigned level,
			struct ept_leaf window, u64 window_at)
{
	u64 size = EPT_SIZE(window.level), address;
	u64 attributes = entry02(r, &window, level, 0) & ~EPT_ADDRESS;

	for (unsigned i = first; i < end; i++) {
		if (table[i] || !address_beside(b, i, &address))
			continue;
		if (address - window_at < size && window.level > 0) {
			table[i] = address | attributes;
			continue;
		}
		window = in->below(in->context, (l1pa_t){address}, level > 0 ? level : 1, false);
		if (window.level < level)
			continue;
		size = EPT_SIZE(window.level);
		window_at = address & ~(size - 1);
		table[i] = entry02(r, &window, level, address);
		attributes = table[i] & ~EPT_ADDRESS;
	}
}

/* Where L2 goes on behind the last run, the next is longer. */
static unsigned run_length(struct ept02_root *root, u64 page)
{
	if (page != root->next || root->run == 0)
		root->run = RUN_MIN;
	else if (root->run < RUN_MAX)
		root->run *= 2;
	return root->run;
}

static void fill_run(struct ept_tables *tables, struct ept02_root *root, const struct ept02_in *in,
		     u64 *table, u64 page, unsigned level, const struct ept12_result *r,
		     struct ept_leaf below)
{
	unsigned index = EPT_INDEX(page, level), first = index & ~(unsigned)(EPT_LINE - 1);
	unsigned end = first + run_length(root, page);
	struct beside b = look_beside(in, r, root->eptp12, level);

	end = end < EPT_ENTRIES ? end : EPT_ENTRIES;
	root->next = page + (end - index) * EPT_SIZE(level);
	ept_tables_mark(tables, table, first, end);
	fill_beside(table, first, end, &b, in, r, level, below, r->address.v & ~offset_mask(below.level));
}

struct ept02_filled ept02_fill(struct ept_tables *tables, struct ept02_root *root,
			       const struct ept02_in *in, l2pa_t address, u64 access)
{
	struct ept02_filled f = {
		.walk = ept12_walk(&in->memory, in->caps, root->eptp12, address, access)};
	const struct ept12_result *r = &f.walk;

	if (r->kind != EPT12_MAPPED)
		return f;
	struct ept_leaf below =
		in->below(in->context, r->address, r->level > 0 ? r->level : 1, access & EPT_W);
	unsigned level = below.level < r->level ? below.level : r->level;
	u64 *table = ept_tables_reach(tables, root->table, address.v, level, &f.cut);
	if (!table)
		return f;
	unsigned index = EPT_INDEX(address.v, level);
	f.leaf = &table[index];
	f.cut |= ept_tables_set(tables, table, index, entry02(r, &below, level, r->address.v));
	if (*f.leaf)
		fill_run(tables, root, in, table, address.v & ~offset_mask(level), level, r, below);
	return f;
}
