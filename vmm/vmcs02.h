/*
 * vmcs02: what hardware runs L2 with. Made from the current vmcs12 and from what L0 needs; kept from one
 * entry to the next, so that an entry writes only what has changed.
 */
#ifndef VMM_VMCS02_H
#define VMM_VMCS02_H

#include "nested/merge.h"
#include "vmm/vcpu.h"

/* Which fields it has. */
void vmcs02_init(struct vcpu *v);

/* Makes v->vmcs12->vmcs02, with a region of its own and L0's host state. Requires vmcs01 loaded and leaves it so. */
void vmcs02_new(struct vcpu *v);

/*
 * The entry can be made by writing what is dirty: vmcs02 was made from this vmcs12, and nothing has changed
 * that more than its own field depends on.
 */
bool vmcs02_is_close(const struct vcpu *v);

/*
 * Both require vmcs01 loaded and leave vmcs02 loaded, ready to be entered: all of it from vmcs12 (all of
 * v12 current), or only what is dirty (vmcs02_is_close). pdpte: read through guest CR3 where PAE paging is
 * used without EPT12.
 */
void vmcs02_make(struct vcpu *v, const u64 pdpte[4]);
void vmcs02_update(struct vcpu *v, const u64 pdpte[4]);

#endif
