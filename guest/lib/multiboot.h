/*
 * What the multiboot loader told us, copied out of its memory at the start.
 */
#ifndef GUEST_LIB_MULTIBOOT_H
#define GUEST_LIB_MULTIBOOT_H

#include "vmx/types.h"

#define MULTIBOOT_RANGES 64
#define MULTIBOOT_RAM 1

struct memory_range {
	u64 base, size;
	u32 type; /* MULTIBOOT_RAM, or a reserved kind */
};

struct multiboot {
	char args[256]; /* the command line without the image's name */
	struct memory_range map[MULTIBOOT_RANGES];
	unsigned map_count;
	unsigned module_count;
};

extern struct multiboot multiboot;

/* magic and info: EAX and EBX at the start. False if there was no multiboot loader. */
bool multiboot_init(u32 magic, u64 info);

/* Whether the command line has this word. */
bool multiboot_argument(const char *word);

#endif
