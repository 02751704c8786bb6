/*
 * Entering a guest and coming back. vmx/entry.S.
 */
#ifndef VMX_ENTRY_H
#define VMX_ENTRY_H

#include "vmx/types.h"
#include "vmx/x86.h"

/*
 * Loads the general registers from gpr (RSP's slot is not used), enters the guest of the loaded VMCS
 * with VMRESUME (launched) or VMLAUNCH, and stores the registers on the exit. Sets HOST_RSP; HOST_RIP
 * must be entry_vm_exit.
 *
 * Gives ENTRY_EXITED after a VM exit (a failed entry with exit reason 33, 34 or 41 among them),
 * ENTRY_FAILED where VMLAUNCH or VMRESUME itself failed, and ENTRY_NOT_DONE where *nmi was set before
 * the guest was entered: entry.S looks at it last, and an NMI that comes later, up to the entry
 * itself, is sent back to the start (entry_nmi_fixup).
 */
enum entry_result { ENTRY_EXITED, ENTRY_FAILED, ENTRY_NOT_DONE };
enum entry_result entry_run(u64 *gpr, bool launched, const bool *nmi);

/* HOST_RIP. */
void entry_vm_exit(void);

/*
 * For L0's NMI handler: where an interrupted RIP lies between the look at *nmi and the entry, gives
 * the RIP to go on at instead.
 */
u64 entry_nmi_fixup(u64 rip);

#endif
