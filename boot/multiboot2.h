/*
 * Reading what GRUB hands over. Multiboot2 Specification: "Boot information format".
 */
#ifndef BOOT_MULTIBOOT2_H
#define BOOT_MULTIBOOT2_H

#include "boot/boot_info.h"

#define MB2_BOOT_MAGIC 0x36d76289u

/*
 * Fills info, but for the ACPI part, from info->tags and info->tags_size. Every tag is checked to
 * lie inside. Gives 0, or -1 with *why set.
 */
int multiboot2_read(struct boot_info *info, const char **why);

/* The first tag of this type, or 0. *size is the tag's size, header included. */
const u8 *multiboot2_tag(const struct boot_info *info, u32 type, u32 *size);

enum mb2_tag {
	MB2_END,
	MB2_CMDLINE,
	MB2_LOADER,
	MB2_MODULE,
	MB2_MEMINFO,
	MB2_BOOTDEV,
	MB2_MMAP,
	MB2_VBE,
	MB2_FRAMEBUFFER,
	MB2_ELF,
	MB2_APM,
	MB2_EFI32,
	MB2_EFI64,
	MB2_SMBIOS,
	MB2_ACPI_OLD,
	MB2_ACPI_NEW,
	MB2_NETWORK,
	MB2_EFI_MMAP,
	MB2_EFI_BS,
	MB2_EFI32_IH,
	MB2_EFI64_IH,
	MB2_LOAD_BASE,
};

#endif
