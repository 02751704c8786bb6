/*
 * The processor's own local APIC, as L0 reaches it in the mode that L1 has chosen.
 * SDM: volume 3A, "Local APIC", "Extended XAPIC (x2APIC)".
 */
#ifndef VMM_APIC_HW_H
#define VMM_APIC_HW_H

#include "vmm/vcpu.h"

#define APIC_BASE_EXTD BIT(10)
#define APIC_BASE_EN BIT(11)
#define APIC_BASE_ADDRESS BITS(51, 12)

enum apic_mode { APIC_OFF, APIC_XAPIC, APIC_X2APIC };
enum apic_mode apic_hw_mode(const struct apic *a);

/* A register of 32 bits. Requires that the APIC is not off. A register that is not there reads 0. */
u32 apic_hw_read(const struct apic *a, u32 offset);
void apic_hw_write(const struct apic *a, u32 offset, u32 value);

/* The vector of highest priority in one of the three bitmaps; -1: none, or the APIC is off. */
int apic_hw_highest(const struct apic *a, enum lapic_register bitmap);
bool apic_hw_has(const struct apic *a, enum lapic_register bitmap, u8 vector);

/* It would interrupt now: TPR is 0. */
bool apic_hw_deliverable(const struct apic *a);

/* The fixed IPI with this vector to this processor. */
void apic_hw_self_ipi(const struct apic *a, u8 vector);

/* Takes one interrupt, as the processor does: its vector, or -1. */
int apic_hw_take(const struct machine *m);

#endif
