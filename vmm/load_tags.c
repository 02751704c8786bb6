/*
 * The multiboot2 information that GRUB gave to L0, as far as it is passed on: a header of 8 bytes, then
 * tags of a type, a size and content, each aligned to 8.
 */
#include "vmm/load_parts.h"

#define TAG_FRAMEBUFFER 8
#define TAG_EFI32 11
#define TAG_EFI64 12
#define TAG_EFI_MMAP 17

/* Memory types that end with boot services. */
#define EFI_BOOT_SERVICES_CODE 3
#define EFI_BOOT_SERVICES_DATA 4

static const u8 *tag_at(const struct load_in *in, u64 offset)
{
	const struct boot_info *b = in->boot;
	u64 left;

	if (!b->tags || offset + 8 > b->tags_size)
		return NULL;
	left = b->tags_size - offset;
	if (!get32(b->tags + offset) || get32(b->tags + offset + 4) < 8 ||
	    get32(b->tags + offset + 4) > left)
		return NULL;
	return b->tags + offset;
}

const u8 *load_tag_next(const struct load_in *in, const u8 *tag)
{
	if (!tag)
		return tag_at(in, 8);
	return tag_at(in, load_align((u64)(tag - in->boot->tags) + get32(tag + 4), 8));
}

const u8 *load_tag(const struct load_in *in, u32 type, u32 size)
{
	for (const u8 *t = load_tag_next(in, NULL); t; t = load_tag_next(in, t))
		if (get32(t) == type && get32(t + 4) >= size)
			return t;
	return NULL;
}

bool load_tag_efi(const struct load_in *in)
{
	return load_tag(in, TAG_EFI64, 16) || load_tag(in, TAG_EFI32, 12);
}

/*
 * The descriptor at *offset of an EFI memory map tag (begin with 0), or NULL. UEFI: "GetMemoryMap()":
 * type, physical start at 8, virtual start at 16, pages at 24, attributes at 32.
 */
static const u8 *efi_next(const u8 *tag, u32 *offset)
{
	u32 size = get32(tag + 8);
	const u8 *d = tag + 16 + *offset;

	if (size < 40 || get32(tag + 4) - 16 - *offset < size)
		return NULL;
	*offset += size;
	return d;
}

/* False for what cannot be. */
static bool efi_range(const u8 *descriptor, u64 *base, u64 *end)
{
	u64 pages = get64(descriptor + 24);

	*base = get64(descriptor + 8);
	*end = *base + pages * PAGE_SIZE;
	return *base <= BIT(52) && pages && pages <= BIT(40);
}

bool load_tag_firmware(const struct load_in *in, u64 base, u64 size, struct load_place *by)
{
	const u8 *tag = load_tag(in, TAG_EFI_MMAP, 16), *d;
	u64 from, to;

	for (u32 o = 0; tag && (d = efi_next(tag, &o));) {
		u32 type = get32(d);
		if ((type != EFI_BOOT_SERVICES_CODE && type != EFI_BOOT_SERVICES_DATA) ||
		    !efi_range(d, &from, &to))
			continue;
		if (from < base + size && base < to) {
			*by = (struct load_place){from, to - from, PLACE_FIRMWARE, 0};
			return true;
		}
	}
	return false;
}

/* One descriptor, cut down to `pages` pages from `base`. */
static u32 put_efi_part(struct load_work *l, const u8 *descriptor, u32 size, u64 base, u64 pages)
{
	size_t at;

	if (!pages)
		return 0;
	at = load_put(l, descriptor, size, 1);
	load_set64(l, at + 8, base);
	load_set64(l, at + 24, pages);
	return size;
}

u32 load_put_efi_map(struct load_work *l, const u8 *tag)
{
	u64 hole = l->in->l0_base, hole_end = hole + l->in->l0_size, base, end;
	u32 size = get32(tag + 8), total = 0;
	const u8 *d;

	for (u32 o = 0; (d = efi_next(tag, &o));) {
		if (!efi_range(d, &base, &end) || end <= hole || base >= hole_end) {
			total += put_efi_part(l, d, size, base, get64(d + 24));
			continue;
		}
		if (base < hole)
			total += put_efi_part(l, d, size, base, (hole - base) / PAGE_SIZE);
		if (end > hole_end)
			total += put_efi_part(l, d, size, hole_end, (end - hole_end) / PAGE_SIZE);
	}
	return total;
}

static bool screen_colours(const u8 *tag, struct load_screen *screen)
{
	u32 left = get32(tag + 4) - 32;

	if (screen->kind == SCREEN_RGB && left >= 6) {
		memcpy(screen->mask, tag + 32, 6);
		return true;
	}
	if (screen->kind == SCREEN_INDEXED && left >= 2) {
		screen->colours = get16(tag + 32);
		screen->palette = tag + 34;
		return screen->colours <= (left - 2) / 3;
	}
	return screen->kind == SCREEN_TEXT;
}

void load_tag_screen(const struct load_in *in, struct load_screen *screen)
{
	const u8 *t = load_tag(in, TAG_FRAMEBUFFER, 32);

	memset(screen, 0, sizeof(*screen));
	if (!t && !load_tag_efi(in)) {
		*screen = (struct load_screen){.kind = SCREEN_TEXT,
					       .base = 0xb8000,
					       .pitch = 160,
					       .width = 80,
					       .height = 25,
					       .bpp = 16};
		return;
	}
	if (!t || t[29] > 2)
		return;
	screen->kind = t[29] == 0 ? SCREEN_INDEXED : t[29] == 1 ? SCREEN_RGB : SCREEN_TEXT;
	screen->base = get64(t + 8);
	screen->pitch = get32(t + 16);
	screen->width = get32(t + 20);
	screen->height = get32(t + 24);
	screen->bpp = t[28];
	if (!screen_colours(t, screen))
		screen->kind = SCREEN_NONE;
}
