#include "guest/lib/multiboot.h"

#define MAGIC 0x2badb002
#define HAS_COMMAND_LINE 0x04
#define HAS_MODULES 0x08
#define HAS_MEMORY_MAP 0x40

/* The start of the multiboot information, as in the multiboot specification 0.6.96. */
struct info {
	u32 flags, mem_lower, mem_upper, boot_device, command_line, mods_count, mods_addr, syms[4];
	u32 mmap_length, mmap_addr;
};

struct map_entry {
	u32 size; /* of what follows */
	u64 base, length;
	u32 type;
} __attribute__((packed));

struct multiboot multiboot;

/* Some loaders put the image's name first, GRUB 2 does not: a first word that ends in ".elf" is one. */
static const char *skip_name(const char *s)
{
	const char *end = s;

	while (*end && *end != ' ')
		end++;
	if (end - s < 4 || end[-4] != '.' || end[-3] != 'e' || end[-2] != 'l' || end[-1] != 'f')
		return s;
	while (*end == ' ')
		end++;
	return end;
}

static void copy_args(const char *line)
{
	unsigned n = 0;
	for (line = skip_name(line); line[n] && n < sizeof(multiboot.args) - 1; n++)
		multiboot.args[n] = line[n];
	multiboot.args[n] = 0;
}

static void copy_map(u64 at, u64 end)
{
	while (at < end && multiboot.map_count < MULTIBOOT_RANGES) {
		const struct map_entry *e = (const struct map_entry *)at;
		multiboot.map[multiboot.map_count++] = (struct memory_range){e->base, e->length, e->type};
		at += e->size + sizeof(e->size);
	}
}

bool multiboot_init(u32 magic, u64 address)
{
	const struct info *info = (const struct info *)address;

	if (magic != MAGIC)
		return false;
	if (info->flags & HAS_COMMAND_LINE)
		copy_args((const char *)(u64)info->command_line);
	if (info->flags & HAS_MODULES)
		multiboot.module_count = info->mods_count;
	if (info->flags & HAS_MEMORY_MAP)
		copy_map(info->mmap_addr, (u64)info->mmap_addr + info->mmap_length);
	return true;
}

bool multiboot_argument(const char *word)
{
	const char *at = multiboot.args;

	while (*at) {
		const char *w = word;
		while (*w && *w == *at)
			w++, at++;
		if (!*w && (!*at || *at == ' '))
			return true;
		while (*at && *at != ' ')
			at++;
		while (*at == ' ')
			at++;
	}
	return false;
}
