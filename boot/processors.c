#include "boot/processors.h"

#include "boot/acpi.h"
#include "vmm/console.h"
#include "vmm/layout.h"
#include "vmm/lib.h"
#include "vmx/cpu.h"

#define SDT_CHECKSUM 9 /* offset; ACPI Specification: "System Description Table Header" */
#define BDA_EBDA 0x40e /* segment of the extended BIOS data area */
#define BIOS_ROM 0xf0000u
#define BIOS_ROM_END 0x100000u
#define MP_SIZE_MAX 0x10000u
#define MP_CHECKSUM 7
#define MP_ENTRIES 44
#define MP_PROCESSOR 0
#define MP_PROCESSOR_SIZE 20
#define MP_OTHER_SIZE 8
#define MP_FLAGS 3
#define MP_ENABLED 1u
#define MP_BOOTSTRAP 2u

static u8 *physical(u64 address)
{
	return (u8 *)(DIRECT_BASE + address);
}

static u32 get32(const u8 *p)
{
	u32 v;
	memcpy(&v, p, 4);
	return v;
}

static u8 sum(const u8 *p, u32 size)
{
	u8 total = 0;
	for (u32 i = 0; i < size; i++)
		total += p[i];
	return total;
}

/* Changes one byte of a table and keeps its sum. False: this memory cannot be written. */
static bool patch(u8 *table, u32 at, u8 value, u32 checksum_at)
{
	volatile u8 *byte = table + at, *checksum = table + checksum_at;
	u8 old = *byte;

	*byte = value;
	if (*byte != value)
		return false;
	*checksum = (u8)(*checksum + old - value);
	return true;
}

static bool hide_in_madt(u8 *madt, u32 own_id)
{
	struct acpi_processor p;
	bool done = true;

	for (u32 at = 0; acpi_next_processor(madt, &at, &p);) {
		u8 flags = madt[p.flags_at];
		u8 hidden = flags & (u8) ~(ACPI_PROCESSOR_ENABLED | ACPI_PROCESSOR_ONLINE_CAPABLE);
		if (p.apic_id != own_id && hidden != flags)
			done &= patch(madt, p.flags_at, hidden, SDT_CHECKSUM);
	}
	return done;
}

/* MultiProcessor Specification: "MP Configuration Table". */
static bool hide_in_mp_table(u8 *table)
{
	u32 size = (u32)table[4] | (u32)table[5] << 8;
	bool done = true;

	for (u32 at = MP_ENTRIES; at + MP_OTHER_SIZE <= size;) {
		u8 flags = table[at + MP_FLAGS];
		if (table[at] == MP_PROCESSOR && at + MP_PROCESSOR_SIZE > size)
			break;
		if (table[at] == MP_PROCESSOR && (flags & MP_ENABLED) && !(flags & MP_BOOTSTRAP))
			done &= patch(table, at + MP_FLAGS, flags & (u8)~MP_ENABLED, MP_CHECKSUM);
		at += table[at] == MP_PROCESSOR ? MP_PROCESSOR_SIZE : MP_OTHER_SIZE;
	}
	return done;
}

/* MultiProcessor Specification: "MP Floating Pointer Structure". 0: none there. */
static const u8 *find_pointer(u64 from, u64 to)
{
	for (u64 at = from; at + 16 <= to; at += 16)
		if (memcmp(physical(at), "_MP_", 4) == 0 && sum(physical(at), 16) == 0)
			return physical(at);
	return 0;
}

static u8 *find_mp_table(void)
{
	u64 ebda = (u64)(physical(BDA_EBDA)[0] | physical(BDA_EBDA)[1] << 8) << 4;
	const u8 *pointer = 0;

	if (ebda >= 0x80000 && ebda < 0xa0000)
		pointer = find_pointer(ebda, ebda + 1024);
	if (!pointer)
		pointer = find_pointer(BIOS_ROM, BIOS_ROM_END);
	u32 address = pointer ? get32(pointer + 4) : 0;
	if (address == 0 || address > 0xffffffff - MP_SIZE_MAX)
		return 0;
	u8 *table = physical(address);
	u32 size = (u32)table[4] | (u32)table[5] << 8;
	return memcmp(table, "PCMP", 4) == 0 && size >= MP_ENTRIES && sum(table, size) == 0 ? table : 0;
}

/* The APIC ID in 32 bits where there is one. SDM: volume 2, "CPUID", leaves 0BH and 01H. */
static u32 own_apic_id(void)
{
	if (cpu_cpuid(0, 0).eax >= 0xb && cpu_cpuid(0xb, 0).ebx)
		return cpu_cpuid(0xb, 0).edx;
	return cpu_cpuid(1, 0).ebx >> 24;
}

void processors_hide(const struct boot_info *info)
{
	u8 *madt = (u8 *)acpi_madt(info), *mp = find_mp_table();

	if (madt && !hide_in_madt(madt, own_apic_id()))
		log_line("the MADT cannot be written: L1 sees all processors");
	if (mp && !hide_in_mp_table(mp))
		log_line("the MP table cannot be written: an L1 that reads it sees all processors");
}
