/*
 * Multiboot 2. Multiboot2 Specification 2.0: "OS image format", "Machine state", "Boot information
 * format". L1 is started as GRUB starts it on a BIOS, whatever GRUB itself was started from: at its
 * i386 entry point, boot services ended; the EFI entry points do not count. Console and framebuffer
 * tags are read past: the screen stays as GRUB left it, and the information says how that is.
 */
#include "vmm/load_parts.h"

#define SEARCH 32768
#define MAGIC 0xe85250d6u
#define OPTIONAL 1

enum {
	H_END,
	H_REQUEST,
	H_ADDRESS,
	H_ENTRY,
	H_CONSOLE,
	H_FRAMEBUFFER,
	H_ALIGN,
	H_EFI_BS,
	H_ENTRY_EFI32,
	H_ENTRY_EFI64,
	H_RELOCATABLE
};

enum {
	T_END,
	T_CMDLINE,
	T_LOADER,
	T_MODULE,
	T_MEMINFO,
	T_BOOTDEV,
	T_MMAP,
	T_VBE,
	T_FRAMEBUFFER,
	T_ELF,
	T_APM,
	T_EFI32,
	T_EFI64,
	T_SMBIOS,
	T_ACPI_OLD,
	T_ACPI_NEW,
	T_NETWORK,
	T_EFI_MMAP,
	T_EFI_BS,
	T_EFI32_IH,
	T_EFI64_IH,
	T_LOAD_BASE
};

/* What the header says. Offsets in the file; 0: no such tag. */
struct header {
	u64 at, address, entry, relocatable;
};

static bool find_header(const struct load_work *l, u64 *at)
{
	const u8 *p = l->in->image;

	for (u64 o = 0; o + 16 <= SEARCH && load_has(l, o, 16); o += 8) {
		const u8 *h = p + o;
		if (get32(h) == MAGIC && !get32(h + 4) && !(MAGIC + get32(h + 8) + get32(h + 12))) {
			*at = o;
			return true;
		}
	}
	return false;
}

/* Known types may be asked for, as with GRUB; a type that this machine has nothing for is not given. */
static int check_request(struct load_work *l, u64 at, u32 size)
{
	for (u32 o = 8; o + 4 <= size; o += 4) {
		u32 type = get32(l->in->image + at + o);
		if (type > T_LOAD_BASE || (type == T_SMBIOS && !load_tag(l->in, T_SMBIOS, 16)))
			return load_refuse(
				l, LOAD_UNSUPPORTED,
				"L1's multiboot2 header requires information of type %u, which there is not: "
				"make the request optional",
				type);
	}
	return 0;
}

/* One tag of the header: `size` bytes of it are in the file. */
static int header_tag(struct load_work *l, struct header *h, u64 at, u32 size)
{
	static const u8 least[] = {[H_ADDRESS] = 24, [H_ENTRY] = 12, [H_RELOCATABLE] = 24};
	u16 type = get16(l->in->image + at), flags = get16(l->in->image + at + 2);

	if (type < ARRAY_LEN(least) && size < least[type])
		return load_refuse(l, LOAD_BAD,
				   "L1's multiboot2 header has a tag of type %u with %u bytes, too few",
				   type, size);
	switch (type) {
	case H_REQUEST:
		return flags & OPTIONAL ? 0 : check_request(l, at, size);
	case H_ADDRESS:
		h->address = at;
		return 0;
	case H_ENTRY:
		h->entry = at;
		return 0;
	case H_RELOCATABLE:
		h->relocatable = at;
		return 0;
	case H_EFI_BS:
		if (!(flags & OPTIONAL) && load_tag_efi(l->in))
			return load_refuse(
				l, LOAD_UNSUPPORTED,
				"L1's multiboot2 header requires EFI boot services, which have ended: make the "
				"tag optional");
		return 0;
	case H_CONSOLE:
	case H_FRAMEBUFFER:
	case H_ALIGN:
	case H_ENTRY_EFI32:
	case H_ENTRY_EFI64:
		return 0;
	default:
		if (flags & OPTIONAL)
			return 0;
		return load_refuse(l, LOAD_UNSUPPORTED,
				   "L1's multiboot2 header requires tag %u, which is not known: "
				   "make it optional",
				   type);
	}
}

/* Like GRUB, up to the tag that ends them; the header's own length may be wrong. */
static int header_tags(struct load_work *l, struct header *h)
{
	u64 at = h->at + 16;

	for (;;) {
		const u8 *t = l->in->image + at;
		int r;
		if (at + 8 > SEARCH || !load_has(l, at, 8))
			return load_refuse(l, LOAD_TRUNCATED,
					   "L1's multiboot2 header has no end within its first %u "
					   "KiB",
					   SEARCH / 1024);
		if (get16(t) == H_END)
			return 0;
		if (get32(t + 4) < 8 || get32(t + 4) > SEARCH || !load_has(l, at, get32(t + 4)))
			return load_refuse(
				l, LOAD_BAD,
				"L1's multiboot2 header has a tag of type %u with a size of %u "
				"bytes",
				get16(t), get32(t + 4));
		r = header_tag(l, h, at, get32(t + 4));
		if (r)
			return r;
		at = load_align(at + get32(t + 4), 8);
	}
}

/* "The address tag": a load address of all ones means that the file's first byte is loaded first. */
static int by_addresses(struct load_work *l, const struct header *h)
{
	const u8 *fields = l->in->image + h->address + 8;
	u64 load = get32(fields + 4);

	if (load == 0xffffffff && get32(fields) >= h->at)
		load = get32(fields) - h->at;
	return load_by_addresses(l, h->at, fields, load);
}

/* "Relocatable header tag": all segments keep their distances. */
static int relocate(struct load_work *l, u64 tag)
{
	const u8 *t = l->in->image + tag;
	struct load_want want = {0, get32(t + 16), get32(t + 8), get32(t + 12), get32(t + 20) == 2, -1};
	u64 base, end = 0;

	for (unsigned i = 0; i < l->segment_count; i++) {
		const struct load_segment *s = &l->segment[i];
		if (s->dst >= GIB_4 || s->size > GIB_4 - s->dst)
			return load_refuse(l, LOAD_UNSUPPORTED,
					   "L1's segment at 0x%lx lies beyond 4 GiB: link it lower",
					   s->dst);
		if (s->dst + s->size > end)
			end = s->dst + s->size;
	}
	want.align = want.align ? want.align : 1;
	want.size = end > l->load_base ? end - l->load_base : 0;
	if (!want.size || !load_power_of_2(want.align) || want.min > want.max ||
	    want.size > want.max - want.min)
		return load_refuse(l, LOAD_BAD,
				   "L1's relocatable tag wants 0x%lx bytes between 0x%lx and 0x%lx, "
				   "aligned to 0x%lx: impossible",
				   want.size, want.min, want.max, want.align);
	if (want.min < MIB_1)
		want.min = MIB_1;
	if (!load_find_image(l, &want, &base)) {
		want.min = get32(t + 8);
		if (!load_find_image(l, &want, &base))
			return load_refuse(l, LOAD_NO_MEMORY,
					   "too little memory: no 0x%lx bytes of free RAM between 0x%lx "
					   "and 0x%lx for L1",
					   want.size, want.min, want.max);
	}
	load_shift(l, base - l->load_base);
	return 0;
}

static int parse(struct load_work *l)
{
	struct header h = {0};
	int r;

	if (!find_header(l, &h.at))
		return 0;
	r = header_tags(l, &h);
	if (r)
		return r;
	if (h.address && !h.entry)
		return load_refuse(
			l, LOAD_BAD,
			"L1's multiboot2 header has an address tag without an entry address tag");
	if (h.address) {
		l->plan->format = "multiboot 2, address tag";
		r = by_addresses(l, &h);
	} else {
		r = load_elf(l, !h.entry);
		l->plan->format = l->in->image[4] == 2 ? "multiboot 2, ELF64" : "multiboot 2, ELF32";
	}
	if (r)
		return r;
	if (h.entry)
		l->entry = get32(l->in->image + h.entry + 8);
	if (h.relocatable)
		r = relocate(l, h.relocatable);
	return r ? r : 1;
}

/* Appends a tag whose content is still to come, and returns its offset. */
static size_t tag_begin(struct load_work *l, u32 type)
{
	size_t at = load_put(l, NULL, 8, 8);

	load_set32(l, at, type);
	return at;
}

static void tag_end(struct load_work *l, size_t at)
{
	load_set32(l, at + 4, (u32)(l->info_used - at));
}

static void tag_words(struct load_work *l, u32 type, const u32 *words, unsigned count)
{
	size_t at = tag_begin(l, type);

	load_put(l, words, 4 * (size_t)count, 4);
	tag_end(l, at);
}

static void tag_string(struct load_work *l, u32 type, const char *s)
{
	size_t at = tag_begin(l, type);

	load_put_string(l, s);
	tag_end(l, at);
}

static void tag_modules(struct load_work *l)
{
	for (unsigned i = 1; i < l->in->boot->module_count; i++) {
		const struct boot_module *m = &l->in->boot->module[i];
		u32 place[2] = {(u32)l->module_at[i], (u32)(l->module_at[i] + m->size)};
		size_t at = tag_begin(l, T_MODULE);
		load_put(l, place, sizeof(place), 4);
		load_put_string(l, m->args);
		tag_end(l, at);
	}
}

static void tag_memory(struct load_work *l)
{
	static const u32 entry[2] = {24, 0}; /* size, version */
	size_t at = tag_begin(l, T_MMAP);

	load_put(l, entry, sizeof(entry), 4);
	for (unsigned i = 0; i < l->in->map_count; i++) {
		const struct mem_range *m = &l->in->map[i];
		size_t e = load_put(l, NULL, 24, 8);
		load_set64(l, e, m->base);
		load_set64(l, e + 8, m->size);
		load_set32(l, e + 16, m->type);
	}
	tag_end(l, at);
}

/* There also without sections, as GRUB has it. */
static void tag_elf(struct load_work *l)
{
	u32 words[3] = {l->elf.count, l->elf.entry_size, l->elf.names};
	size_t at = tag_begin(l, T_ELF);

	load_put(l, words, sizeof(words), 4);
	if (l->elf.count)
		load_put_elf_sections(l);
	tag_end(l, at);
}

/* What GRUB said and is still so. */
static void tags_passed_on(struct load_work *l, u32 type)
{
	for (const u8 *t = load_tag_next(l->in, NULL); t; t = load_tag_next(l->in, t))
		if (get32(t) == type)
			load_put(l, t, get32(t + 4), 8);
}

static void tag_screen(struct load_work *l)
{
	struct load_screen s;
	size_t at;

	if (load_tag(l->in, T_FRAMEBUFFER, 32)) {
		tags_passed_on(l, T_FRAMEBUFFER);
		return;
	}
	load_tag_screen(l->in, &s);
	if (s.kind != SCREEN_TEXT)
		return;
	at = load_put(l, NULL, 32, 8);
	load_set32(l, at, T_FRAMEBUFFER);
	load_set64(l, at + 8, s.base);
	load_set32(l, at + 16, s.pitch);
	load_set32(l, at + 20, s.width);
	load_set32(l, at + 24, s.height);
	load_set8(l, at + 28, s.bpp);
	load_set8(l, at + 29, 2);
	tag_end(l, at);
}

static void tag_efi_map(struct load_work *l)
{
	const u8 *t = load_tag(l->in, T_EFI_MMAP, 16);
	size_t at;

	if (!t)
		return;
	at = tag_begin(l, T_EFI_MMAP);
	load_put(l, t + 8, 8, 4);
	load_put_efi_map(l, t);
	tag_end(l, at);
}

/* In GRUB's order. */
static void info(struct load_work *l)
{
	u32 memory[2], load_base = (u32)l->load_base;
	size_t at = load_put(l, NULL, 8, 8);

	tag_words(l, T_LOAD_BASE, &load_base, 1);
	tag_string(l, T_CMDLINE, l->in->boot->module[0].args);
	tag_string(l, T_LOADER, l->in->boot->loader);
	tags_passed_on(l, T_APM);
	tag_modules(l);
	tag_memory(l);
	tag_elf(l);
	load_memory_kib(l->in, &memory[0], &memory[1]);
	tag_words(l, T_MEMINFO, memory, 2);
	tags_passed_on(l, T_NETWORK);
	tags_passed_on(l, T_BOOTDEV);
	tags_passed_on(l, T_VBE);
	tag_screen(l);
	tags_passed_on(l, T_EFI32);
	tags_passed_on(l, T_EFI64);
	tags_passed_on(l, T_SMBIOS);
	tags_passed_on(l, T_ACPI_OLD);
	tags_passed_on(l, T_ACPI_NEW);
	tag_efi_map(l);
	tag_words(l, T_END, NULL, 0);
	load_set32(l, at, (u32)(l->info_used - at));
}

const struct load_format load_multiboot2 = {
	.protocol = LOAD_MULTIBOOT2,
	.name = "multiboot2",
	.parse = parse,
	.modules = load_modules_each,
	.info = info,
	.info_want = {0, 16, 0x10000, 0xa0000, false, -1},
};
