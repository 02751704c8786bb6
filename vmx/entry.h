/*
 * Entering a guest and coming back. vmx/entry.S.
 */
#ifndef VMX_ENTRY_H
#define VMX_ENTRY_H

#include "vmx/types.h"
#include "vmx/x86.h"

struct vcpu;

/*
 * Runs guests for good. gpr, with the general registers (RSP's slot is not used), is the vcpu's first member:
 * wherever a vcpu is given or expected, so is gpr. Asks vcpu_next() what to enter first, loads the registers,
 * enters the guest of the loaded VMCS, stores the registers on the exit, and asks the next of these functions.
 * Sets HOST_RSP; HOST_RIP must be entry_vm_exit.
 */
void __attribute__((noreturn)) entry_loop(struct vcpu *v);

/*
 * Each loads the VMCS that is to be entered next, and gives v where that is by VMRESUME, 0 where by VMLAUNCH.
 * Called after a VM exit (a failed entry with exit reason 33, 34 or 41 among them); where VMLAUNCH or VMRESUME
 * itself failed; and where entry_nmi was set before the guest was entered.
 */
struct vcpu *vcpu_exited(struct vcpu *v);
struct vcpu *vcpu_not_entered(struct vcpu *v);
struct vcpu *vcpu_next(struct vcpu *v);

/*
 * L0's NMI handler sets it. It is looked at last before an entry, and an NMI that comes later, up to the entry
 * itself, is sent back to the start (entry_nmi_fixup).
 */
extern bool entry_nmi;

/* HOST_RIP. */
void entry_vm_exit(void);

/*
 * For L0's NMI handler: where an interrupted RIP lies between the look at entry_nmi and the entry, gives
 * the RIP to go on at instead.
 */
u64 entry_nmi_fixup(u64 rip);
#endif
