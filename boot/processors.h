/*
 * L1 gets one processor: the firmware's tables show it no other.
 */
#ifndef BOOT_PROCESSORS_H
#define BOOT_PROCESSORS_H

#include "boot/boot_info.h"

/*
 * Marks all processors but the one we run on as not usable, in the firmware's MADT and MP table, in their
 * place. What lies in memory that cannot be written stays, and the log says so. Requires acpi_read() and
 * the direct map of the first 4 GiB.
 */
void processors_hide(const struct boot_info *info);

#endif
