/*
 * L1's linear addresses: L0 reads and writes operands of L1's instructions as the processor would,
 * through L1's page tables, with their rights. SDM: volume 3A, chapter "Paging".
 */
#ifndef VMM_WALK_H
#define VMM_WALK_H

#include "vmm/vcpu.h"

/*
 * Both require vmcs01 loaded and CPL 0; the access is one of supervisor data. They give true, or false
 * having raised the page fault in L1 (CR2 set); then nothing was read or written.
 */
bool walk_read(struct vcpu *v, u64 linear, void *to, size_t size);
bool walk_write(struct vcpu *v, u64 linear, const void *from, size_t size);

/* The same for an access of user data, whatever CPL is. */
bool walk_write_user(struct vcpu *v, u64 linear, const void *from, size_t size);

/*
 * The bytes of the guest's next instruction, L1's or L2's, whichever VMCS is loaded: as many of them as
 * there are, up to size. It has just been fetched by the processor: rights are not looked at.
 */
unsigned walk_fetch(struct vcpu *v, u8 *to, unsigned size);

#endif
