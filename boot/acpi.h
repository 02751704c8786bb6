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

#endif
