/* Writing what L1 is told. It is written twice, see load_format.info. */
#include "vmm/load_parts.h"

/* Beyond the end nothing is written, but counted. */
size_t load_put(struct load_work *l, const void *data, size_t size, size_t align)
{
	size_t offset = load_align(l->info_used, align);

	l->info_used = offset + size;
	if (data && size && l->info_used <= sizeof(l->plan->info))
		memcpy(l->plan->info + offset, data, size);
	return offset;
}

size_t load_put_string(struct load_work *l, const char *s)
{
	return load_put(l, s, strlen(s) + 1, 1);
}

static void set(struct load_work *l, size_t offset, u64 value, size_t size)
{
	if (offset + size > sizeof(l->plan->info))
		return;
	for (size_t i = 0; i < size; i++)
		l->plan->info[offset + i] = (u8)(value >> (8 * i));
}

void load_set8(struct load_work *l, size_t offset, u8 value)
{
	set(l, offset, value, 1);
}

void load_set16(struct load_work *l, size_t offset, u16 value)
{
	set(l, offset, value, 2);
}

void load_set32(struct load_work *l, size_t offset, u32 value)
{
	set(l, offset, value, 4);
}

void load_set64(struct load_work *l, size_t offset, u64 value)
{
	set(l, offset, value, 8);
}

u32 load_info_at(const struct load_work *l, size_t offset)
{
	return (u32)(l->plan->info_base + offset);
}

void load_memory_kib(const struct load_in *in, u32 *lower, u32 *upper)
{
	u64 low = 0, up = 0;

	for (unsigned i = 0; i < in->map_count; i++) {
		u64 base = in->map[i].base, size = in->map[i].size;
		if (in->map[i].type != MEM_RAM)
			continue;
		if (base == low)
			low += size;
		if (base <= MIB_1 + up && base + size > MIB_1 + up)
			up = base + size - MIB_1;
	}
	*lower = (u32)((low < MIB_1 ? low : MIB_1) / 1024);
	*upper = (u32)(up / 1024 < 0xffffffff ? up / 1024 : 0xffffffff);
}
