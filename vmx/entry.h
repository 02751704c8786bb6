/*
 * Entering a guest and coming back. vmx/entry.S. For C and assembly.
 */
#ifndef VMX_ENTRY_H
#define VMX_ENTRY_H

/* How an entry ended: with a VM exit (a failed entry with exit reason 33, 34 or 41 among them). */
#define ENTRY_EXITED 0
/* VMLAUNCH or VMRESUME itself failed. */
#define ENTRY_FAILED 1
/*
 * *nmi was set before the guest was entered: entry.S looks at it last, and an NMI that comes later, up to the
 * entry itself, is sent back to the start (entry_nmi_fixup).
 */
#define ENTRY_NOT_DONE 2

#ifndef __ASSEMBLER__
#include "vmx/types.h"
#include "vmx/x86.h"

struct vcpu;

/*
 * Runs guests for good: asks vcpu_next() what to enter, loads the general registers from gpr (RSP's slot is
 * not used), which is the vcpu's first member, enters the guest of the loaded VMCS, stores the registers on
 * the exit, and so on. The first question is asked with ENTRY_NOT_DONE. Sets HOST_RSP; HOST_RIP must be
 * entry_vm_exit.
 */
void __attribute__((noreturn)) entry_loop(u64 *gpr, const bool *nmi);

/* Deals with what the last entry ended with, and loads the VMCS to be entered: true with VMRESUME. */
bool vcpu_next(struct vcpu *v, unsigned ended);

/* HOST_RIP. */
void entry_vm_exit(void);

/*
 * For L0's NMI handler: where an interrupted RIP lies between the look at *nmi and the entry, gives
 * the RIP to go on at instead.
 */
u64 entry_nmi_fixup(u64 rip);
#endif

#endif
