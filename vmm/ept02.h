/*
 * EPT02: what L2 has of the machine's memory where L1 gave it an EPT12: EPT12 composed with what L1
 * itself has (EPT01). Filled by EPT violations, kept per EPT12 pointer until L1's INVEPT. The rules are
 * in nested/ept02.h; here are the tables, one root for each pointer, and INVEPT.
 */
#ifndef VMM_EPT02_H
#define VMM_EPT02_H

#include "nested/ept12.h"
#include "vmm/vcpu.h"

/* Takes half of the pages that are left. Requires VMX operation. */
void ept02_init(struct vcpu *v);

/* The EPT pointer for vmcs02 that goes with an EPT12 pointer (valid). */
u64 ept02_pointer(struct vcpu *v, u64 eptp12);

/*
 * An EPT violation of L2 under the EPT12 pointer that ept02_pointer() was last asked for: EPT12_MAPPED
 * where EPT12 allows the access, and EPT02 now maps it; else what L1 must be told. Requires vmcs02
 * loaded; of v->exit, the reason's qualification and gpa.
 */
struct ept12_result ept02_violation(struct vcpu *v, u64 eptp12);

/* Forgets what was composed from one EPT12 (INVEPT single-context), or from all. */
void ept02_drop(struct vcpu *v, u64 eptp12);
void ept02_drop_all(struct vcpu *v);

/*
 * Where a guest-physical address of the guest that is loaded lies in L1's memory: EPT12's translation for
 * reading where L2 runs under one, else the address itself. False: nowhere.
 */
bool ept02_translate(const struct vcpu *v, u64 address, l1pa_t *at);

#endif
