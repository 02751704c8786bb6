#include "boot/multiboot2.h"

#include "vmm/lib.h"

static u32 get32(const u8 *p)
{
	u32 v;
	memcpy(&v, p, 4);
	return v;
}

static u64 get64(const u8 *p)
{
	u64 v;
	memcpy(&v, p, 8);
	return v;
}

/* From the tag at `at` (0: the first) to the next one; 0 where no whole tag follows or at the end. */
static const u8 *next_tag(const struct boot_info *info, const u8 *at)
{
	u64 offset = at ? (u64)(at - info->tags) + ((get32(at + 4) + 7ul) & ~7ul) : 8;
	if (offset + 8 > info->tags_size)
		return 0;
	const u8 *tag = info->tags + offset;
	u32 size = get32(tag + 4);
	if (size < 8 || size > info->tags_size - offset || get32(tag) == MB2_END)
		return 0;
	return tag;
}

const u8 *multiboot2_tag(const struct boot_info *info, u32 type, u32 *size)
{
	for (const u8 *tag = next_tag(info, 0); tag; tag = next_tag(info, tag)) {
		if (get32(tag) == type) {
			*size = get32(tag + 4);
			return tag;
		}
	}
	return 0;
}

static void copy_string(char to[BOOT_STRING], const u8 *from, u32 size)
{
	u32 n = 0;
	for (; n < size && n < BOOT_STRING - 1 && from[n]; n++)
		to[n] = (char)from[n];
	to[n] = 0;
}

static int read_module(struct boot_info *info, const u8 *tag, u32 size, const char **why)
{
	if (info->module_count == BOOT_MAX_MODULES || size < 16) {
		*why = "too many modules";
		return -1;
	}
	struct boot_module *m = &info->module[info->module_count++];
	m->base = get32(tag + 8);
	m->size = get32(tag + 12) >= m->base ? get32(tag + 12) - m->base : 0;
	copy_string(m->args, tag + 16, size - 16);
	return 0;
}

/* Keeps the map sorted by base. */
static void add_range(struct boot_info *info, struct mem_range range)
{
	unsigned i = info->map_count++;
	for (; i > 0 && info->map[i - 1].base > range.base; i--)
		info->map[i] = info->map[i - 1];
	info->map[i] = range;
}

static int read_map(struct boot_info *info, const u8 *tag, u32 size, const char **why)
{
	u32 entry = size >= 16 ? get32(tag + 8) : 0;
	if (entry < 24) {
		*why = "the memory map is damaged";
		return -1;
	}
	for (u32 at = 16; at + entry <= size; at += entry) {
		struct mem_range r = {get64(tag + at), get64(tag + at + 8), get32(tag + at + 16)};
		if (r.size == 0 || r.base + r.size < r.base)
			continue;
		if (info->map_count == BOOT_MAX_RANGES) {
			*why = "the memory map has too many entries";
			return -1;
		}
		add_range(info, r);
	}
	return 0;
}

/* Two neighbours that overlap: the one that is not RAM wins. What the map says twice is said once. */
static void separate(struct boot_info *info)
{
	for (unsigned i = 0; i + 1 < info->map_count; i++) {
		struct mem_range *a = &info->map[i], *b = &info->map[i + 1];
		u64 end = a->base + a->size;
		if (end <= b->base)
			continue;
		if (b->type != MEM_RAM) {
			a->size = b->base - a->base;
		} else if (b->base + b->size > end) {
			b->size = b->base + b->size - end;
			b->base = end;
		} else {
			b->size = 0;
		}
	}
}

int multiboot2_read(struct boot_info *info, const char **why)
{
	const u8 *tag = 0;
	while ((tag = next_tag(info, tag))) {
		u32 type = get32(tag), size = get32(tag + 4);
		int error = 0;
		if (type == MB2_CMDLINE)
			copy_string(info->args, tag + 8, size - 8);
		else if (type == MB2_LOADER)
			copy_string(info->loader, tag + 8, size - 8);
		else if (type == MB2_MODULE)
			error = read_module(info, tag, size, why);
		else if (type == MB2_MMAP)
			error = read_map(info, tag, size, why);
		if (error)
			return error;
	}
	separate(info);
	if (info->map_count == 0) {
		*why = "the boot loader gave no memory map";
		return -1;
	}
	return 0;
}
