/*
 * Multiboot 1. Multiboot Specification 0.6.96: "OS image format", "Machine state", "Boot information
 * format". The video mode that a header may ask for is ignored: the screen stays as GRUB left it, and
 * the information says how that is.
 */
#include "vmm/load_parts.h"

#define SEARCH 8192
#define MAGIC 0x1badb002u
#define FLAGS_REFUSED 0xfff8u /* mandatory, and nobody knows what they mean */
#define FLAG_ADDRESSES BIT(16)

#define INFO_MEMORY BIT(0)
#define INFO_BOOTDEV BIT(1)
#define INFO_CMDLINE BIT(2)
#define INFO_MODS BIT(3)
#define INFO_ELF_SHDR BIT(5)
#define INFO_MMAP BIT(6)
#define INFO_LOADER_NAME BIT(9)
#define INFO_VBE BIT(11)
#define INFO_FRAMEBUFFER BIT(12)

/* Offsets in the information. */
enum {
	I_FLAGS = 0,
	I_MEM_LOWER = 4,
	I_MEM_UPPER = 8,
	I_BOOT_DEVICE = 12,
	I_CMDLINE = 16,
	I_MODS_COUNT = 20,
	I_MODS_ADDR = 24,
	I_ELF_NUM = 28,
	I_ELF_SIZE = 32,
	I_ELF_ADDR = 36,
	I_ELF_SHNDX = 40,
	I_MMAP_LENGTH = 44,
	I_MMAP_ADDR = 48,
	I_LOADER_NAME = 64,
	I_VBE_CONTROL = 72,
	I_VBE_MODE_INFO = 76,
	I_VBE_MODE = 80, /* and the protected mode interface */
	I_FB_ADDR = 88,
	I_FB_PITCH = 96,
	I_FB_WIDTH = 100,
	I_FB_HEIGHT = 104,
	I_FB_BPP = 108,
	I_FB_TYPE = 109,
	I_FB_COLOURS = 110,
	INFO_SIZE = 116
};

#define TAG_BOOTDEV 5 /* of GRUB's information for L0 */
#define TAG_VBE 7

static bool find_header(const struct load_work *l, u64 *at)
{
	const u8 *p = l->in->image;

	for (u64 o = 0; o + 12 <= SEARCH && load_has(l, o, 12); o += 4) {
		if (get32(p + o) == MAGIC && !(MAGIC + get32(p + o + 4) + get32(p + o + 8))) {
			*at = o;
			return true;
		}
	}
	return false;
}

/* "The address fields of Multiboot header": the file's bytes from that of load_addr on, and bss. */
int load_by_addresses(struct load_work *l, u64 at, const u8 *fields, u64 load)
{
	u64 file = l->in->boot->module[0].size;
	u64 header_addr = get32(fields), load_end = get32(fields + 8), bss_end = get32(fields + 12);
	u64 offset, size;

	if (load > header_addr || header_addr - load > at)
		return load_refuse(
			l, LOAD_BAD,
			"L1's multiboot header puts byte 0x%lx of the file at 0x%lx and begins to "
			"load at 0x%lx: these do not agree",
			at, header_addr, load);
	offset = at - (header_addr - load);
	size = load_end ? load_end - load : file - offset;
	if ((load_end && load_end < load) || (bss_end && bss_end < load + size))
		return load_refuse(
			l, LOAD_BAD,
			"L1's multiboot header has it loaded from 0x%lx to 0x%lx and its bss end at "
			"0x%lx: these must ascend",
			load, load_end ? load_end : load + size, bss_end);
	if (!load_has(l, offset, size))
		return load_refuse(
			l, LOAD_TRUNCATED,
			"L1 is truncated: its multiboot header loads 0x%lx bytes from 0x%lx of the "
			"file on, and it has 0x%lx",
			size, offset, file);
	l->load_base = load;
	return load_segment_add(
		l, &(struct load_segment){load, bss_end ? bss_end - load : size, offset, size, true});
}

static int parse(struct load_work *l)
{
	u64 at;
	u32 flags;
	int r;

	if (!find_header(l, &at))
		return 0;
	flags = get32(l->in->image + at + 4);
	if (flags & FLAGS_REFUSED)
		return load_refuse(l, LOAD_UNSUPPORTED,
				   "L1's multiboot header requires flags 0x%x, which are not "
				   "defined: clear them",
				   (u32)(flags & FLAGS_REFUSED));
	if (flags & FLAG_ADDRESSES) {
		l->plan->format = "multiboot 1, address fields";
		if (!load_has(l, at, 32))
			return load_refuse(l, LOAD_TRUNCATED, "L1 is truncated in its multiboot header");
		r = load_by_addresses(l, at, l->in->image + at + 12, get32(l->in->image + at + 16));
		l->entry = get32(l->in->image + at + 28);
	} else {
		r = load_elf(l, true);
		l->plan->format = l->in->image[4] == 2 ? "multiboot 1, ELF64" : "multiboot 1, ELF32";
	}
	return r ? r : 1;
}

static void put_modules(struct load_work *l)
{
	const struct boot_info *b = l->in->boot;
	unsigned count = b->module_count - 1;
	size_t list;

	if (!count)
		return;
	list = load_put(l, NULL, 16 * (size_t)count, 4);
	load_set32(l, I_MODS_COUNT, count);
	load_set32(l, I_MODS_ADDR, load_info_at(l, list));
	for (unsigned i = 1; i <= count; i++, list += 16) {
		load_set32(l, list, (u32)l->module_at[i]);
		load_set32(l, list + 4, (u32)(l->module_at[i] + b->module[i].size));
		load_set32(l, list + 8, load_info_at(l, load_put_string(l, b->module[i].args)));
	}
}

static void put_memory(struct load_work *l)
{
	const struct load_in *in = l->in;
	u32 lower, upper;
	size_t at = load_put(l, NULL, 24 * (size_t)in->map_count, 4);

	load_set32(l, I_MMAP_ADDR, load_info_at(l, at));
	load_set32(l, I_MMAP_LENGTH, 24 * in->map_count);
	for (unsigned i = 0; i < in->map_count; i++, at += 24) {
		load_set32(l, at, 20);
		load_set64(l, at + 4, in->map[i].base);
		load_set64(l, at + 12, in->map[i].size);
		load_set32(l, at + 20, in->map[i].type);
	}
	load_memory_kib(in, &lower, &upper);
	load_set32(l, I_MEM_LOWER, lower);
	load_set32(l, I_MEM_UPPER, upper);
}

static void put_elf(struct load_work *l)
{
	load_set32(l, I_ELF_NUM, l->elf.count);
	load_set32(l, I_ELF_SIZE, l->elf.entry_size);
	load_set32(l, I_ELF_ADDR, load_info_at(l, load_put_elf_sections(l)));
	load_set32(l, I_ELF_SHNDX, l->elf.names);
}

/* "vbe_control_info" and what follows: the tag holds the same in the order of the last member first. */
static void put_vbe(struct load_work *l, const u8 *tag)
{
	size_t at = load_put(l, tag + 16, 512 + 256, 4);

	load_set32(l, I_VBE_CONTROL, load_info_at(l, at));
	load_set32(l, I_VBE_MODE_INFO, load_info_at(l, at + 512));
	load_set64(l, I_VBE_MODE, get64(tag + 8));
}

static void put_screen(struct load_work *l, const struct load_screen *s)
{
	load_set64(l, I_FB_ADDR, s->base);
	load_set32(l, I_FB_PITCH, s->pitch);
	load_set32(l, I_FB_WIDTH, s->width);
	load_set32(l, I_FB_HEIGHT, s->height);
	load_set8(l, I_FB_BPP, s->bpp);
	load_set8(l, I_FB_TYPE, s->kind == SCREEN_INDEXED ? 0 : s->kind == SCREEN_RGB ? 1 : 2);
	if (s->kind == SCREEN_RGB) {
		for (unsigned i = 0; i < 6; i++)
			load_set8(l, I_FB_COLOURS + i, s->mask[i]);
	} else if (s->kind == SCREEN_INDEXED) {
		size_t at = load_put(l, s->palette, 3 * (size_t)s->colours, 4);
		load_set32(l, I_FB_COLOURS, load_info_at(l, at));
		load_set16(l, I_FB_COLOURS + 4, (u16)s->colours);
	}
}

/* The BIOS's disk, and slice and partition where known, as bytes from the top. */
static u32 boot_device(const u8 *tag)
{
	return (get32(tag + 8) & 0xff) << 24 | (get32(tag + 12) & 0xff) << 16 |
	       (get32(tag + 16) & 0xff) << 8 | 0xff;
}

static void info(struct load_work *l)
{
	const struct boot_info *b = l->in->boot;
	const u8 *bootdev = load_tag(l->in, TAG_BOOTDEV, 20), *vbe = load_tag(l->in, TAG_VBE, 784);
	u32 flags = INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER_NAME;
	struct load_screen screen;

	load_put(l, NULL, INFO_SIZE, 4);
	load_set32(l, I_CMDLINE, load_info_at(l, load_put_string(l, b->module[0].args)));
	load_set32(l, I_LOADER_NAME, load_info_at(l, load_put_string(l, b->loader)));
	put_modules(l);
	if (b->module_count > 1)
		flags |= INFO_MODS;
	put_memory(l);
	if (bootdev) {
		load_set32(l, I_BOOT_DEVICE, boot_device(bootdev));
		flags |= INFO_BOOTDEV;
	}
	if (l->elf.count) {
		put_elf(l);
		flags |= INFO_ELF_SHDR;
	}
	if (vbe) {
		put_vbe(l, vbe);
		flags |= INFO_VBE;
	}
	load_tag_screen(l->in, &screen);
	if (screen.kind != SCREEN_NONE) {
		put_screen(l, &screen);
		flags |= INFO_FRAMEBUFFER;
	}
	load_set32(l, I_FLAGS, flags);
}

const struct load_format load_multiboot1 = {
	.protocol = LOAD_MULTIBOOT1,
	.name = "multiboot",
	.parse = parse,
	.modules = load_modules_each,
	.info = info,
	/* As GRUB has it: low, over the firmware's data. */
	.info_want = {0, 16, 0x10000, 0xa0000, false, -1},
};
