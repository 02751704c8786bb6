/*
 * L1's local APIC, register by register: the virtual ones and, through them, the processor's own.
 */
#ifndef VMM_APIC_REGISTERS_H
#define VMM_APIC_REGISTERS_H

#include "vmm/vcpu.h"

/* offset: a multiple of 16 below 4096. The APIC must not be off. */
u32 apic_read_register(struct vcpu *v, u32 offset);
void apic_write_register(struct vcpu *v, u32 offset, u32 value);

#endif
