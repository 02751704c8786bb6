/*
 * Linux bzImage. Documentation/arch/x86/boot.rst: "The Real-Mode Kernel Header", "32-bit Boot
 * Protocol"; zero-page.rst. What that leaves open is as with GRUB's `linux` and `initrd` commands.
 */
#include "vmm/load_parts.h"

#define OLDEST 0x0203 /* the oldest version that GRUB starts in 32-bit mode */
#define LINK_ADDRESS 0x100000 /* what code32_start refers to */
#define RELOCATE_MIN 0x1000000 /* where GRUB begins to look for a place */
#define INITRD_MAX 0x37ffffff /* old kernels map no more, whatever they say */
#define INITRD_MARGIN 0x10000 /* and some must not get their last bytes */

/* boot_params; below HEADER, and from HEADER_MAX on, the file's bytes are not the kernel's. */
enum {
	P_EXT_MEM = 0x002,
	P_VIDEO_MODE = 0x006,
	P_VIDEO_COLS = 0x007,
	P_VIDEO_LINES = 0x00e,
	P_VIDEO_TYPE = 0x00f,
	P_VIDEO_POINTS = 0x010,
	P_LFB_WIDTH = 0x012,
	P_LFB_HEIGHT = 0x014,
	P_LFB_DEPTH = 0x016,
	P_LFB_BASE = 0x018,
	P_LFB_SIZE = 0x01c,
	P_CL_MAGIC = 0x020,
	P_CL_OFFSET = 0x022,
	P_LFB_PITCH = 0x024,
	P_MASK_SIZE = 0x026, /* size and position of red, green, blue, and the rest */
	P_CAPABILITIES = 0x036,
	P_EXT_LFB_BASE = 0x03a,
	P_RSDP = 0x070,
	P_EFI_SIGNATURE = 0x1c0,
	P_EFI_SYSTAB = 0x1c4,
	P_EFI_MEMDESC_SIZE = 0x1c8,
	P_EFI_MEMDESC_VERSION = 0x1cc,
	P_EFI_MEMMAP = 0x1d0,
	P_EFI_MEMMAP_SIZE = 0x1d4,
	P_EFI_SYSTAB_HI = 0x1d8,
	P_ALT_MEM = 0x1e0,
	P_E820_ENTRIES = 0x1e8,
	HEADER = 0x1f1,
	H_SETUP_SECTS = 0x1f1,
	H_SYSSIZE = 0x1f4,
	H_ROOT_DEV = 0x1fc,
	H_BOOT_FLAG = 0x1fe,
	H_LENGTH = 0x201,
	H_MAGIC = 0x202,
	H_VERSION = 0x206,
	H_LOADER = 0x210,
	H_LOADFLAGS = 0x211,
	H_CODE32_START = 0x214,
	H_RAMDISK_IMAGE = 0x218,
	H_RAMDISK_SIZE = 0x21c,
	H_HEAP_END = 0x224,
	H_CMD_LINE_PTR = 0x228,
	H_INITRD_ADDR_MAX = 0x22c,
	H_KERNEL_ALIGNMENT = 0x230,
	H_RELOCATABLE = 0x234,
	H_MIN_ALIGNMENT = 0x235,
	H_CMDLINE_SIZE = 0x238,
	H_SETUP_DATA = 0x250,
	H_PREF_ADDRESS = 0x258,
	H_INIT_SIZE = 0x260,
	HEADER_MAX = 0x290,
	P_E820_TABLE = 0x2d0,
	PARAMS_SIZE = 0x1000
};

#define LOADED_HIGH 0x01 /* loadflags */
#define QUIET 0x20
#define CAN_USE_HEAP 0x80

#define E820_ENTRY 20
#define E820_MAX 128
#define SETUP_E820_EXT 1

#define VIDEO_TEXT 0x01
#define VIDEO_VESA 0x23
#define VIDEO_EFI 0x70
#define CAPABILITY_64BIT_BASE 2

#define TAG_EFI32 11 /* of GRUB's information for L0 */
#define TAG_EFI64 12
#define TAG_EFI_MMAP 17

/* GRUB puts the file's name in front of the arguments. tools/ names L1 so on GRUB's side, too. */
static const char prefix[] = "BOOT_IMAGE=/boot/l1";

static u16 version(const struct load_work *l)
{
	return get16(l->in->image + H_VERSION);
}

static u32 field32(const struct load_work *l, unsigned offset)
{
	return get32(l->in->image + offset);
}

static bool probe(const struct load_work *l)
{
	const u8 *p = l->in->image;

	return load_has(l, 0, H_MAGIC + 4) && get16(p + H_BOOT_FLAG) == 0xaa55 &&
	       !memcmp(p + H_MAGIC, "HdrS", 4);
}

static int check_version(struct load_work *l)
{
	const u8 *p = l->in->image;

	if (!load_has(l, 0, 0x400))
		return load_refuse(l, LOAD_TRUNCATED, "L1 is truncated: a Linux kernel of 0x%lx bytes",
				   l->in->boot->module[0].size);
	if (version(l) < OLDEST)
		return load_refuse(
			l, LOAD_UNSUPPORTED,
			"L1 is a Linux kernel of boot protocol %u.%02u: 2.03 is the oldest with a 32-bit entry",
			version(l) >> 8, version(l) & 0xff);
	if (!(p[H_LOADFLAGS] & LOADED_HIGH))
		return load_refuse(l, LOAD_UNSUPPORTED,
				   "L1 is a Linux zImage, without a 32-bit entry: build a bzImage");
	if (p[H_SETUP_SECTS] > 64)
		return load_refuse(l, LOAD_BAD,
				   "L1 is a Linux kernel with %u setup sectors, but 64 are the most",
				   p[H_SETUP_SECTS]);
	return 0;
}

/* The protected-mode part follows the boot sector and the setup sectors (0 means 4). */
static int check_size(struct load_work *l, u64 *size)
{
	const u8 *p = l->in->image;
	u64 file = l->in->boot->module[0].size;
	u32 offset = ((p[H_SETUP_SECTS] ? p[H_SETUP_SECTS] : 4) + 1u) * 512;

	if (file <= offset)
		return load_refuse(
			l, LOAD_TRUNCATED,
			"L1 is truncated: a Linux kernel whose code begins at 0x%x of the file, and it has 0x%lx",
			offset, file);
	*size = file - offset;
	if (version(l) >= 0x204 && 16 * (u64)field32(l, H_SYSSIZE) > *size + 15)
		return load_refuse(
			l, LOAD_TRUNCATED,
			"L1 is truncated: a Linux kernel with 0x%lx bytes of code, and 0x%lx are there",
			16 * (u64)field32(l, H_SYSSIZE), *size);
	l->linux_image.protected_offset = offset;
	return 0;
}

/* Where it prefers to be, or as low as it can from 16 MiB on, aligned as well as can be had. */
static bool place_relocatable(struct load_work *l, u64 size, u32 align, u32 min_align, u64 *base)
{
	u64 preferred = version(l) >= 0x20a ? get64(l->in->image + H_PREF_ADDRESS) : LINK_ADDRESS;
	struct load_want want = {size, 1, preferred, preferred + size, false, -1};

	l->linux_image.align = align;
	if (preferred < GIB_4 && want.max <= GIB_4 && load_find_image(l, &want, base))
		return true;
	want.min = RELOCATE_MIN;
	want.max = GIB_4;
	for (; align && align >= min_align; align >>= 1) {
		want.align = l->linux_image.align = align;
		if (load_find_image(l, &want, base))
			return true;
	}
	return false;
}

static int place(struct load_work *l, u64 file_size)
{
	const u8 *p = l->in->image;
	u32 align = version(l) >= 0x205 ? field32(l, H_KERNEL_ALIGNMENT) : 0, min_align;
	u64 size = file_size, base = LINK_ADDRESS;

	if (version(l) >= 0x20a && field32(l, H_INIT_SIZE) > size)
		size = field32(l, H_INIT_SIZE);
	size = load_align(size, PAGE_SIZE);
	min_align = version(l) >= 0x20a && p[H_MIN_ALIGNMENT] < 32 ? 1u << p[H_MIN_ALIGNMENT] : align;
	if (min_align > align)
		min_align = align;
	l->linux_image.align = load_power_of_2(align) ? align : 1;
	if (load_power_of_2(align) && p[H_RELOCATABLE] &&
	    !place_relocatable(l, size, align, min_align, &base))
		return load_refuse(
			l, LOAD_NO_MEMORY,
			"too little memory: no %lu KiB of free RAM for L1, a Linux kernel: give the machine "
			"more memory",
			size / 1024);
	l->load_base = base;
	l->entry = base + field32(l, H_CODE32_START) - LINK_ADDRESS;
	return load_segment_add(
		l, &(struct load_segment){base, size, l->linux_image.protected_offset, file_size, false});
}

/* The longest command line, its end not counted. */
static u64 cmdline_max(const struct load_work *l)
{
	return version(l) >= 0x206 ? field32(l, H_CMDLINE_SIZE) : 255;
}

static int check_cmdline(struct load_work *l)
{
	u64 arguments = strlen(l->in->boot->module[0].args), length = strlen(prefix);

	if (arguments)
		length += 1 + arguments;
	if (length > cmdline_max(l))
		return load_refuse(
			l, LOAD_UNSUPPORTED,
			"L1's command line has %lu characters with `%s`, and this kernel takes %lu: shorten it",
			length, prefix, cmdline_max(l));
	return 0;
}

/* Neighbours of a type become one entry, as with GRUB. *i moves on. */
static struct mem_range e820_next(const struct load_in *in, unsigned *i)
{
	struct mem_range m = in->map[(*i)++];

	for (; *i < in->map_count; ++*i) {
		const struct mem_range *n = &in->map[*i];
		if (n->type != m.type || n->base != m.base + m.size)
			break;
		m.size += n->size;
	}
	return m;
}

static int check_map(struct load_work *l)
{
	unsigned count = 0;

	for (unsigned i = 0; i < l->in->map_count; count++)
		e820_next(l->in, &i);
	if (count > E820_MAX && version(l) < 0x209)
		return load_refuse(
			l, LOAD_UNSUPPORTED,
			"this machine's memory map has %u ranges, and L1, an old Linux kernel, takes %u",
			count, E820_MAX);
	return 0;
}

static int parse(struct load_work *l)
{
	u64 size = 0;
	int r;

	if (!probe(l))
		return 0;
	l->plan->format = "Linux bzImage";
	if ((r = check_version(l)) || (r = check_size(l, &size)) || (r = check_cmdline(l)) ||
	    (r = check_map(l)) || (r = place(l, size)))
		return r;
	return 1;
}

/* What follows `start` in the first of L1's arguments that begins so, or NULL. */
static const char *argument(const struct load_work *l, const char *start)
{
	const char *s = l->in->boot->module[0].args;
	size_t length = strlen(start);

	for (;; s++) {
		while (*s == ' ')
			s++;
		if (!strncmp(s, start, length))
			return s + length;
		while (*s && *s != ' ')
			s++;
		if (!*s)
			return NULL;
	}
}

/* mem= : Linux will not use memory beyond, so nothing of its may lie there. ~0: no such argument. */
static u64 memory_limit(const struct load_work *l)
{
	const char *s = argument(l, "mem=");
	unsigned shift = 0;
	u64 v = 0;

	if (!s)
		return ~0ull;
	for (; *s >= '0' && *s <= '9' && v < BIT(48); s++)
		v = v * 10 + (u64)(*s - '0');
	switch (*s) {
	case 'g':
	case 'G':
		shift += 10; /* fall through */
	case 'm':
	case 'M':
		shift += 10; /* fall through */
	case 'k':
	case 'K':
		shift += 10;
	}
	return v && v <= ~0ull >> shift ? v << shift : ~0ull;
}

/* `initrd a b`: one after the other, each at a multiple of 4. */
static u64 initrd_size(const struct boot_info *b)
{
	u64 size = 0;

	for (unsigned i = 1; i < b->module_count; i++)
		size = load_align(size, 4) + b->module[i].size;
	return size;
}

/* As high as GRUB would; where that is full, as high as the kernel allows. */
static bool place_initrd(struct load_work *l)
{
	u64 limit = field32(l, H_INITRD_ADDR_MAX), memory = memory_limit(l);
	struct load_want want = {.size = l->initrd_size,
				 .align = PAGE_SIZE,
				 .min = l->plan->image_end,
				 .max = limit < INITRD_MAX ? limit : INITRD_MAX,
				 .high = true,
				 .except = l->in->boot->module_count == 2 ? 1 : -1};

	if (memory < want.max)
		want.max = memory;
	want.max = want.max > INITRD_MARGIN ? want.max - INITRD_MARGIN : 0;
	if (load_find(l, &want, ~0u, &l->initrd_at))
		return true;
	want.min = MIB_1;
	want.max = limit < memory ? limit : memory;
	return load_find(l, &want, ~0u, &l->initrd_at);
}

static int modules(struct load_work *l)
{
	const struct boot_info *b = l->in->boot;
	u64 end = 0;

	l->initrd_size = initrd_size(b);
	if (!l->initrd_size)
		return 0;
	if (!place_initrd(l))
		return load_refuse(
			l, LOAD_NO_MEMORY,
			"too little memory: no %lu KiB of free RAM for L1's initrd where its kernel takes it: give "
			"the machine more memory",
			(l->initrd_size + 1023) / 1024);
	for (unsigned i = 1; i < b->module_count; i++) {
		u64 at = load_align(end, 4);
		int r = load_step(l, LOAD_COPY, l->initrd_at + at, b->module[i].base, b->module[i].size);
		if (!r)
			r = load_step(l, LOAD_ZERO, l->initrd_at + end, 0, at - end);
		if (r)
			return r;
		end = at + b->module[i].size;
		load_unclaim_source(l, i);
	}
	load_claim(l, l->initrd_at, l->initrd_size, PLACE_FINAL, 0);
	return 0;
}

static void put_header(struct load_work *l)
{
	const u8 *p = l->in->image;
	u32 end = H_MAGIC + p[H_LENGTH];

	load_put(l, NULL, HEADER, 1);
	load_put(l, p + HEADER, (end < HEADER_MAX ? end : HEADER_MAX) - HEADER, 1);
	load_put(l, NULL, 0, PARAMS_SIZE);
	load_set16(l, H_BOOT_FLAG, 0); /* GRUB has it so */
	load_set8(l, H_LOADER, 0x72); /* GRUB */
	load_set8(l, H_LOADFLAGS, p[H_LOADFLAGS] | CAN_USE_HEAP | (argument(l, "quiet") ? QUIET : 0));
	load_set16(l, H_HEAP_END, 0x9000 - 0x200);
	load_set32(l, H_CODE32_START, (u32)l->entry);
	load_set32(l, H_RAMDISK_IMAGE, (u32)l->initrd_at);
	load_set32(l, H_RAMDISK_SIZE, (u32)l->initrd_size);
	if (l->initrd_size)
		load_set16(l, H_ROOT_DEV, 0x0100); /* /dev/ram0 */
	if (version(l) >= 0x205)
		load_set32(l, H_KERNEL_ALIGNMENT, l->linux_image.align);
	if (version(l) >= 0x209)
		load_set64(l, H_SETUP_DATA, 0);
	if (version(l) >= 0x20e)
		load_set64(l, P_RSDP, l->in->boot->rsdp);
	/* For kernels that ask nothing better. */
	load_set16(l, P_EXT_MEM, 32 * 1024);
	load_set32(l, P_ALT_MEM, 32 * 1024);
	load_set16(l, P_CL_MAGIC, 0xa33f);
	load_set16(l, P_CL_OFFSET, PARAMS_SIZE);
}

static void put_cmdline(struct load_work *l)
{
	const char *arguments = l->in->boot->module[0].args;
	size_t at = load_put(l, prefix, strlen(prefix), 16);

	if (*arguments)
		load_put(l, " ", 1, 1);
	load_put_string(l, arguments);
	load_set32(l, H_CMD_LINE_PTR, load_info_at(l, at));
}

/* What does not fit into boot_params goes into a list of its own ("setup_data"). */
static void put_e820(struct load_work *l)
{
	const struct load_in *in = l->in;
	size_t at = P_E820_TABLE, extension = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < in->map_count; count++) {
		struct mem_range m = e820_next(in, &i);
		if (count == E820_MAX) {
			extension = load_put(l, NULL, 16, 8);
			load_set64(l, H_SETUP_DATA, load_info_at(l, extension));
			load_set32(l, extension + 8, SETUP_E820_EXT);
		}
		if (count >= E820_MAX)
			at = load_put(l, NULL, E820_ENTRY, 1);
		load_set64(l, at, m.base);
		load_set64(l, at + 8, m.size);
		load_set32(l, at + 16, m.type);
		at += E820_ENTRY;
	}
	if (extension)
		load_set32(l, extension + 12, (count - E820_MAX) * E820_ENTRY);
	load_set8(l, P_E820_ENTRIES, count < E820_MAX ? (u8)count : E820_MAX);
}

static void put_framebuffer(struct load_work *l, const struct load_screen *s)
{
	u32 size = (u32)load_align((u64)s->pitch * s->height, 65536);
	bool efi = load_tag_efi(l->in);
	unsigned used = 0;

	load_set8(l, P_VIDEO_TYPE, efi ? VIDEO_EFI : VIDEO_VESA);
	load_set16(l, P_LFB_WIDTH, (u16)s->width);
	load_set16(l, P_LFB_HEIGHT, (u16)s->height);
	load_set16(l, P_LFB_DEPTH, s->bpp);
	load_set32(l, P_LFB_BASE, (u32)s->base);
	load_set32(l, P_LFB_SIZE, efi ? size : size >> 16);
	load_set16(l, P_LFB_PITCH, (u16)s->pitch);
	for (unsigned i = 0; i < 3; i++) {
		load_set8(l, P_MASK_SIZE + 2 * i, s->mask[2 * i + 1]);
		load_set8(l, P_MASK_SIZE + 2 * i + 1, s->mask[2 * i]);
		used += s->mask[2 * i + 1];
	}
	if (s->bpp == 32 && used == 24) {
		load_set8(l, P_MASK_SIZE + 6, 8);
		load_set8(l, P_MASK_SIZE + 7, 24);
	}
	if (s->base >> 32) {
		load_set32(l, P_CAPABILITIES, CAPABILITY_64BIT_BASE);
		load_set32(l, P_EXT_LFB_BASE, (u32)(s->base >> 32));
	}
}

static void put_screen(struct load_work *l)
{
	struct load_screen s;

	load_tag_screen(l->in, &s);
	load_set16(l, P_VIDEO_POINTS, 16);
	if (s.kind == SCREEN_RGB)
		put_framebuffer(l, &s);
	if (s.kind != SCREEN_TEXT)
		return;
	load_set8(l, P_VIDEO_TYPE, VIDEO_TEXT);
	load_set8(l, P_VIDEO_MODE, 3);
	load_set8(l, P_VIDEO_COLS, (u8)s.width);
	load_set8(l, P_VIDEO_LINES, (u8)s.height);
}

/* The layout of protocol 2.08 and later; an older kernel is not told of EFI. */
static void put_efi(struct load_work *l)
{
	const u8 *efi64 = load_tag(l->in, TAG_EFI64, 16), *efi32 = load_tag(l->in, TAG_EFI32, 12);
	const u8 *map = load_tag(l->in, TAG_EFI_MMAP, 16);
	size_t at;

	if (version(l) < 0x208 || !map || (!efi64 && !efi32))
		return;
	at = load_put(l, NULL, 0, 8);
	load_set32(l, P_EFI_MEMMAP_SIZE, load_put_efi_map(l, map));
	load_set32(l, P_EFI_MEMMAP, load_info_at(l, at));
	load_set32(l, P_EFI_MEMDESC_SIZE, get32(map + 8));
	load_set32(l, P_EFI_MEMDESC_VERSION, get32(map + 12));
	load_set32(l, P_EFI_SIGNATURE, get32((const u8 *)(efi64 ? "EL64" : "EL32")));
	load_set32(l, P_EFI_SYSTAB, get32((efi64 ? efi64 : efi32) + 8));
	load_set32(l, P_EFI_SYSTAB_HI, efi64 ? get32(efi64 + 12) : 0);
}

static void info(struct load_work *l)
{
	put_header(l);
	put_cmdline(l);
	put_e820(l);
	put_screen(l);
	put_efi(l);
}

const struct load_format load_linux = {
	.protocol = LOAD_LINUX,
	.name = "linux",
	.parse = parse,
	.modules = modules,
	.info = info,
	/* As GRUB has it: as high as the old real-mode code could be. */
	.info_want = {0, PAGE_SIZE, 0x10000, 0x90000, true, -1},
};
