/*
 * ELF files of both classes, for both multiboot protocols. Every number in the file is somebody
 * else's: what is read is checked to lie inside the file, and sums cannot wrap. Where segments may lie
 * is checked in load.c, once they are at their final addresses.
 * System V ABI: "ELF Header", "Sections", "Program Header".
 */
#include "vmm/load_parts.h"

#define PT_LOAD 1
#define SHT_NOBITS 8
#define SECTIONS_MAX 4096 /* more do not fit into plan.info anyway */

/* Of the header, what matters here. */
struct elf {
	bool is64;
	u16 type, machine, phentsize, phnum, shentsize, shnum, shstrndx;
	u64 entry, phoff, shoff;
};

struct program_header {
	u32 type;
	u64 offset, vaddr, paddr, filesz, memsz;
};

struct section {
	u32 type;
	u64 addr, offset, size, align;
};

bool load_is_elf(const struct load_work *l)
{
	return load_has(l, 0, 52) && !memcmp(l->in->image, "\177ELF", 4);
}

static void read_header(const u8 *p, struct elf *e)
{
	const u8 *tail;

	e->is64 = p[4] == 2;
	e->type = get16(p + 16);
	e->machine = get16(p + 18);
	e->entry = e->is64 ? get64(p + 24) : get32(p + 24);
	e->phoff = e->is64 ? get64(p + 32) : get32(p + 28);
	e->shoff = e->is64 ? get64(p + 40) : get32(p + 32);
	tail = p + (e->is64 ? 54 : 42);
	e->phentsize = get16(tail);
	e->phnum = get16(tail + 2);
	e->shentsize = get16(tail + 4);
	e->shnum = get16(tail + 6);
	e->shstrndx = get16(tail + 8);
}

static int header(struct load_work *l, struct elf *e)
{
	const u8 *p = l->in->image;

	if (!load_is_elf(l) || (p[4] == 2 && !load_has(l, 0, 64)))
		return load_refuse(l, LOAD_TRUNCATED,
				   "L1 has a multiboot header without load addresses, but is no "
				   "whole ELF file: give the linked file itself");
	if ((p[4] != 1 && p[4] != 2) || p[5] != 1 || p[6] != 1)
		return load_refuse(l, LOAD_BAD,
				   "L1's ELF header is of class %u, byte order %u, version %u: "
				   "1 or 2, 1 and 1 are known",
				   p[4], p[5], p[6]);
	read_header(p, e);
	if (e->machine != (e->is64 ? 62 : 3))
		return load_refuse(l, LOAD_UNSUPPORTED,
				   "L1 is an ELF%d file for machine %u: build it for x86",
				   e->is64 ? 64 : 32, e->machine);
	if (e->type != 2 && e->type != 3)
		return load_refuse(l, LOAD_UNSUPPORTED,
				   "L1 is an ELF file of type %u: link it as an executable", e->type);
	if (!e->phnum || e->phentsize < (e->is64 ? 56 : 32))
		return load_refuse(l, LOAD_BAD,
				   "L1's ELF file has no program headers: link it as an executable");
	if (!load_has(l, e->phoff, (u64)e->phnum * e->phentsize))
		return load_refuse(l, LOAD_TRUNCATED,
				   "L1 is truncated: its program headers lie beyond the end of the file");
	return 0;
}

static struct program_header program_header(const struct load_work *l, const struct elf *e, unsigned i)
{
	const u8 *p = l->in->image + e->phoff + (u64)i * e->phentsize;

	if (e->is64)
		return (struct program_header){.type = get32(p),
					       .offset = get64(p + 8),
					       .vaddr = get64(p + 16),
					       .paddr = get64(p + 24),
					       .filesz = get64(p + 32),
					       .memsz = get64(p + 40)};
	return (struct program_header){.type = get32(p),
				       .offset = get32(p + 4),
				       .vaddr = get32(p + 8),
				       .paddr = get32(p + 12),
				       .filesz = get32(p + 16),
				       .memsz = get32(p + 20)};
}

static int segment(struct load_work *l, const struct program_header *h)
{
	if (h->filesz > h->memsz)
		return load_refuse(l, LOAD_BAD,
				   "L1's segment at 0x%lx has more bytes in the file than in memory: "
				   "link it anew",
				   h->paddr);
	if (h->filesz && !load_has(l, h->offset, h->filesz))
		return load_refuse(l, LOAD_TRUNCATED,
				   "L1 is truncated: its segment at 0x%lx needs the file's bytes "
				   "0x%lx to 0x%lx, and it has 0x%lx",
				   h->paddr, h->offset, h->offset + h->filesz,
				   l->in->boot->module[0].size);
	return load_segment_add(l,
				&(struct load_segment){h->paddr, h->memsz, h->offset, h->filesz, true});
}

static int sections(struct load_work *l, const struct elf *e)
{
	if (!e->shnum)
		return 0;
	if (e->shnum > SECTIONS_MAX || e->shentsize < (e->is64 ? 64 : 40))
		return load_refuse(l, LOAD_BAD,
				   "L1's ELF file has %u sections with headers of %u bytes: strip it",
				   e->shnum, e->shentsize);
	if (!load_has(l, e->shoff, (u64)e->shnum * e->shentsize))
		return load_refuse(l, LOAD_TRUNCATED,
				   "L1 is truncated: its section headers lie beyond the end of the file");
	l->elf.table = e->shoff;
	l->elf.count = e->shnum;
	l->elf.entry_size = e->shentsize;
	l->elf.names = e->shstrndx;
	l->elf.is64 = e->is64;
	return 0;
}

int load_elf(struct load_work *l, bool entry)
{
	struct elf e = {0};
	bool found = false;
	int r = header(l, &e);

	l->load_base = ~0ull;
	for (unsigned i = 0; !r && i < e.phnum; i++) {
		struct program_header h = program_header(l, &e, i);
		if (h.type != PT_LOAD || !h.memsz)
			continue;
		r = segment(l, &h);
		if (h.paddr < l->load_base)
			l->load_base = h.paddr;
		if (entry && !found && e.entry >= h.vaddr && e.entry - h.vaddr < h.memsz) {
			l->entry = e.entry - h.vaddr + h.paddr;
			found = true;
		}
	}
	if (r)
		return r;
	if (entry && !found)
		return load_refuse(l, LOAD_BAD,
				   "L1's entry point 0x%lx lies in none of its segments: link it anew",
				   e.entry);
	return sections(l, &e);
}

static const u8 *section_bytes(const struct load_work *l, unsigned i)
{
	return l->in->image + l->elf.table + (u64)i * l->elf.entry_size;
}

static struct section section(const struct load_work *l, unsigned i)
{
	const u8 *p = section_bytes(l, i);

	if (l->elf.is64)
		return (struct section){.type = get32(p + 4),
					.addr = get64(p + 16),
					.offset = get64(p + 24),
					.size = get64(p + 32),
					.align = get64(p + 48)};
	return (struct section){.type = get32(p + 4),
				.addr = get32(p + 12),
				.offset = get32(p + 16),
				.size = get32(p + 20),
				.align = get32(p + 32)};
}

/*
 * Multiboot: sections without an address are loaded wherever there is room, and the table says where.
 * Walks them one after the other: *end is where the one before ended. Returns whether this one is
 * loaded, and then its offset in the block.
 */
static bool section_loaded(const struct section *s, u64 *end, u64 *offset)
{
	u64 align = load_power_of_2(s->align) && s->align <= PAGE_SIZE ? s->align : 1;

	if (s->addr || !s->size || s->type == SHT_NOBITS)
		return false;
	*offset = load_align(*end, align);
	*end = *offset + s->size;
	return true;
}

int load_elf_place_sections(struct load_work *l)
{
	struct load_want want = {0, PAGE_SIZE, MIB_1, GIB_4, true, -1};
	u64 offset;

	for (unsigned i = 0; i < l->elf.count; i++) {
		struct section s = section(l, i);
		if (!section_loaded(&s, &want.size, &offset))
			continue;
		if (!load_has(l, s.offset, s.size))
			return load_refuse(l, LOAD_TRUNCATED,
					   "L1 is truncated: its section %u needs 0x%lx bytes from "
					   "0x%lx of the file on",
					   i, s.size, s.offset);
	}
	l->elf.size = want.size;
	if (!want.size)
		return 0;
	if (!load_find(l, &want, ~0u, &l->elf.at))
		return load_refuse(l, LOAD_NO_MEMORY,
				   "too little memory: no %lu KiB of free RAM for L1's symbols: "
				   "give the machine more memory, or strip L1",
				   (want.size + 1023) / 1024);
	load_claim(l, l->elf.at, l->elf.size, PLACE_FINAL, 0);
	return 0;
}

int load_elf_copy_sections(struct load_work *l)
{
	u64 end = 0, offset;
	int r = 0;

	for (unsigned i = 0; i < l->elf.count && !r; i++) {
		struct section s = section(l, i);
		if (section_loaded(&s, &end, &offset))
			r = load_step(l, LOAD_COPY, l->elf.at + offset, l->image_at + s.offset, s.size);
	}
	return r;
}

size_t load_put_elf_sections(struct load_work *l)
{
	u64 end = 0, offset;
	size_t table = load_put(l, section_bytes(l, 0), (size_t)l->elf.count * l->elf.entry_size, 4);

	for (unsigned i = 0; i < l->elf.count; i++) {
		struct section s = section(l, i);
		size_t at = table + (size_t)i * l->elf.entry_size;
		if (!section_loaded(&s, &end, &offset))
			continue;
		if (l->elf.is64)
			load_set64(l, at + 16, l->elf.at + offset);
		else
			load_set32(l, at + 12, (u32)(l->elf.at + offset));
	}
	return table;
}
