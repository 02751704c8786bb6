/*
 * What GRUB and the firmware told us, read once from raw bytes and checked; nothing reads them again.
 * All addresses are hpa as numbers (L0 has no guest yet). Filled by boot/multiboot2.c and boot/acpi.c.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include "vmx/types.h"

#define BOOT_MAX_RANGES 128
#define BOOT_MAX_MODULES 32
#define BOOT_MAX_CPUS 64
#define BOOT_STRING 1024

enum mem_type { MEM_RAM = 1, MEM_RESERVED = 2, MEM_ACPI = 3, MEM_NVS = 4, MEM_BAD = 5 };

struct mem_range {
	u64 base, size; /* bytes */
	u32 type; /* enum mem_type, or the firmware's own number */
};

struct boot_module {
	u64 base, size; /* bytes */
	char args[BOOT_STRING]; /* GRUB's string: what follows the file name */
};

struct boot_info {
	struct mem_range map[BOOT_MAX_RANGES]; /* sorted by base, not overlapping */
	unsigned map_count;
	struct boot_module module[BOOT_MAX_MODULES]; /* [0] is L1, the rest are L1's modules */
	unsigned module_count;
	char args[BOOT_STRING]; /* L0's own command line */
	char loader[BOOT_STRING]; /* "GRUB 2.06..." */
	u64 rsdp; /* physical, found in the BIOS areas; 0: not there (UEFI): see the tags */
	u32 apic_id[BOOT_MAX_CPUS];
	unsigned cpu_count; /* enabled processors in the MADT; at least 1 */
	/*
	 * A copy of GRUB's whole multiboot2 information, for the tags that L1 is handed on unchanged
	 * (framebuffer, EFI, SMBIOS, ...). Tags were checked to lie inside it. L0's own memory.
	 */
	const u8 *tags;
	u32 tags_size;
};

#endif
