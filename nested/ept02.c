#include "nested/ept02.h"

/* A run is a line of entries, and twice as long each time that the last one was used up. */
#define RUN_MIN EPT_LINE
#define RUN_MAX 64

void ept_extent_bound(struct ept_extent *e, u64 address, u64 base, u64 size, u64 entry)
{
	u64 end = e->base + e->size;

	if (e->special || size == 0)
		return;
	if (address - base < size)
		*e = (struct ept_extent){base, size, EPT_SPECIAL | entry};
	else if (base > address)
		e->size = (base < end ? base : end) - e->base;
	else if (base + size > e->base)
		*e = (struct ept_extent){base + size, end - (base + size), 0};
}

static u64 offset_mask(unsigned level)
{
	return EPT_SIZE(level) - 1;
}

/* The size of page that both levels and the processor allow. */
static unsigned level02(const struct ept02_in *in, const struct ept12_result *r,
			const struct ept_extent *e)
{
	unsigned level = r->level;

	if (e->special)
		return 0;
	while (level > 0 && !((in->page_sizes >> level & 1) &&
			      ept_covers(e, r->address.v & ~offset_mask(level), EPT_SIZE(level))))
		level--;
	return level;
}

/*
 * All of an entry but the address: the rights that both levels give, EPT12's memory type. What is not
 * dirty is not to be written to, so that the first write is seen.
 */
static u64 attributes02(const struct ept12_result *r, bool flags, u64 rights01, unsigned level)
{
	u64 rights = r->rights & rights01;

	if (flags && !(r->leaf & EPT_D))
		rights &= ~EPT_W;
	return rights | (r->leaf & (EPT_MT | EPT_IPAT)) | (level > 0 ? EPT_LARGE : 0);
}

/* A page of EPT02's, EPT12's leaf over an extent of L1's. Without rights nothing is mapped. */
static u64 entry02(const struct ept12_result *r, bool flags, const struct ept_extent *e, u64 address,
		   unsigned level)
{
	u64 attributes = attributes02(r, flags, e->special ? e->special : EPT_RWX, level);
	u64 page = e->special ? e->special & EPT_ADDRESS : address & ~offset_mask(level);

	return attributes & EPT_RWX ? page | attributes : 0;
}

/* What entries beside one are filled from. */
struct run {
	const struct ept02_in *in;
	const struct ept12_result *r;
	bool flags;
	unsigned level;
	u64 base, span; /* a page that starts in [base, base + span) lies in the extent last asked for, */
	u64 attributes; /* which is L1's memory: its entry is its address and these */
};

static void use_extent(struct run *run, const struct ept_extent *e, u64 attributes)
{
	u64 size = EPT_SIZE(run->level);

	run->base = e->base;
	run->span = e->special || e->size < size ? 0 : e->size - size + 1;
	run->attributes = attributes;
}

/* A page outside of the extent: 0 where it does not come to one page of the same size. */
static __attribute__((noinline)) u64 entry_elsewhere(struct run *run, u64 address)
{
	struct ept_extent e = run->in->around(run->in->context, (l1pa_t){address}, false);

	if (e.special)
		return run->level > 0 ? 0 : entry02(run->r, run->flags, &e, address, 0);
	use_extent(run, &e, attributes02(run->r, run->flags, EPT_RWX, run->level));
	return address - run->base < run->span ? address | run->attributes : 0;
}

static inline u64 entry_beside(struct run *run, u64 address)
{
	if (address - run->base < run->span)
		return address | run->attributes;
	return entry_elsewhere(run, address);
}

/* EPT12's own table: only entries that differ from the leaf in nothing but the address. */
static void fill_from_table(struct run *run, u64 *table, unsigned first, unsigned end,
			    const volatile u64 *table12)
{
	u64 address_mask = EPT_ADDRESS & ~run->in->rules.address_reserved & ~offset_mask(run->level);
	u64 ignored = BITS(63, 52) | BITS(11, 10) | (run->flags ? 0 : EPT_A | EPT_D);
	u64 differ = ~(address_mask | ignored), leaf = run->r->leaf;

	for (unsigned i = first; i < end; i++) {
		u64 entry = table12[i];
		if (!((entry ^ leaf) & differ) && !table[i])
			table[i] = entry_beside(run, entry & address_mask);
	}
}

/* The pages that one larger page of EPT12 comes down to. */
static void fill_from_page(struct run *run, u64 *table, unsigned first, unsigned end)
{
	u64 address = run->r->address.v & ~offset_mask(run->level + 1);

	for (unsigned i = first; i < end; i++)
		if (!table[i])
			table[i] = entry_beside(run, address + i * EPT_SIZE(run->level));
}

/* Where L2 goes on behind the last run, or leaves out no more than as much again, the next is longer. */
static unsigned run_length(struct ept02_root *root, u64 page, u64 size)
{
	if (root->run == 0 || page - root->next > root->run * size)
		root->run = RUN_MIN;
	else if (root->run < RUN_MAX)
		root->run *= 2;
	return root->run;
}

static void fill_run(struct ept_tables *tables, struct ept02_root *root, struct run *run, u64 *table,
		     u64 page)
{
	unsigned index = EPT_INDEX(page, run->level), first = index & ~(unsigned)(EPT_LINE - 1);
	unsigned end = first + run_length(root, page, EPT_SIZE(run->level));

	end = end < EPT_ENTRIES ? end : EPT_ENTRIES;
	root->next = page + (end - index) * EPT_SIZE(run->level);
	ept_tables_mark(tables, table, first, end);
	if (run->level == run->r->level)
		fill_from_table(run, table, first, end, ept12_table(&run->in->memory, run->r->table.v));
	else
		fill_from_page(run, table, first, end);
}

struct ept02_filled ept02_fill(struct ept_tables *tables, struct ept02_root *root,
			       const struct ept02_in *in, l2pa_t address, u64 access)
{
	struct ept02_filled f = {
		.walk = ept12_walk(&in->memory, &in->rules, root->eptp12, address, access)};

	if (f.walk.kind != EPT12_MAPPED)
		return f;
	struct ept_extent extent = in->around(in->context, f.walk.address, access & EPT_W);
	struct run run = {.in = in,
			  .r = &f.walk,
			  .flags = root->eptp12 & EPTP_AD,
			  .level = level02(in, &f.walk, &extent)};
	u64 *table = ept_tables_reach(tables, root->table, address.v, run.level, &f.cut);
	if (!table)
		return f;
	unsigned index = EPT_INDEX(address.v, run.level);
	u64 entry = entry02(&f.walk, run.flags, &extent, f.walk.address.v, run.level);
	f.leaf = &table[index];
	f.cut |= ept_tables_set(tables, table, index, entry);
	use_extent(&run, &extent, entry & ~EPT_ADDRESS);
	if (entry)
		fill_run(tables, root, &run, table, address.v & ~offset_mask(run.level));
	return f;
}
