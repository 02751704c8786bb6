#include "boot/acpi.h"

#include "vmm/layout.h"
#include "boot/multiboot2.h"
#include "vmm/lib.h"
#include "vmx/cpu.h"

#define SDT_HEADER 36
#define SDT_MAX 0x100000u
#define MADT_ENTRIES 44
#define MADT_LAPIC 0
#define MADT_X2APIC 9

static u32 get32(const u8 *p)
{
	u32 v;
	memcpy(&v, p, 4);
	return v;
}

static u64 get64(const u8 *p)
{
	u64 v;
	memcpy(&v, p, 8);
	return v;
}

/* A table at a physical address that firmware chose: mapped, sane, with a right checksum; or 0. */
static const u8 *table_at(u64 address)
{
	if (address == 0 || address > 0xfffffffful - SDT_MAX)
		return 0;
	const u8 *table = (const u8 *)(DIRECT_BASE + address);
	u32 length = get32(table + 4);
	u8 sum = 0;
	if (length < SDT_HEADER || length > SDT_MAX)
		return 0;
	for (u32 i = 0; i < length; i++)
		sum += table[i];
	return sum == 0 ? table : 0;
}

static const u8 *find_madt(const u8 *rsdp)
{
	bool xsdt = rsdp[15] >= 2 && get64(rsdp + 24) != 0;
	const u8 *root = table_at(xsdt ? get64(rsdp + 24) : get32(rsdp + 16));
	u32 width = xsdt ? 8 : 4;

	for (u32 at = SDT_HEADER; root && at + width <= get32(root + 4); at += width) {
		const u8 *table = table_at(xsdt ? get64(root + at) : get32(root + at));
		if (table && memcmp(table, "APIC", 4) == 0)
			return table;
	}
	return 0;
}

static void add_cpu(struct boot_info *info, u32 apic_id, u32 flags)
{
	if ((flags & ACPI_PROCESSOR_ENABLED) && info->cpu_count < BOOT_MAX_CPUS)
		info->apic_id[info->cpu_count++] = apic_id;
}

/* GRUB's copy of the RSDP: the version 2 one if there is one. */
static const u8 *rsdp_copy(const struct boot_info *info)
{
	u32 size;
	const u8 *tag = multiboot2_tag(info, MB2_ACPI_NEW, &size);
	if (tag && size >= 8 + 36)
		return tag + 8;
	tag = multiboot2_tag(info, MB2_ACPI_OLD, &size);
	return tag && size >= 8 + 20 ? tag + 8 : 0;
}

/* Where the BIOS keeps it. ACPI Specification: "Finding the RSDP on IA-PC Systems". */
static u64 find_rsdp(const u8 *copy)
{
	u64 ebda = (u64) * (const volatile u16 *)(DIRECT_BASE + 0x40e) << 4;
	for (u64 at = ebda; at && at < ebda + 1024 && at < 0xa0000; at += 16)
		if (memcmp((const u8 *)DIRECT_BASE + at, copy, 20) == 0)
			return at;
	for (u64 at = 0xe0000; at < 0x100000; at += 16)
		if (memcmp((const u8 *)DIRECT_BASE + at, copy, 20) == 0)
			return at;
	return 0;
}

const u8 *acpi_madt(const struct boot_info *info)
{
	const u8 *rsdp = rsdp_copy(info);
	return rsdp ? find_madt(rsdp) : 0;
}

bool acpi_next_processor(const u8 *madt, u32 *at, struct acpi_processor *found)
{
	u32 size = get32(madt + 4);

	for (*at = *at ? *at : MADT_ENTRIES; *at + 2 <= size;) {
		const u8 *entry = madt + *at;
		u32 here = *at;
		if (entry[1] < 2 || here + entry[1] > size)
			return false;
		*at += entry[1];
		if (entry[0] == MADT_LAPIC && entry[1] >= 8) {
			*found = (struct acpi_processor){entry[3], here + 4};
			return true;
		}
		if (entry[0] == MADT_X2APIC && entry[1] >= 16) {
			*found = (struct acpi_processor){get32(entry + 4), here + 8};
			return true;
		}
	}
	return false;
}

int acpi_read(struct boot_info *info)
{
	const u8 *rsdp = rsdp_copy(info), *madt = acpi_madt(info);
	struct acpi_processor p;

	info->rsdp = rsdp ? find_rsdp(rsdp) : 0;
	info->cpu_count = 0;
	for (u32 at = 0; madt && acpi_next_processor(madt, &at, &p);)
		add_cpu(info, p.apic_id, get32(madt + p.flags_at));
	if (info->cpu_count)
		return 0;
	info->apic_id[0] = cpu_cpuid(1, 0).ebx >> 24;
	info->cpu_count = 1;
	return -1;
}
