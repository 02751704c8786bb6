#include "nested/ept_tables.h"

void ept_tables_init(struct ept_tables *t, u64 *base, hpa_t pa, struct ept_table *table, u32 count)
{
	*t = (struct ept_tables){base, pa, table, count, 0, EPT_NO_TABLE};
}

static bool has_tree(u64 entry, unsigned level)
{
	return level > 0 && (entry & (EPT_RWX | EPT_LARGE)) == EPT_RWX;
}

static void discard(struct ept_tables *t, u64 entry)
{
	u32 i = ept_tables_index(t, ept_tables_at(t, entry));
	t->table[i].next = t->garbage;
	t->garbage = i;
}

static void discard_line(struct ept_tables *t, const u64 *line)
{
	for (unsigned i = 0; i < EPT_LINE; i++)
		if (has_tree(line[i], 1))
			discard(t, line[i]);
}

bool ept_tables_clear(struct ept_tables *t, u64 *table)
{
	struct ept_table *info = &t->table[ept_tables_index(t, table)];
	u64 used = info->used;

	for (u64 left = used; left; left &= left - 1) {
		u64 *line = &table[EPT_LINE * (unsigned)__builtin_ctzl(left)];
		if (info->level > 0)
			discard_line(t, line);
		for (unsigned i = 0; i < EPT_LINE; i++)
			line[i] = 0;
	}
	info->used = 0;
	return used;
}

u64 *ept_tables_take(struct ept_tables *t, unsigned level)
{
	u32 i = t->garbage;

	if (i != EPT_NO_TABLE) {
		t->garbage = t->table[i].next;
		ept_tables_clear(t, t->base + (u64)EPT_ENTRIES * i);
	} else if (t->fresh < t->count) {
		i = t->fresh++;
	} else {
		return 0;
	}
	t->table[i] = (struct ept_table){.level = (u8)level};
	return t->base + (u64)EPT_ENTRIES * i;
}

bool ept_tables_set(struct ept_tables *t, u64 *table, unsigned index, u64 entry)
{
	struct ept_table *info = &t->table[ept_tables_index(t, table)];
	u64 old = table[index];

	table[index] = entry;
	info->used |= BIT(index / EPT_LINE);
	if (!has_tree(old, info->level))
		return false;
	discard(t, old);
	return true;
}

/* A new table in place of an entry. */
static u64 *insert(struct ept_tables *t, u64 *table, unsigned index, unsigned level, bool *cut)
{
	u64 *below = ept_tables_take(t, level - 1);

	if (!below)
		return 0;
	*cut |= table[index] != 0;
	ept_tables_set(t, table, index, ept_tables_pa(t, below).v | EPT_RWX);
	return below;
}

u64 *ept_tables_reach(struct ept_tables *t, u64 *root, u64 address, unsigned level, bool *cut)
{
	u64 *table = root;

	for (unsigned l = 3; l > level && table; l--) {
		unsigned index = EPT_INDEX(address, l);
		u64 entry = table[index];
		table = has_tree(entry, l) ? ept_tables_at(t, entry) : insert(t, table, index, l, cut);
	}
	return table;
}
