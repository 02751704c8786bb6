/*
 * The BIOS's memory map: an L1 that asks INT 15H, as boot loaders and Xen's trampoline do in real mode,
 * must not be told of L0's memory either.
 *
 * Vector 15H is pointed at a VMCALL in a page of the BIOS ROM that L0 shows L1 instead of the real
 * one; functions E820H, E801H and 88H are answered from L1's map, all others go on to the BIOS.
 * ACPI Specification: "System Address Map Interfaces", INT 15H.
 */
#ifndef VMM_BIOS_H
#define VMM_BIOS_H

#include "vmm/vcpu.h"

/* Sets the hook where there is a BIOS with an INT 15H and room for it. Requires ept01_init(). */
void bios_hook(struct machine *m);

/* A VMCALL of L1: true where it is the hook's, and done. Requires vmcs01 loaded. */
bool bios_vmcall(struct vcpu *v);

#endif
