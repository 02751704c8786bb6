/*
 * CR0, CR4 and XCR0 of L1. All require vmcs01 loaded.
 */
#ifndef VMM_CR_H
#define VMM_CR_H

#include "vmm/vcpu.h"

/* As L1 sees them: what MOV from CR0 and CR4 gives. */
u64 l1_cr0(const struct vcpu *v);
u64 l1_cr4(const struct vcpu *v);

/* MOV to CR0 or CR4 with all its effects. False: the processor raises #GP(0), nothing is changed. */
bool cr0_write(struct vcpu *v, u64 value);
bool cr4_write(struct vcpu *v, u64 value);

/* CR3 as a task switch loads it, translations flushed. False: a PDPTE is not legal; then they are all 0. */
bool cr3_switch(struct vcpu *v, u32 value);

/* XSETBV. False: #GP(0). */
bool xcr_write(struct vcpu *v, u32 index, u64 value);

/*
 * Which bits of CR0 and CR4 exit when L1 writes them: those that L0 holds at 1 for its own VMX
 * operation, and, while L1 is in VMX operation, all that must not change then.
 */
void cr_update_masks(struct vcpu *v);

/*
 * The four PDPTEs that CR3 names, from L1's memory; false where a present one has a reserved bit set.
 * SDM: volume 3A, "PDPTE Registers".
 */
bool cr_load_pdptes(const struct machine *m, u64 cr3, u64 pdpte[4]);

#endif
