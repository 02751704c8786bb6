/*
 * The processors, from ACPI's MADT. ACPI Specification: "Multiple APIC Description Table (MADT)".
 */
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include "boot/boot_info.h"

/*
 * Fills rsdp, apic_id[] and cpu_count; where no sound MADT is found, the processor we run on alone,
 * and the answer is -1. Requires the tags read and the direct map of the first 4 GiB.
 */
int acpi_read(struct boot_info *info);

/* The MADT with a right checksum, or 0. The same requirements; it lies in the direct map. */
const u8 *acpi_madt(const struct boot_info *info);

/* An entry of type 0 or 9 of the MADT describes a processor: its APIC ID and where its flags are. */
struct acpi_processor {
	u32 apic_id;
	u32 flags_at; /* offset in the MADT */
};

/*
 * The next processor of the MADT from offset *at on (start with 0). False: there is none. Entries were
 * checked to lie inside the table.
 */
bool acpi_next_processor(const u8 *madt, u32 *at, struct acpi_processor *found);

#define ACPI_PROCESSOR_ENABLED 1u
#define ACPI_PROCESSOR_ONLINE_CAPABLE 2u

#endif
