/*
 * What the parts of the loader (load*.c) share. `l` is the work in hand; functions that return int
 * return 0 or a refusal whose sentence is written.
 */
#ifndef VMM_LOAD_PARTS_H
#define VMM_LOAD_PARTS_H

#include "vmm/lib.h"
#include "vmm/load.h"

#define GIB_4 BIT(32)
#define MIB_1 BIT(20)

/* Why memory is spoken for. A search says which kinds it stays clear of. */
#define PLACE_KEPT 1u /* L0's memory, and the stack that L1 starts with */
#define PLACE_FINAL 2u /* what L1 will find: its image, modules, information */
#define PLACE_SOURCE 4u /* a file that still has to be copied from here */
#define PLACE_FIRMWARE 8u /* of UEFI's boot services: free, but kernels still look at some of it */

/* Memory to be found: whole in L1's RAM, base aligned, min <= base, base + size <= max. */
struct load_want {
	u64 size, align, min, max; /* align is a power of two */
	bool high; /* the highest such place instead of the lowest */
	int except; /* the source of this module may be overlapped; -1: of none */
};

/* What a protocol does; load_plan() calls them in this order. */
struct load_format {
	enum load_protocol protocol;
	const char *name; /* of GRUB's command, and in load_in.protocol */
	/* 0: not this protocol; 1: read into segments, with their addresses; < 0: refused. */
	int (*parse)(struct load_work *l);
	/* Give the modules their places, and add the steps that bring them there. */
	int (*modules)(struct load_work *l);
	/* Write what L1 is told with load_put(). Called twice: to know the size, then the addresses. */
	void (*info)(struct load_work *l);
	struct load_want info_want; /* where that goes; the first that can be had */
};

extern const struct load_format load_multiboot1, load_multiboot2, load_linux;

/* load.c */
int load_refuse(struct load_work *l, enum load_refusal code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool load_find(const struct load_work *l, const struct load_want *want, u32 kinds, u64 *base);
/* For an image that may choose its place: away from the files where possible. */
bool load_find_image(const struct load_work *l, const struct load_want *want, u64 *base);
void load_claim(struct load_work *l, u64 base, u64 size, u32 kind, unsigned module);
void load_unclaim_source(struct load_work *l, unsigned module);
int load_step(struct load_work *l, enum load_op_kind kind, u64 dst, u64 src, u64 len);
int load_segment_add(struct load_work *l, const struct load_segment *segment);
/* For multiboot: each module stays where it is if it can. */
int load_modules_each(struct load_work *l);
/* Moves the segments, load_base and entry by `by`, modulo 2^64. */
void load_shift(struct load_work *l, u64 by);

/* Does the file have these bytes? */
static inline bool load_has(const struct load_work *l, u64 offset, u64 size)
{
	u64 file = l->in->boot->module[0].size;
	return offset <= file && size <= file - offset;
}

/* load_info.c: what L1 is told */
/*
 * Appends to plan.info, aligned (a power of two), and returns the offset. `data` NULL: zeros.
 */
size_t load_put(struct load_work *l, const void *data, size_t size, size_t align);
size_t load_put_string(struct load_work *l, const char *s);
/* Write into what was appended. */
void load_set8(struct load_work *l, size_t offset, u8 value);
void load_set16(struct load_work *l, size_t offset, u16 value);
void load_set32(struct load_work *l, size_t offset, u32 value);
void load_set64(struct load_work *l, size_t offset, u64 value);
/* The physical address of what is at this offset. */
u32 load_info_at(const struct load_work *l, size_t offset);
/* As GRUB counts: RAM from 0 (at most 1 MiB), and from 1 MiB up to the first hole. KiB. */
void load_memory_kib(const struct load_in *in, u32 *lower, u32 *upper);

/*
 * load_tags.c: the information that GRUB gave to L0.
 * The first tag of this type that is at least `size` bytes long, its header included, or NULL.
 */
const u8 *load_tag(const struct load_in *in, u32 type, u32 size);
/* The tag after `tag` (NULL: the first), or NULL. */
const u8 *load_tag_next(const struct load_in *in, const u8 *tag);
bool load_tag_efi(const struct load_in *in); /* booted by UEFI */
/* Is some of this memory boot services' code or data? `by`: the first such range. */
bool load_tag_firmware(const struct load_in *in, u64 base, u64 size, struct load_place *by);
/* Appends the descriptors of the EFI memory map tag, without L0's memory, and returns their size. */
u32 load_put_efi_map(struct load_work *l, const u8 *tag);

/* The framebuffer that GRUB set up, or the text screen of a PC. */
struct load_screen {
	enum { SCREEN_NONE, SCREEN_INDEXED, SCREEN_RGB, SCREEN_TEXT } kind;
	u64 base;
	u32 pitch, width, height;
	u8 bpp;
	u8 mask[6]; /* RGB: position and size of red, green, blue */
	const u8 *palette; /* indexed: colours of 3 bytes */
	u32 colours;
};
void load_tag_screen(const struct load_in *in, struct load_screen *screen);

/*
 * load_multiboot1.c: for an image that is no ELF. `fields` in the header are header_addr, load_addr,
 * load_end_addr, bss_end_addr, the header is at `at` of the file, `load` is what load_addr means.
 */
int load_by_addresses(struct load_work *l, u64 at, const u8 *fields, u64 load);

/* load_elf.c */
bool load_is_elf(const struct load_work *l);
/*
 * Program headers become segments (at their physical addresses), the section table is noted.
 * `entry`: also translate the ELF header's entry point.
 */
int load_elf(struct load_work *l, bool entry);
/* Give a place to the sections that are not part of segments, and copy them there. */
int load_elf_place_sections(struct load_work *l);
int load_elf_copy_sections(struct load_work *l);
/* Append the section table, each section with the address it has now. Returns its offset. */
size_t load_put_elf_sections(struct load_work *l);

/* Numbers in a file have no alignment. */
static inline u16 get16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static inline u32 get32(const u8 *p)
{
	return get16(p) | (u32)get16(p + 2) << 16;
}

static inline u64 get64(const u8 *p)
{
	return get32(p) | (u64)get32(p + 4) << 32;
}

static inline bool load_power_of_2(u64 v)
{
	return v && !(v & (v - 1));
}

static inline u64 load_align(u64 v, u64 align)
{
	return (v + align - 1) & ~(align - 1);
}

#endif
