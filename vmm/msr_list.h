/*
 * The MSR areas of L1's VMCS. SDM: "VM-Exit Controls for MSRs", "VM-Entry Controls for MSRs", "Loading
 * MSRs", "Saving MSRs".
 */
#ifndef VMM_MSR_LIST_H
#define VMM_MSR_LIST_H

#include "vmm/vcpu.h"

/*
 * For the guest of the loaded VMCS. area: l1pa of 16-byte entries, checked by the VM-entry checks. More
 * than IA32_VMX_MISC allows is undefined behaviour: what is above is left alone.
 *
 * Loading gives 0, or the 1-based index of the entry that cannot be loaded; those before it are (R44).
 * Storing gives false at an entry that cannot be stored.
 */
u32 msr_list_load(struct vcpu *v, u64 area, u64 count);
bool msr_list_store(struct vcpu *v, u64 area, u64 count);

/* Says in the log which rule entry `index` (from 1) broke. */
void msr_list_log_refusal(const struct vcpu *v, u64 area, u32 index);

#endif
