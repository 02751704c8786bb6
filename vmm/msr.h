/*
 * The MSRs of L1, as RDMSR, WRMSR and the MSR areas of a VMCS reach them.
 */
#ifndef VMM_MSR_H
#define VMM_MSR_H

#include "vmm/vcpu.h"

/*
 * For the guest of the loaded VMCS. The number and the value may be anything; false: #GP(0). An MSR
 * that a VM entry loads from the VMCS is read and written there; others are the processor's own.
 */
bool msr_read(struct vcpu *v, u32 number, u64 *value);
bool msr_write(struct vcpu *v, u32 number, u64 value);

/* One page: the MSRs that L0 intercepts. SDM: "MSR-Bitmap Address". */
void msr_make_bitmap(u8 *page);

#endif
