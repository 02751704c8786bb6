/*
 * The loader, against a machine of 16 MiB that is an array: plans are carried out on it, and what L1
 * would find is looked at.
 */
#include "test.h"
#include "vmm/lib.h"
#include "vmm/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB 0x100000u
#define MEMORY (16 * MIB)
#define L0_BASE (14 * MIB)
#define L0_SIZE MIB /* with RAM on both sides */
#define FILE_MAX (4 * MIB)

/* vmm/lib.c has these for L0. */
__attribute__((weak)) int fmt_va(char *buf, size_t size, const char *format, va_list args)
{
	return vsnprintf(buf, size, format, args);
}

__attribute__((weak)) int fmt(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = fmt_va(buf, size, format, args);
	va_end(args);
	return length;
}

/* --- The machine --- */

static struct {
	u8 memory[MEMORY];
	u8 file[BOOT_MAX_MODULES][FILE_MAX]; /* what GRUB loaded, for comparison */
	u8 tags[4096];
	const u8 *guarded_tags;
	struct mem_range map[BOOT_MAX_RANGES + 16];
	struct boot_info boot;
	struct load_in in;
	struct load_plan plan;
	char why[256];
} m;

/* A copy of `size` bytes that sanitizers guard on both ends, in the place of an earlier one. */
static const u8 *guarded(const u8 *old, const void *bytes, u64 size)
{
	u8 *p = malloc(size + !size);

	free((void *)old);
	memcpy(p, bytes, size);
	return p;
}

static void reset(void)
{
	static const struct mem_range map[] = {
		{0, 0x9fc00, MEM_RAM},
		{0x9fc00, 0x400, MEM_RESERVED},
		{0xf0000, 0x10000, MEM_RESERVED},
		{MIB, L0_BASE - MIB, MEM_RAM},
		{L0_BASE + L0_SIZE, 0x80000, MEM_RAM},
		{L0_BASE + L0_SIZE + 0x80000, 0x10000, MEM_ACPI},
		{L0_BASE + L0_SIZE + 0x90000, 0x10000, MEM_NVS},
		{L0_BASE + L0_SIZE + 0xa0000, 0x60000, MEM_RAM},
		{0xfffc0000, 0x40000, MEM_RESERVED},
	};

	memset(&m.boot, 0, sizeof(m.boot));
	memcpy(m.map, map, sizeof(map));
	strcpy(m.boot.loader, "GRUB 2.06");
	m.boot.rsdp = 0xf5a30;
	m.in = (struct load_in){&m.boot, m.in.image, m.map, ARRAY_LEN(map), L0_BASE, L0_SIZE, NULL};
}

/* Enrols what GRUB loaded to `base`; [0] is L1. */
static void put_file(u64 base, const void *bytes, u64 size, const char *args)
{
	struct boot_module *module = &m.boot.module[m.boot.module_count];

	memcpy(m.file[m.boot.module_count], bytes, size);
	memcpy(m.memory + base, bytes, size);
	module->base = base;
	module->size = size;
	strcpy(module->args, args);
	if (!m.boot.module_count++)
		m.in.image = guarded(m.in.image, bytes, size);
}

static bool in_ram(u64 base, u64 size)
{
	for (unsigned i = 0; i < m.in.map_count; i++) {
		u64 from = m.map[i].base, to = from + m.map[i].size;
		if (m.map[i].type != MEM_RAM || base >= to || base + size <= from)
			continue;
		if (base < from)
			return false;
		if (base + size <= to)
			return true;
		size = base + size - to;
		base = to;
	}
	return false;
}

/* What holds of every plan. */
static bool plan_is_sound(void)
{
	const struct load_plan *p = &m.plan;
	bool ok = p->state.eip >= p->image_base && p->state.eip < p->image_end &&
		  p->op_count <= LOAD_MAX_OPS;

	for (unsigned i = 0; i < p->op_count; i++) {
		const struct load_op *o = &p->op[i];
		ok = ok && o->len && o->dst + o->len <= MEMORY && in_ram(o->dst, o->len);
		ok = ok && (o->dst >= L0_BASE + L0_SIZE || o->dst + o->len <= L0_BASE);
		if (o->kind == LOAD_COPY)
			ok = ok && o->src < MEMORY && o->src + o->len <= MEMORY;
		if (o->kind == LOAD_INFO)
			ok = ok && o->src + o->len <= p->info_size;
	}
	return ok;
}

static void apply(void)
{
	for (unsigned i = 0; i < m.plan.op_count; i++) {
		const struct load_op *o = &m.plan.op[i];
		if (o->kind == LOAD_COPY)
			memmove(m.memory + o->dst, m.memory + o->src, o->len);
		else if (o->kind == LOAD_ZERO)
			memset(m.memory + o->dst, 0, o->len);
		else
			memcpy(m.memory + o->dst, m.plan.info + o->src, o->len);
	}
}

static int plan(void)
{
	m.why[0] = 0;
	return load_plan(&m.plan, &m.in, m.why, sizeof(m.why));
}

static bool load(void)
{
	int r = plan();

	if (r)
		printf("     refused (%d): %s\n", r, m.why);
	EXPECT_EQ(r, 0);
	if (r)
		return false;
	EXPECT(plan_is_sound());
	if (!plan_is_sound())
		return false;
	apply();
	return true;
}

static void expect_refusal(enum load_refusal code, const char *text)
{
	int r = plan();

	if (r != (int)code || !strstr(m.why, text))
		printf("     got %d: %s\n     want %d: %s\n", r, m.why, code, text);
	EXPECT_EQ(r, code);
	EXPECT(strstr(m.why, text) != NULL);
	EXPECT(!strchr(m.why, '\n') && strlen(m.why) < sizeof(m.why) - 1);
}

static u16 g16(u64 at)
{
	u16 v;
	memcpy(&v, m.memory + at, 2);
	return v;
}

static u32 g32(u64 at)
{
	u32 v;
	memcpy(&v, m.memory + at, 4);
	return v;
}

static u64 g64(u64 at)
{
	u64 v;
	memcpy(&v, m.memory + at, 8);
	return v;
}

static const char *string(u64 at)
{
	return (const char *)m.memory + at;
}

static bool is_zero(u64 at, u64 size)
{
	while (size--)
		if (m.memory[at++])
			return false;
	return true;
}

static bool is_file(unsigned i, u64 at, u64 offset, u64 size)
{
	return at + size <= MEMORY && !memcmp(m.memory + at, m.file[i] + offset, size);
}

static u32 random_state = 1;

static u32 rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static void noise(u8 *p, u64 size)
{
	for (u64 i = 0; i < size; i++)
		p[i] = (u8)rnd();
}

/* --- Images to load --- */

struct image {
	u8 bytes[FILE_MAX];
	u64 size;
};

struct part {
	u64 paddr, filesz, memsz;
};

static struct image im;

static void set16(u64 at, u16 v)
{
	memcpy(im.bytes + at, &v, 2);
}

static void set32(u64 at, u32 v)
{
	memcpy(im.bytes + at, &v, 4);
}

static void set64(u64 at, u64 v)
{
	memcpy(im.bytes + at, &v, 8);
}

#define HEADER_AT 0x200
#define PARTS_AT 0x1000

static void set_multiboot1(u32 flags)
{
	set32(HEADER_AT, 0x1badb002);
	set32(HEADER_AT + 4, flags);
	set32(HEADER_AT + 8, -(0x1badb002 + flags));
}

/* Begins a multiboot2 header; tags follow one another from *at on. */
static u64 begin_multiboot2(void)
{
	set32(HEADER_AT, 0xe85250d6);
	set32(HEADER_AT + 4, 0);
	set32(HEADER_AT + 8, 16);
	set32(HEADER_AT + 12, -(0xe85250d6 + 16));
	return HEADER_AT + 16;
}

static u64 add_tag(u64 at, u16 type, u16 flags, const u32 *words, u32 count)
{
	set16(at, type);
	set16(at + 2, flags);
	set32(at + 4, 8 + 4 * count);
	for (u32 i = 0; i < count; i++)
		set32(at + 8 + 4 * i, words[i]);
	return (at + 8 + 4 * count + 7) & ~7ull;
}

static void end_tags(u64 at)
{
	add_tag(at, 0, 0, NULL, 0);
}

/* Parts are in the file one after the other from PARTS_AT on. Virtual addresses are 0xc0000000 higher. */
static void make_elf(int bits, const struct part *part, unsigned count, u64 entry)
{
	unsigned header = bits == 64 ? 64 : 52, phsize = bits == 64 ? 56 : 32;
	u64 at = PARTS_AT, high = bits == 64 ? 0xffffffff80000000 : 0xc0000000;

	memset(im.bytes, 0, PARTS_AT);
	memcpy(im.bytes, "\177ELF", 4);
	im.bytes[4] = bits == 64 ? 2 : 1;
	im.bytes[5] = im.bytes[6] = 1;
	set16(16, 2);
	set16(18, bits == 64 ? 62 : 3);
	set32(20, 1);
	if (bits == 64) {
		set64(24, entry + high);
		set64(32, header);
	} else {
		set32(24, (u32)(entry + high));
		set32(28, header);
	}
	set16(bits == 64 ? 54 : 42, phsize);
	set16(bits == 64 ? 56 : 44, count);
	for (unsigned i = 0; i < count; i++, part++) {
		u64 ph = header + i * phsize;
		set32(ph, 1);
		if (bits == 64) {
			set64(ph + 8, at);
			set64(ph + 16, part->paddr + high);
			set64(ph + 24, part->paddr);
			set64(ph + 32, part->filesz);
			set64(ph + 40, part->memsz);
		} else {
			set32(ph + 4, at);
			set32(ph + 8, part->paddr + high);
			set32(ph + 12, part->paddr);
			set32(ph + 16, part->filesz);
			set32(ph + 20, part->memsz);
		}
		noise(im.bytes + at, part->filesz);
		at += part->filesz;
	}
	im.size = at;
}

/* Appends a string section without an address and one that has one, and the table, to an ELF file. */
static void add_sections(int bits, u64 addr)
{
	unsigned size = bits == 64 ? 64 : 40;
	u64 bytes = im.size, table = (im.size + 0x123 + 15) & ~15ull;

	noise(im.bytes + bytes, 0x123);
	memset(im.bytes + table, 0, 4 * size);
	for (unsigned i = 1; i < 4; i++) {
		u64 s = table + i * size;
		set32(s + 4, i == 3 ? 8 : 3); /* the last: NOBITS, not in the file */
		if (bits == 64) {
			set64(s + 16, i == 1 ? addr : 0);
			set64(s + 24, i == 3 ? 0x7fffffff : bytes);
			set64(s + 32, 0x123);
			set64(s + 48, 16);
		} else {
			set32(s + 12, i == 1 ? addr : 0);
			set32(s + 16, i == 3 ? 0x7fffffff : bytes);
			set32(s + 20, 0x123);
			set32(s + 32, 16);
		}
	}
	if (bits == 64)
		set64(40, table);
	else
		set32(32, table);
	set16(bits == 64 ? 58 : 46, size);
	set16(bits == 64 ? 60 : 48, 4);
	set16(bits == 64 ? 62 : 50, 2);
	im.size = table + 4 * size;
}

static const struct part two_parts[] = {{2 * MIB, 0x3210, 0x3210}, {2 * MIB + 0x4000, 0x1111, 0x5000}};

static void make_multiboot1_elf(int bits)
{
	make_elf(bits, two_parts, 2, 2 * MIB + 0x10);
	set_multiboot1(3);
}

/* A kernel of protocol 2.15 that may be anywhere. */
static void make_linux(u64 code, u32 init_size)
{
	memset(im.bytes, 0xee, 5 * 512);
	memset(im.bytes + 0x1f1, 0, 0x280 - 0x1f1);
	im.bytes[0x1f1] = 4;
	set32(0x1f4, (code + 15) / 16);
	set16(0x1fe, 0xaa55);
	im.bytes[0x200] = 0xeb;
	im.bytes[0x201] = 0x6a;
	memcpy(im.bytes + 0x202, "HdrS", 4);
	set16(0x206, 0x20f);
	im.bytes[0x211] = 1;
	set32(0x214, 0x100000);
	set32(0x22c, 0x7fffffff);
	set32(0x230, 0x10000);
	im.bytes[0x234] = 1;
	im.bytes[0x235] = 12;
	set32(0x238, 2047);
	set64(0x258, 3 * MIB);
	set32(0x260, init_size);
	noise(im.bytes + 5 * 512, code);
	im.size = 5 * 512 + code;
}

/* Tags of GRUB for L0: a framebuffer with RGB, EFI, the disk, ACPI. */
static u32 grub_tag(u32 at, u32 type, const void *content, u32 size)
{
	u32 head[2] = {type, 8 + size};

	memcpy(m.tags + at, head, 8);
	memcpy(m.tags + at + 8, content, size);
	return (at + 8 + size + 7) & ~7u;
}

static const struct {
	u64 base;
	u32 pitch, width, height;
	u8 bpp, type, reserved[2], mask[6];
} framebuffer = {0x4c0000000, 4096, 1024, 768, 32, 1, {0}, {16, 8, 8, 8, 0, 8}};

static void put_tags(bool efi)
{
	u64 map[4 * 6] = {7,
			  0x0000000,
			  0,
			  0x9f,
			  0xf,
			  0,
			  7,
			  MIB,
			  0,
			  0xf00 - 0x10,
			  0xf,
			  0,
			  6,
			  15 * MIB,
			  0,
			  0x40,
			  0x800000000000000f,
			  0,
			  7,
			  L0_BASE + 0x1000,
			  0,
			  2,
			  0xf,
			  0};
	u64 efi_map[1 + 4 * 6] = {48 | 1ull << 32};
	u32 at = 8, disk[3] = {0x80, 1, 0xffffffff}, total;
	u64 systab = 0x123456789ab0;

	memcpy(efi_map + 1, map, sizeof(map));
	at = grub_tag(at, 8, &framebuffer, 30);
	at = grub_tag(at, 5, disk, sizeof(disk));
	at = grub_tag(at, 15, "RSD PTR copied as it is, 36 bytes...", 36);
	if (efi) {
		at = grub_tag(at, 12, &systab, 8);
		at = grub_tag(at, 17, efi_map, sizeof(efi_map));
	}
	at = grub_tag(at, 0, "", 0);
	total = at;
	memcpy(m.tags, &total, 4);
	m.boot.tags = m.guarded_tags = guarded(m.guarded_tags, m.tags, total);
	m.boot.tags_size = total;
}

/* --- Multiboot 1 --- */

static void expect_multiboot_state(u32 magic)
{
	const struct load_state *s = &m.plan.state;

	EXPECT_EQ(s->eax, magic);
	EXPECT_EQ(s->ebx, m.plan.info_base);
	EXPECT_EQ(s->cs, 0x10);
	EXPECT_EQ(s->ds, 0x18);
	EXPECT_EQ(s->eflags, 2);
	EXPECT_EQ(s->esp, 0x7ff00);
	EXPECT_EQ(s->gdt_limit, 31);
	EXPECT_EQ(g64(s->gdt_base + 0x10), 0x00cf9b000000ffff);
	EXPECT_EQ(g64(s->gdt_base + 0x18), 0x00cf93000000ffff);
}

static void expect_two_parts(u64 base)
{
	EXPECT(is_file(0, base, PARTS_AT, 0x3210));
	EXPECT(is_file(0, base + 0x4000, PARTS_AT + 0x3210, 0x1111));
	EXPECT(is_zero(base + 0x4000 + 0x1111, 0x5000 - 0x1111));
}

TEST(load_multiboot1_elf)
{
	for (int bits = 32; bits <= 64; bits += 32) {
		reset();
		make_multiboot1_elf(bits);
		put_file(5 * MIB, im.bytes, im.size, "one two");
		memset(m.memory + 2 * MIB, 0xff, 0x10000);
		if (!load())
			continue;
		EXPECT_EQ(m.plan.protocol, LOAD_MULTIBOOT1);
		EXPECT(!strcmp(m.plan.format, bits == 64 ? "multiboot 1, ELF64" : "multiboot 1, ELF32"));
		EXPECT_EQ(m.plan.state.eip, 2 * MIB + 0x10);
		EXPECT_EQ(m.plan.image_base, 2 * MIB);
		EXPECT_EQ(m.plan.image_end, 2 * MIB + 0x9000);
		expect_multiboot_state(0x2badb002);
		expect_two_parts(2 * MIB);
	}
}

TEST(load_multiboot1_information)
{
	u64 i, mods, map;

	reset();
	make_multiboot1_elf(32);
	put_file(5 * MIB, im.bytes, im.size, "one two");
	put_file(6 * MIB, "abcde", 5, "first module");
	put_file(7 * MIB, "fg", 2, "");
	put_file(0, "", 0, "empty");
	if (!load())
		return;
	i = m.plan.state.ebx;
	EXPECT(i >= 0x10000 && i < 0x7f000);
	EXPECT_EQ(g32(i), BIT(0) | BIT(2) | BIT(3) | BIT(6) | BIT(9) | BIT(12));
	EXPECT_EQ(g32(i + 4), 639); /* lower and upper memory */
	EXPECT_EQ(g32(i + 8), (L0_BASE - MIB) / 1024);
	EXPECT(!strcmp(string(g32(i + 16)), "one two"));
	EXPECT(!strcmp(string(g32(i + 64)), "GRUB 2.06"));
	EXPECT_EQ(g32(i + 20), 3);
	mods = g32(i + 24);
	EXPECT_EQ(g32(mods), 6 * MIB);
	EXPECT_EQ(g32(mods + 4), 6 * MIB + 5);
	EXPECT(!strcmp(string(g32(mods + 8)), "first module"));
	EXPECT(is_file(1, g32(mods), 0, 5));
	EXPECT_EQ(g32(mods + 16), 7 * MIB);
	EXPECT(!strcmp(string(g32(mods + 24)), ""));
	EXPECT_EQ(g32(mods + 32), 0);
	EXPECT_EQ(g32(mods + 36), 0);
	EXPECT_EQ(g32(i + 44), 24 * m.in.map_count);
	map = g32(i + 48);
	for (unsigned k = 0; k < m.in.map_count; k++, map += 24) {
		EXPECT_EQ(g32(map), 20);
		EXPECT_EQ(g64(map + 4), m.map[k].base);
		EXPECT_EQ(g64(map + 12), m.map[k].size);
		EXPECT_EQ(g32(map + 20), m.map[k].type);
	}
	EXPECT_EQ(g64(i + 88), 0xb8000);
	EXPECT_EQ(g32(i + 96), 160);
	EXPECT_EQ(m.memory[i + 109], 2);
}

TEST(load_multiboot1_screen_and_disk)
{
	u64 i;

	reset();
	put_tags(false);
	make_multiboot1_elf(32);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (!load())
		return;
	i = m.plan.state.ebx;
	EXPECT_EQ(g32(i), BIT(0) | BIT(1) | BIT(2) | BIT(6) | BIT(9) | BIT(12));
	EXPECT_EQ(g32(i + 12), 0x8001ffff);
	EXPECT_EQ(g64(i + 88), framebuffer.base);
	EXPECT_EQ(g32(i + 96), 4096);
	EXPECT_EQ(g32(i + 100), 1024);
	EXPECT_EQ(g32(i + 104), 768);
	EXPECT_EQ(m.memory[i + 108], 32);
	EXPECT_EQ(m.memory[i + 109], 1);
	EXPECT(!memcmp(m.memory + i + 110, framebuffer.mask, 6));
}

TEST(load_multiboot1_sections)
{
	for (int bits = 32; bits <= 64; bits += 32) {
		unsigned size = bits == 64 ? 64 : 40, addr = bits == 64 ? 16 : 12;
		u64 i, table, at, bytes;
		reset();
		make_multiboot1_elf(bits);
		bytes = im.size;
		add_sections(bits, 2 * MIB);
		put_file(2 * MIB + 0x3000, im.bytes, im.size, ""); /* in its own way */
		if (!load())
			continue;
		i = m.plan.state.ebx;
		EXPECT(g32(i) & BIT(5));
		EXPECT_EQ(g32(i + 28), 4);
		EXPECT_EQ(g32(i + 32), size);
		EXPECT_EQ(g32(i + 40), 2);
		table = g32(i + 36);
		EXPECT_EQ(g32(table + size + addr), 2 * MIB);
		at = g32(table + 2 * size + addr);
		EXPECT(at % 16 == 0 && at >= MIB && is_file(0, at, bytes, 0x123));
		EXPECT_EQ(g32(table + 3 * size + addr), 0);
		expect_two_parts(2 * MIB);
	}
}

/* header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr */
static void set_addresses(u32 header, u32 start, u32 end, u32 bss, u32 entry)
{
	set_multiboot1(0x10003);
	set32(HEADER_AT + 12, header);
	set32(HEADER_AT + 16, start);
	set32(HEADER_AT + 20, end);
	set32(HEADER_AT + 24, bss);
	set32(HEADER_AT + 28, entry);
}

static void make_flat(void)
{
	noise(im.bytes, 0x8000);
	im.size = 0x8000;
}

TEST(load_multiboot1_addresses)
{
	reset();
	make_flat();
	set_addresses(MIB + 0x100, MIB, MIB + 0x5000, MIB + 0x9000, MIB + 0x42);
	put_file(5 * MIB, im.bytes, im.size, "");
	memset(m.memory + MIB, 0xff, 0x10000);
	if (!load())
		return;
	EXPECT(!strcmp(m.plan.format, "multiboot 1, address fields"));
	EXPECT_EQ(m.plan.state.eip, MIB + 0x42);
	EXPECT(is_file(0, MIB, 0x100, 0x5000));
	EXPECT(is_zero(MIB + 0x5000, 0x4000));
	EXPECT_EQ(m.memory[MIB + 0x9000], 0xff);
	EXPECT(!(g32(m.plan.state.ebx) & BIT(5)));

	reset(); /* the whole file, no bss */
	set_addresses(MIB + HEADER_AT, MIB, 0, 0, MIB);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (load())
		EXPECT(is_file(0, MIB, 0, 0x8000));
}

TEST(load_multiboot1_refusals)
{
	static const u32 wrong[][5] = {
		{MIB, MIB + 4, 0, 0, MIB + 4}, /* the header before the load address */
		{MIB + 0x201, MIB, 0, 0, MIB}, /* before the file */
		{MIB, MIB, MIB - 1, 0, MIB},
		{MIB, MIB, MIB + 0x1000, MIB + 0xfff, MIB},
		{MIB, MIB, MIB + 0x1000, 0, MIB + 0x1000}, /* entry */
	};

	for (u32 flag = 3; flag < 16; flag++) {
		reset();
		make_multiboot1_elf(32);
		set_multiboot1(BIT(flag));
		put_file(5 * MIB, im.bytes, im.size, "");
		expect_refusal(LOAD_UNSUPPORTED, "requires flags");
	}
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		reset();
		make_flat();
		set_addresses(wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], wrong[i][4]);
		put_file(5 * MIB, im.bytes, im.size, "");
		expect_refusal(LOAD_BAD, "L1's ");
	}
	reset();
	make_flat();
	set_addresses(MIB, MIB, MIB + 0x8000 - HEADER_AT + 1, 0, MIB);
	put_file(5 * MIB, im.bytes, im.size, "");
	expect_refusal(LOAD_TRUNCATED, "truncated");
	reset();
	make_flat();
	set_multiboot1(3);
	put_file(5 * MIB, im.bytes, im.size, "");
	expect_refusal(LOAD_TRUNCATED, "no whole ELF file");
}

/* --- ELF --- */

static void expect_elf_refusal(enum load_refusal code, const char *text)
{
	reset();
	put_file(5 * MIB, im.bytes, im.size, "");
	expect_refusal(code, text);
}

TEST(load_elf_header_refusals)
{
	make_multiboot1_elf(32);
	im.bytes[4] = 3;
	expect_elf_refusal(LOAD_BAD, "class 3");
	make_multiboot1_elf(32);
	set16(18, 62);
	expect_elf_refusal(LOAD_UNSUPPORTED, "machine 62");
	make_multiboot1_elf(64);
	set16(18, 183);
	expect_elf_refusal(LOAD_UNSUPPORTED, "machine 183");
	make_multiboot1_elf(32);
	set16(16, 1);
	expect_elf_refusal(LOAD_UNSUPPORTED, "type 1");
	make_multiboot1_elf(32);
	set16(44, 0);
	expect_elf_refusal(LOAD_BAD, "no program headers");
	make_multiboot1_elf(32);
	set32(28, (u32)im.size - 63);
	expect_elf_refusal(LOAD_TRUNCATED, "program headers");
	make_multiboot1_elf(64);
	set64(32, ~0ull - 10);
	expect_elf_refusal(LOAD_TRUNCATED, "program headers");
	make_multiboot1_elf(32);
	add_sections(32, 0);
	im.size--;
	expect_elf_refusal(LOAD_TRUNCATED, "section headers");
	make_multiboot1_elf(32);
	set32(24, 0xc0000000 + 2 * MIB - 1);
	expect_elf_refusal(LOAD_BAD, "entry point");
}

TEST(load_elf_segment_refusals)
{
	make_multiboot1_elf(32);
	im.size--;
	expect_elf_refusal(LOAD_TRUNCATED, "segment at 0x204000");
	make_multiboot1_elf(64);
	set64(64 + 56 + 8, ~0ull - 0x1000); /* its file offset */
	expect_elf_refusal(LOAD_TRUNCATED, "segment at 0x204000");
	make_multiboot1_elf(32);
	set32(52 + 20, 0x320f); /* its size in memory */
	expect_elf_refusal(LOAD_BAD, "more bytes in the file");
	make_multiboot1_elf(64);
	set64(64 + 56 + 24, BIT(32)); /* its physical address */
	expect_elf_refusal(LOAD_UNSUPPORTED, "below 4 GiB");
	make_multiboot1_elf(64);
	set64(64 + 56 + 24, ~0ull - 0x3000);
	expect_elf_refusal(LOAD_UNSUPPORTED, "below 4 GiB");
	make_multiboot1_elf(64);
	set64(64 + 56 + 40, ~0ull); /* its size */
	expect_elf_refusal(LOAD_UNSUPPORTED, "below 4 GiB");
}

static void expect_in_use(u64 at, u64 size, enum load_refusal code, const char *text)
{
	struct part part[] = {{2 * MIB, 0x1000, 0x1000}, {at, 0x10, size}};

	make_elf(32, part, 2, 2 * MIB);
	set_multiboot1(0);
	expect_elf_refusal(code, text);
}

TEST(load_into_memory_in_use)
{
	expect_in_use(L0_BASE + 0x1000, 0x1000, LOAD_IN_USE, "Nestling itself is at 0xe00000-0xefffff");
	expect_in_use(L0_BASE - 0x1000, 0x1001, LOAD_IN_USE, "Nestling");
	expect_in_use(0x9f000, 0x1000, LOAD_IN_USE, "0x9fc00-0x9ffff is in use (memory reserved");
	expect_in_use(0xf78000, 0x8001, LOAD_IN_USE, "0xf80000-0xf8ffff is in use (ACPI tables)");
	expect_in_use(0xf90000, 0x10, LOAD_IN_USE, "(ACPI memory)");
	expect_in_use(0xa0000, 0x10000, LOAD_IN_USE, "where there is not only RAM");
	expect_in_use(0xf00000, 0x80001, LOAD_IN_USE, "ACPI tables");
	expect_in_use(16 * MIB, 0x1000, LOAD_NO_MEMORY, "too little memory");
	expect_in_use(0xffffff, 0x10, LOAD_NO_MEMORY, "too little memory");
	expect_in_use(2 * MIB + 0xfff, 0x10, LOAD_IN_USE, "overlap");
	expect_in_use(2 * MIB - 0x10, 0x11, LOAD_IN_USE, "overlap");
	/* The nearest that fits. */
	make_elf(32, (struct part[]){{2 * MIB, 0x1000, 0x1000}, {2 * MIB + 0x1000, 0x10, 0x20}}, 2,
		 2 * MIB);
	set_multiboot1(0);
	reset();
	put_file(5 * MIB, im.bytes, im.size, "");
	load();
	make_elf(32, (struct part[]){{2 * MIB, 0x1000, 0x1000}, {L0_BASE - 0x1000, 0x10, 0x1000}}, 2,
		 2 * MIB);
	set_multiboot1(0);
	reset();
	put_file(5 * MIB, im.bytes, im.size, "");
	load();
}

/* Ranges of RAM that touch are as one. */
TEST(load_across_ranges_of_ram)
{
	reset();
	memmove(m.map + 5, m.map + 4, 5 * sizeof(m.map[0]));
	m.map[3].size = MIB + 0x1234;
	m.map[4] = (struct mem_range){2 * MIB + 0x1234, L0_BASE - 2 * MIB - 0x1234, MEM_RAM};
	m.in.map_count++;
	make_multiboot1_elf(32);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (load()) {
		expect_two_parts(2 * MIB);
		EXPECT_EQ(g32(m.plan.state.ebx + 8), (L0_BASE - MIB) / 1024);
	}
}

/* --- Multiboot 2 --- */

static u64 tag_of(u32 type, unsigned nth)
{
	u64 info = m.plan.state.ebx, at = info + 8;

	while (at < info + g32(info) && (g32(at) != type || nth--)) {
		if (!g32(at))
			return 0;
		at = (at + g32(at + 4) + 7) & ~7ull;
	}
	return at < info + g32(info) ? at : 0;
}

TEST(load_multiboot2_elf)
{
	for (int bits = 32; bits <= 64; bits += 32) {
		reset();
		make_elf(bits, two_parts, 2, 2 * MIB + 0x10);
		end_tags(begin_multiboot2());
		put_file(5 * MIB, im.bytes, im.size, "one two");
		if (!load())
			continue;
		EXPECT_EQ(m.plan.protocol, LOAD_MULTIBOOT2);
		EXPECT_EQ(m.plan.state.eip, 2 * MIB + 0x10);
		expect_multiboot_state(0x36d76289);
		expect_two_parts(2 * MIB);
	}
}

TEST(load_multiboot2_information)
{
	u64 t, base;
	u32 wanted[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 21};

	reset();
	make_elf(32, two_parts, 2, 2 * MIB);
	add_sections(32, 0x1000);
	end_tags(add_tag(begin_multiboot2(), 1, 0, wanted, ARRAY_LEN(wanted)));
	put_tags(true);
	put_file(5 * MIB, im.bytes, im.size, "one two");
	put_file(6 * MIB, "abcde", 5, "first module");
	put_file(7 * MIB, "fg", 2, "2nd");
	if (!load())
		return;
	base = m.plan.state.ebx;
	EXPECT(base % 8 == 0 && base >= 0x10000 && base < 0xa0000);
	t = tag_of(0, 0);
	EXPECT_EQ(t + 8, base + g32(base));
	EXPECT(!strcmp(string(tag_of(1, 0) + 8), "one two"));
	EXPECT(!strcmp(string(tag_of(2, 0) + 8), "GRUB 2.06"));
	t = tag_of(3, 1);
	EXPECT_EQ(g32(t + 8), 7 * MIB);
	EXPECT_EQ(g32(t + 12), 7 * MIB + 2);
	EXPECT(!strcmp(string(t + 16), "2nd"));
	EXPECT_EQ(g32(t + 4), 20);
	t = tag_of(4, 0);
	EXPECT_EQ(g32(t + 8), 639);
	EXPECT_EQ(g32(t + 12), (L0_BASE - MIB) / 1024);
	EXPECT_EQ(g32(tag_of(5, 0) + 8), 0x80);
	t = tag_of(6, 0);
	EXPECT_EQ(g32(t + 4), 16 + 24 * m.in.map_count);
	EXPECT_EQ(g32(t + 8), 24);
	EXPECT_EQ(g64(t + 16 + 3 * 24), MIB);
	EXPECT_EQ(g64(t + 16 + 3 * 24 + 8), L0_BASE - MIB);
	EXPECT_EQ(g32(t + 16 + 3 * 24 + 16), MEM_RAM);
	EXPECT_EQ(g64(tag_of(8, 0) + 8), framebuffer.base);
	t = tag_of(9, 0);
	EXPECT_EQ(g32(t + 4), 20 + 4 * 40);
	EXPECT_EQ(g32(t + 8), 4);
	EXPECT(is_file(0, g32(t + 20 + 2 * 40 + 12), PARTS_AT + 0x3210 + 0x1111, 0x123));
	EXPECT_EQ(g64(tag_of(12, 0) + 8), 0x123456789ab0);
	EXPECT(!memcmp(string(tag_of(15, 0) + 8), "RSD PTR copied", 14));
	EXPECT_EQ(g32(tag_of(21, 0) + 8), 2 * MIB);
	EXPECT_EQ(tag_of(14, 0), 0);
}

/* L0's memory is in no memory map, nor in the firmware's own. */
TEST(load_efi_map_without_l0)
{
	static const u64 want[][2] = {{0, 0x9f},
				      {MIB, (L0_BASE - MIB) / 4096},
				      {L0_BASE + L0_SIZE, (0x100000 + 0xef0000 - 0xf00000) / 4096},
				      {15 * MIB, 0x40}};
	u64 t;

	reset();
	make_elf(32, two_parts, 2, 2 * MIB);
	end_tags(begin_multiboot2());
	put_tags(true);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (!load())
		return;
	t = tag_of(17, 0);
	EXPECT_EQ(g32(t + 8), 48);
	EXPECT_EQ(g32(t + 12), 1);
	EXPECT_EQ(g32(t + 4), 16 + 4 * 48);
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(g64(t + 16 + 48 * i + 8), want[i][0]);
		EXPECT_EQ(g64(t + 16 + 48 * i + 24), want[i][1]);
	}
	EXPECT_EQ(g64(t + 16 + 48 * 3 + 32), 0x800000000000000f);
}

/* What boot services used is free, but the last to be taken. */
TEST(load_beside_boot_services)
{
	static const u64 used[] = {4, 0xfa0000, 0, 0x60};

	for (int i = 0; i < 2; i++) {
		reset();
		put_tags(true);
		/* The first descriptor of the map, which is the last tag but the end. */
		memcpy((u8 *)m.boot.tags + m.boot.tags_size - 8 - 4 * 48, used, i ? sizeof(used) : 4);
		make_linux(0x20000, 0x80000);
		put_file(5 * MIB, im.bytes, im.size, "");
		put_file(6 * MIB, im.bytes, 0x1000, "");
		if (load())
			EXPECT_EQ(g32(m.plan.state.esi + 0x218), i ? 0xf7f000 : 0xfff000);
		m.map[4].size = 0; /* now there is nothing else above */
		m.map[3].size = 2 * MIB + 0x80000;
		if (i && plan() == 0)
			EXPECT_EQ(m.plan.op[0].dst, 0xfff000);
	}
}

static void multiboot2_flat(u32 load_addr)
{
	u32 address[] = {MIB + HEADER_AT, load_addr, MIB + 0x5000, MIB + 0x9000}, entry = MIB + 0x42;
	u64 at;

	make_flat();
	at = begin_multiboot2();
	at = add_tag(at, 2, 0, address, 4);
	end_tags(add_tag(at, 3, 0, &entry, 1));
}

TEST(load_multiboot2_addresses)
{
	for (int i = 0; i < 2; i++) {
		reset();
		multiboot2_flat(i ? 0xffffffff : MIB);
		put_file(5 * MIB, im.bytes, im.size, "");
		if (!load())
			continue;
		EXPECT_EQ(m.plan.state.eip, MIB + 0x42);
		EXPECT(is_file(0, MIB, 0, 0x5000));
		EXPECT(is_zero(MIB + 0x5000, 0x4000));
		EXPECT_EQ(g32(tag_of(9, 0) + 8), 0);
	}
}

/* min, max, alignment, preference: 1 low, 2 high */
static bool relocated(u32 min, u32 max, u32 align, u32 preference)
{
	u32 words[] = {min, max, align, preference}, entry = 2 * MIB + 0x20;
	u64 at;

	reset();
	make_elf(64, two_parts, 2, 2 * MIB);
	at = add_tag(begin_multiboot2(), 10, 0, words, 4);
	end_tags(add_tag(at, 3, 0, &entry, 1));
	put_file(5 * MIB, im.bytes, im.size, "");
	return plan() == 0;
}

TEST(load_multiboot2_relocatable)
{
	EXPECT(relocated(0, 0xffffffff, 0x1000, 1) && m.plan.image_base == MIB);
	EXPECT(relocated(0, 0xffffffff, 0x200000, 1) && m.plan.image_base == 2 * MIB);
	EXPECT(relocated(0, 0xffffffff, 0x200000, 2) && m.plan.image_base == 12 * MIB);
	EXPECT(relocated(0, 0x1000000, 0x1000, 2) && m.plan.image_base == 0xff7000);
	EXPECT(relocated(3 * MIB + 1, 0xffffffff, 0, 0) && m.plan.image_base == 3 * MIB + 1);
	EXPECT(relocated(5 * MIB, 5 * MIB + 0x9000, 1, 0) && m.plan.image_base == 5 * MIB);
	EXPECT(relocated(0x10000, 0x20000, 0x1000, 0) && m.plan.image_base == 0x10000);
	EXPECT(relocated(8 * MIB, 9 * MIB, 0x1000, 1));
	EXPECT_EQ(m.plan.state.eip, 8 * MIB + 0x20);
	apply();
	expect_two_parts(8 * MIB);
	EXPECT_EQ(g32(tag_of(21, 0) + 8), 8 * MIB);
	EXPECT(!relocated(5 * MIB, 5 * MIB + 0x8fff, 1, 0));
	EXPECT(strstr(m.why, "impossible") != NULL);
	EXPECT(!relocated(5 * MIB, 4 * MIB, 1, 0));
	EXPECT(!relocated(0, 0xffffffff, 3, 0));
	EXPECT(!relocated(L0_BASE, L0_BASE + L0_SIZE, 1, 0));
	EXPECT(strstr(m.why, "too little memory") != NULL);
}

static void multiboot2_with(u16 type, u16 flags, const u32 *words, u32 count)
{
	reset();
	make_elf(32, two_parts, 2, 2 * MIB);
	end_tags(add_tag(begin_multiboot2(), type, flags, words, count));
	put_file(5 * MIB, im.bytes, im.size, "");
}

TEST(load_multiboot2_tags)
{
	u32 words[8] = {99};

	multiboot2_with(1, 0, words, 1);
	expect_refusal(LOAD_UNSUPPORTED, "information of type 99");
	multiboot2_with(1, 1, words, 1);
	load();
	words[0] = 13; /* SMBIOS: GRUB gave none */
	multiboot2_with(1, 0, words, 1);
	expect_refusal(LOAD_UNSUPPORTED, "information of type 13");
	multiboot2_with(11, 0, words, 1);
	expect_refusal(LOAD_UNSUPPORTED, "requires tag 11");
	multiboot2_with(11, 1, words, 1);
	load();
	for (u16 type = 4; type < 10; type++) {
		multiboot2_with(type, 0, words, 3);
		load();
	}
	multiboot2_with(7, 0, NULL, 0);
	put_tags(true);
	expect_refusal(LOAD_UNSUPPORTED, "boot services");
	multiboot2_with(7, 1, NULL, 0);
	put_tags(true);
	load();
	multiboot2_with(2, 0, words, 4);
	expect_refusal(LOAD_BAD, "without an entry");
	multiboot2_with(3, 0, words, 0);
	expect_refusal(LOAD_BAD, "too few");
	words[0] = 2 * MIB - 1;
	multiboot2_with(3, 0, words, 1);
	expect_refusal(LOAD_BAD, "entry point 0x1fffff");
}

TEST(load_multiboot2_header_without_end)
{
	static const u32 sizes[] = {7, 0, 0xffffffff, 0x8000, 0x7fffffff};

	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		reset();
		make_elf(32, two_parts, 2, 2 * MIB);
		add_tag(begin_multiboot2(), 4, 0, NULL, 0);
		set32(HEADER_AT + 20, sizes[i]);
		put_file(5 * MIB, im.bytes, im.size, "");
		expect_refusal(LOAD_BAD, "size of");
	}
	reset();
	make_flat();
	add_tag(begin_multiboot2(), 4, 0, NULL, 0);
	put_file(5 * MIB, im.bytes, HEADER_AT + 24, "");
	expect_refusal(LOAD_TRUNCATED, "no end");
}

/* --- Linux --- */

TEST(load_linux_parameters)
{
	const struct load_state *s = &m.plan.state;
	u64 p;

	reset();
	make_linux(0x20000, 0x80000);
	put_file(5 * MIB, im.bytes, im.size, "console=ttyS0 quiet");
	if (!load())
		return;
	p = s->esi;
	EXPECT_EQ(m.plan.protocol, LOAD_LINUX);
	EXPECT_EQ(s->eip, 3 * MIB);
	EXPECT_EQ(s->cs, 0x10);
	EXPECT_EQ(s->ds, 0x18);
	EXPECT_EQ(s->eflags, 2);
	EXPECT_EQ(s->ebp | s->edi | s->ebx, 0);
	EXPECT(p >= 0x80000 && p + 0x1000 < 0x90000);
	EXPECT(is_file(0, 3 * MIB, 5 * 512, 0x20000));
	EXPECT_EQ(m.plan.image_end, 3 * MIB + 0x80000);
	EXPECT_EQ(g32(p + 0x202), 0x53726448);
	EXPECT_EQ(m.memory[p + 0x210], 0x72);
	EXPECT_EQ(m.memory[p + 0x211], 0xa1);
	EXPECT_EQ(g32(p + 0x214), 3 * MIB);
	EXPECT_EQ(g32(p + 0x218) | g32(p + 0x21c), 0);
	EXPECT_EQ(g32(p + 0x230), 0x10000);
	EXPECT(!strcmp(string(g32(p + 0x228)), "BOOT_IMAGE=/boot/l1 console=ttyS0 quiet"));
	EXPECT_EQ(g64(p + 0x70), 0xf5a30);
	/* The text screen; nothing of the file but the header. */
	EXPECT_EQ(m.memory[p + 6], 3);
	EXPECT_EQ(m.memory[p + 7], 80);
	EXPECT_EQ(m.memory[p + 14], 25);
	EXPECT_EQ(m.memory[p + 15], 1);
	EXPECT_EQ(g16(p + 16), 16);
	EXPECT(is_zero(p + 0x78, 0x1e0 - 0x78));
	EXPECT(is_zero(p + 0x1e9, 0x1f1 - 0x1e9));
	EXPECT(is_zero(p + 0x26c, 0x2d0 - 0x26c));
	EXPECT_EQ(m.memory[p + 0x1e8], m.in.map_count);
	EXPECT_EQ(g64(p + 0x2d0 + 3 * 20), MIB);
	EXPECT_EQ(g64(p + 0x2d0 + 3 * 20 + 8), L0_BASE - MIB);
	EXPECT_EQ(g32(p + 0x2d0 + 3 * 20 + 16), 1);
	EXPECT(is_zero(p + 0x2d0 + 20 * m.in.map_count, 0xd00 - 0x2d0 - 20 * m.in.map_count));
}

TEST(load_linux_efi)
{
	u64 p, t;

	reset();
	put_tags(true);
	make_linux(0x20000, 0x80000);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (!load())
		return;
	p = m.plan.state.esi;
	EXPECT(!strcmp(string(g32(p + 0x228)), "BOOT_IMAGE=/boot/l1"));
	EXPECT_EQ(m.memory[p + 15], 0x70);
	EXPECT_EQ(g16(p + 0x12), 1024);
	EXPECT_EQ(g16(p + 0x14), 768);
	EXPECT_EQ(g16(p + 0x16), 32);
	EXPECT_EQ(g32(p + 0x18), 0xc0000000);
	EXPECT_EQ(g32(p + 0x1c), 4096 * 768);
	EXPECT_EQ(g16(p + 0x24), 4096);
	EXPECT_EQ(g64(p + 0x26), 0x1808000808081008);
	EXPECT_EQ(g32(p + 0x36), 2);
	EXPECT_EQ(g32(p + 0x3a), 4);
	EXPECT(!memcmp(string(p + 0x1c0), "EL64", 4));
	EXPECT_EQ(g32(p + 0x1c4), 0x56789ab0);
	EXPECT_EQ(g32(p + 0x1d8), 0x1234);
	EXPECT_EQ(g32(p + 0x1c8), 48);
	EXPECT_EQ(g32(p + 0x1cc), 1);
	EXPECT_EQ(g32(p + 0x1d4), 4 * 48);
	t = g32(p + 0x1d0);
	EXPECT_EQ(g64(t + 48 + 8), MIB);
	EXPECT_EQ(g64(t + 48 + 24), (L0_BASE - MIB) / 4096);
	EXPECT_EQ(g64(t + 96 + 8), L0_BASE + L0_SIZE);
	reset(); /* no EFI: a VESA framebuffer */
	put_tags(false);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (!load())
		return;
	p = m.plan.state.esi;
	EXPECT_EQ(m.memory[p + 15], 0x23);
	EXPECT_EQ(g32(p + 0x1c), 4096 * 768 / 65536);
	EXPECT_EQ(g32(p + 0x1c0), 0);
}

/* `initrd a b`, each where a multiple of 4 is. */
TEST(load_linux_initrd)
{
	u64 p, at;

	reset();
	make_linux(0x20000, 0x80000);
	put_file(5 * MIB, im.bytes, im.size, "");
	put_file(6 * MIB, "abcde", 5, "");
	put_file(7 * MIB, "", 0, "");
	put_file(8 * MIB, "fgh", 3, "");
	if (!load())
		return;
	p = m.plan.state.esi;
	at = g32(p + 0x218);
	EXPECT_EQ(at, 0xfff000);
	EXPECT_EQ(g32(p + 0x21c), 11);
	EXPECT(!memcmp(m.memory + at, "abcde\0\0\0fgh", 11));
	EXPECT_EQ(g16(p + 0x1fc), 0x100);
}

static u64 initrd_with(u64 base, u64 size, const char *args, u32 addr_max)
{
	static u8 bytes[FILE_MAX];

	reset();
	make_linux(0x20000, 0x80000);
	set32(0x22c, addr_max);
	put_file(5 * MIB, im.bytes, im.size, args);
	noise(bytes, size);
	put_file(base, bytes, size, "");
	if (!load())
		return 0;
	EXPECT(is_file(1, g32(m.plan.state.esi + 0x218), 0, size));
	return g32(m.plan.state.esi + 0x218);
}

TEST(load_linux_initrd_place)
{
	EXPECT_EQ(initrd_with(7 * MIB, 0x1001, "", 0x7fffffff), 0xffe000);
	/* Over itself, up and down; where the kernel goes. */
	EXPECT_EQ(initrd_with(11 * MIB, 3 * MIB, "", 0x7fffffff), 11 * MIB);
	EXPECT_EQ(initrd_with(10 * MIB, 3 * MIB, "", 0x7fffffff), 11 * MIB);
	EXPECT_EQ(initrd_with(2 * MIB, 2 * MIB, "", 0x7fffffff), 12 * MIB);
	EXPECT_EQ(initrd_with(11 * MIB, 2 * MIB, "", 12 * MIB + 0xffff), 10 * MIB - 0x1000);
	/* What the kernel or its user does not want used. */
	EXPECT_EQ(initrd_with(7 * MIB, 0x1000, "a mem=8m b", 0x7fffffff), 8 * MIB - 0x11000);
	EXPECT_EQ(initrd_with(7 * MIB, 0x1000, "mem=8192K", 0x7fffffff), 8 * MIB - 0x11000);
	EXPECT_EQ(initrd_with(7 * MIB, 0x1000, "mem=8388608", 0x7fffffff), 8 * MIB - 0x11000);
	EXPECT_EQ(initrd_with(7 * MIB, 0x1000, "xmem=8m mem=99999999999999999999G", 0x7fffffff),
		  0xfff000);
	EXPECT_EQ(initrd_with(7 * MIB, 0x1000, "", 0x900000), 0x8ef000);
	/* Under the kernel, where there is no room above. */
	EXPECT_EQ(initrd_with(7 * MIB, 0x1000, "", 3 * MIB + 0x20000), 3 * MIB - 0x1000);
}

TEST(load_linux_place)
{
	reset(); /* its preferred place is not RAM: the lowest from 16 MiB on, so nowhere here */
	make_linux(0x20000, 0x80000);
	set64(0x258, 0x9f000);
	put_file(5 * MIB, im.bytes, im.size, "");
	expect_refusal(LOAD_NO_MEMORY, "too little memory");
	reset();
	m.map[0].size = 0x9fc00; /* a gap in its place */
	m.map[3].size = MIB;
	m.map[4] = (struct mem_range){0x1004000, 0x1000000, MEM_RAM};
	m.in.map_count = 5;
	set64(0x258, 3 * MIB);
	put_file(MIB, im.bytes, im.size, "");
	EXPECT_EQ(plan(), 0);
	EXPECT_EQ(m.plan.image_base, 0x1010000);
	m.map[4].size = 0x81000; /* room only with its least alignment */
	EXPECT_EQ(plan(), 0);
	EXPECT_EQ(m.plan.image_base, 0x1004000);
	EXPECT_EQ(m.plan.info[0x231], 0x40);
	reset(); /* not relocatable */
	im.bytes[0x234] = 0;
	set32(0x214, 0x100010);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (load()) {
		EXPECT_EQ(m.plan.image_base, MIB);
		EXPECT_EQ(m.plan.state.eip, MIB + 0x10);
	}
}

TEST(load_linux_old)
{
	for (u16 version = 0x203; version <= 0x20f; version++) {
		reset();
		make_linux(0x20000, 0x80000);
		set16(0x206, version);
		im.bytes[0x1f1] = 0; /* means 4 */
		put_file(5 * MIB, im.bytes, im.size, "");
		if (!load())
			continue;
		EXPECT_EQ(m.plan.image_base, version < 0x20a ? MIB : 3 * MIB);
		EXPECT(is_file(0, m.plan.image_base, 5 * 512, 0x20000));
		EXPECT_EQ(g64(m.plan.state.esi + 0x70), version < 0x20e ? 0 : 0xf5a30);
	}
}

TEST(load_linux_refusals)
{
	static char args[1024];

	make_linux(0x20000, 0x80000);
	set16(0x206, 0x202);
	expect_elf_refusal(LOAD_UNSUPPORTED, "boot protocol 2.02");
	make_linux(0x20000, 0x80000);
	im.bytes[0x211] = 0;
	expect_elf_refusal(LOAD_UNSUPPORTED, "zImage");
	make_linux(0x20000, 0x80000);
	im.bytes[0x1f1] = 65;
	expect_elf_refusal(LOAD_BAD, "setup sectors");
	make_linux(0x20000, 0x80000);
	im.size = 5 * 512;
	expect_elf_refusal(LOAD_TRUNCATED, "code begins at 0xa00");
	make_linux(0x20000, 0x80000);
	im.size -= 16;
	expect_elf_refusal(LOAD_TRUNCATED, "0x1fff0 are there");
	make_linux(0x20000, 0x80000);
	im.size = 0x3ff;
	expect_elf_refusal(LOAD_TRUNCATED, "0x3ff bytes");
	make_linux(0x20000, 0x80000);
	set32(0x214, 0xfffff);
	expect_elf_refusal(LOAD_BAD, "entry point");
	make_linux(0x20000, 0x80000);
	set32(0x214, 0x100000 + 0x80000);
	expect_elf_refusal(LOAD_BAD, "entry point");
	make_linux(0x20000, 0xffffffff);
	expect_elf_refusal(LOAD_NO_MEMORY, "too little memory");
	/* The command line: its longest, and one more. */
	memset(args, 'x', 100);
	make_linux(0x20000, 0x80000);
	set32(0x238, 20 + 100);
	reset();
	put_file(5 * MIB, im.bytes, im.size, args);
	load();
	set32(0x238, 20 + 99);
	reset();
	put_file(5 * MIB, im.bytes, im.size, args);
	expect_refusal(LOAD_UNSUPPORTED, "has 120 characters");
}

/* More ranges than boot_params holds go into a list of their own. */
TEST(load_linux_long_map)
{
	u64 p, x;

	reset();
	for (unsigned i = 0; i < 132; i++)
		m.map[9 + i] = (struct mem_range){BIT(33) + i * 0x2000, 0x1000, MEM_RESERVED};
	m.map[10].base = m.map[9].base + 0x1000; /* one with its neighbour */
	m.in.map_count = 9 + 132;
	make_linux(0x20000, 0x80000);
	put_file(5 * MIB, im.bytes, im.size, "");
	if (!load())
		return;
	p = m.plan.state.esi;
	EXPECT_EQ(m.memory[p + 0x1e8], 128);
	EXPECT_EQ(g64(p + 0x2d0 + 9 * 20 + 8), 0x2000);
	EXPECT_EQ(g64(p + 0x2d0 + 127 * 20), m.map[128].base);
	x = g64(p + 0x250);
	EXPECT_EQ(g64(x), 0);
	EXPECT_EQ(g32(x + 8), 1);
	EXPECT_EQ(g32(x + 12), 12 * 20);
	EXPECT_EQ(g64(x + 16), m.map[129].base);
	EXPECT_EQ(g64(x + 16 + 11 * 20), m.map[140].base);
	set16(0x206, 0x208);
	m.in.image = guarded(m.in.image, im.bytes, im.size);
	expect_refusal(LOAD_UNSUPPORTED, "takes 128");
}

/* --- What can go wrong with any --- */

TEST(load_without_l1)
{
	reset();
	expect_refusal(LOAD_UNKNOWN, "no L1 given");
	put_file(5 * MIB, "", 0, "");
	expect_refusal(LOAD_UNKNOWN, "no L1 given");
}

TEST(load_unknown_format)
{
	make_flat();
	expect_elf_refusal(LOAD_UNKNOWN, "no known format");
	im.size = 1;
	expect_elf_refusal(LOAD_UNKNOWN, "no known format");
	make_elf(32, two_parts, 2, 2 * MIB); /* without a header */
	expect_elf_refusal(LOAD_UNKNOWN, "no known format");
	set_multiboot1(3);
	set32(HEADER_AT + 8, 1);
	expect_elf_refusal(LOAD_UNKNOWN, "no known format");
}

static void ask(const char *protocol, enum load_refusal code, const char *words)
{
	m.in.protocol = protocol;
	if (words)
		expect_refusal(code, words);
	else
		EXPECT_EQ(plan(), 0);
}

TEST(load_protocol)
{
	reset();
	make_multiboot1_elf(32);
	put_file(5 * MIB, im.bytes, im.size, "");
	ask(NULL, 0, NULL);
	ask("", 0, NULL);
	ask("auto", 0, NULL);
	ask("multiboot", 0, NULL);
	ask("multiboot2", LOAD_UNKNOWN,
	    "no multiboot2 image, which protocol= asks for: it is a multiboot image");
	ask("linux", LOAD_UNKNOWN, "no linux image, which protocol= asks for: it is a multiboot image");
	ask("multiboot1", LOAD_UNSUPPORTED, "protocol=multiboot1 is not known");
	make_linux(0x3000, 0x80000);
	reset();
	put_file(5 * MIB, im.bytes, im.size, "");
	ask("linux", 0, NULL);
	EXPECT(m.plan.protocol == LOAD_LINUX);
	ask("multiboot", LOAD_UNKNOWN, "it is a linux image");
	reset();
	put_file(5 * MIB, "abcd", 4, "");
	ask("linux", LOAD_UNKNOWN, "no other known format");
}

TEST(load_with_little_memory)
{
	static u8 bytes[FILE_MAX];

	reset(); /* a module that must move, and nowhere to go */
	m.map[3].size = 4 * MIB;
	m.in.map_count = 4;
	make_multiboot1_elf(32);
	put_file(0x20000, im.bytes, im.size, "");
	put_file(MIB, bytes, 3 * MIB, "");
	expect_refusal(LOAD_NO_MEMORY, "for module 1");
	reset(); /* L1's own file */
	m.map[3].size = 4 * MIB;
	m.in.map_count = 4;
	make_elf(32, (struct part[]){{MIB, 3 * MIB, 3 * MIB}}, 1, MIB);
	set_multiboot1(3);
	put_file(2 * MIB, im.bytes, im.size, "");
	expect_refusal(LOAD_NO_MEMORY, "out of its own way");
	reset(); /* an initrd */
	make_linux(0x20000, 0x80000);
	m.map[3].size = 3 * MIB;
	m.in.map_count = 4;
	put_file(0x20000, im.bytes, im.size, "");
	put_file(MIB, bytes, 2 * MIB + 1, "");
	expect_refusal(LOAD_NO_MEMORY, "initrd");
	reset(); /* a module in L0 */
	make_multiboot1_elf(32);
	put_file(5 * MIB, im.bytes, im.size, "");
	put_file(L0_BASE - 0x1000, bytes, 0x1001, "");
	expect_refusal(LOAD_IN_USE, "module 1 lies in Nestling's own memory");
}

static bool is_free(u64 base, u64 size)
{
	if (!in_ram(base, size))
		return false;
	for (unsigned i = 0; i < m.boot.module_count; i++) {
		const struct boot_module *o = &m.boot.module[i];
		if (base < o->base + o->size && o->base < base + size)
			return false;
	}
	return true;
}

/* Somewhere in RAM, on a page, beside the others: as GRUB does. */
static bool put_anywhere(const u8 *bytes, u64 size)
{
	for (int tries = 0; tries < 1000; tries++) {
		u64 base = rnd() % MEMORY & ~0xfffull;
		if (base && is_free(base, size ? size : 1)) {
			put_file(base, bytes, size, "x");
			return true;
		}
	}
	return false;
}

/* Multiboot 1 and 2 in turns, with 1 to 3 segments between 1 and 8 MiB. */
static unsigned random_image(struct part *part, bool second)
{
	unsigned count = 1 + rnd() % 3;
	u64 at = MIB + rnd() % (2 * MIB);

	for (unsigned i = 0; i < count; i++) {
		part[i].paddr = at;
		part[i].filesz = 1 + rnd() % (rnd() % 2 ? MIB : 0x3000);
		part[i].memsz = part[i].filesz + rnd() % (rnd() % 2 ? MIB : 0x1000);
		at += part[i].memsz + rnd() % 0x10000;
	}
	make_elf(second ? 64 : 32, part, count, part[count - 1].paddr);
	if (rnd() % 2)
		add_sections(second ? 64 : 32, part[0].paddr);
	if (second)
		end_tags(begin_multiboot2());
	else
		set_multiboot1(3);
	return count;
}

static void expect_parts(const struct part *part, unsigned count)
{
	u64 offset = PARTS_AT;

	for (unsigned i = 0; i < count; i++) {
		EXPECT(is_file(0, part[i].paddr, offset, part[i].filesz));
		EXPECT(is_zero(part[i].paddr + part[i].filesz, part[i].memsz - part[i].filesz));
		offset += part[i].filesz;
	}
}

static void expect_modules(bool second)
{
	for (unsigned i = 1; i < m.boot.module_count; i++) {
		u64 entry = second ? tag_of(3, i - 1) + 8 : g32(m.plan.state.ebx + 24) + 16 * (i - 1);
		EXPECT(g32(entry) % 4096 == 0);
		EXPECT_EQ(g32(entry + 4) - g32(entry), m.boot.module[i].size);
		EXPECT(is_file(i, g32(entry), 0, m.boot.module[i].size));
	}
}

/* Wherever GRUB put the files, all ends up in its place, bit by bit. */
TEST(load_from_anywhere)
{
	static u8 bytes[FILE_MAX];
	struct part part[3];
	unsigned loaded = 0, rounds = 300;

	noise(bytes, sizeof(bytes));
	for (unsigned round = 0; round < rounds; round++) {
		bool second = rnd() % 2;
		unsigned count = random_image(part, second), modules = rnd() % 5;
		reset();
		if (!put_anywhere(im.bytes, im.size))
			continue;
		for (unsigned i = 0; i < modules; i++)
			put_anywhere(bytes + rnd() % 4096, 1 + rnd() % (rnd() % 2 ? MIB : 0x3000));
		if (plan()) {
			EXPECT(strstr(m.why, "too little memory") != NULL);
			continue;
		}
		loaded++;
		EXPECT(plan_is_sound());
		apply();
		expect_parts(part, count);
		expect_modules(second);
		EXPECT(!memcmp(m.memory + m.plan.info_base, m.plan.info, m.plan.info_size));
	}
	EXPECT(loaded > rounds * 9 / 10);
}

TEST(load_linux_from_anywhere)
{
	static u8 bytes[FILE_MAX];
	unsigned loaded = 0, rounds = 200;

	noise(bytes, sizeof(bytes));
	for (unsigned round = 0; round < rounds; round++) {
		u64 code = 1 + rnd() % (2 * MIB), at, end = 0;
		unsigned modules = rnd() % 4;
		make_linux(code, (u32)(code + rnd() % MIB));
		reset();
		if (!put_anywhere(im.bytes, im.size))
			continue;
		for (unsigned i = 0; i < modules; i++)
			put_anywhere(bytes + rnd() % 4096, 1 + rnd() % (rnd() % 2 ? MIB : 0x3000));
		if (plan()) {
			EXPECT(strstr(m.why, "too little memory") != NULL);
			continue;
		}
		loaded++;
		EXPECT(plan_is_sound());
		apply();
		EXPECT(is_file(0, m.plan.image_base, 5 * 512, code));
		at = g32(m.plan.state.esi + 0x218);
		for (unsigned i = 1; i < m.boot.module_count; i++) {
			end = (end + 3) & ~3ull;
			EXPECT(is_file(i, at + end, 0, m.boot.module[i].size));
			end += m.boot.module[i].size;
		}
		EXPECT_EQ(g32(m.plan.state.esi + 0x21c), end);
	}
	EXPECT(loaded > rounds * 9 / 10);
}

/* Any bytes give a plan that stays in L1's RAM, or a refusal of one line. */
static void expect_anything(void)
{
	int r = plan();

	EXPECT(r <= 0 && r >= LOAD_NO_MEMORY);
	if (!r)
		EXPECT(plan_is_sound());
	else
		EXPECT(*m.why && !strchr(m.why, '\n') && strlen(m.why) < sizeof(m.why) - 1);
}

static void damage(u8 *image, u64 size)
{
	static const u32 values[] = {0,          1,          0x7fffffff, 0x80000000,
				     0xffffffff, 0xfffffff0, 0x1000,     0x10000};

	for (unsigned n = 1 + rnd() % 4; n; n--) {
		u64 at = rnd() % (rnd() % 4 ? 0x300 : size);
		u32 v = rnd() % 2 ? values[rnd() % ARRAY_LEN(values)] : rnd();
		if (at + 4 <= size)
			memcpy(image + at, &v, 1 + rnd() % 4);
	}
}

TEST(load_damaged_images)
{
	static u8 damaged[0x10000];
	struct part part[3];

	for (unsigned round = 0; round < 20000; round++) {
		u64 size;
		if (round % 3000 == 0)
			make_linux(0x3000, 0x80000);
		else if (round % 1000 == 0)
			random_image(part, round % 2000 == 0);
		size = im.size < sizeof(damaged) ? im.size : sizeof(damaged);
		if (rnd() % 4 == 0)
			size = rnd() % size;
		memcpy(damaged, im.bytes, size);
		if (size)
			damage(damaged, size);
		reset();
		put_file(5 * MIB, damaged, size, "x");
		put_file(2 * MIB, "abc", 3, "x");
		expect_anything();
	}
}

TEST(load_random_bytes)
{
	for (unsigned round = 0; round < 300; round++) {
		im.size = 1 + rnd() % 0x10000;
		noise(im.bytes, im.size);
		reset();
		put_file(5 * MIB, im.bytes, im.size, "x");
		expect_anything();
	}
}
