/*
 * Running L2: between L1's VMLAUNCH or VMRESUME and the exit that L1 sees. The rules are in nested/;
 * here they are fed and their results written to the VMCSs.
 */
#ifndef VMM_NESTED_RUN_H
#define VMM_NESTED_RUN_H

#include "nested/exit.h"
#include "nested/insn.h"
#include "vmm/vcpu.h"

/* Requires vmcs02 loaded, host state written. */
void nested_init(struct vcpu *v);

/*
 * VMLAUNCH or VMRESUME, past insn_entry(): the checks, then the switch to vmcs02. Gives the failure
 * for RFLAGS, or INSN_GO_ON: then vmcs02 is loaded, or L1 is past an exit for a failed entry, and RIP
 * must not be touched. Requires vmcs01 loaded.
 */
struct insn_outcome nested_enter(struct vcpu *v);

/* An exit of vmcs02. True: it is dealt with. False: it is L0's to handle, as an exit of L1 would be. */
bool nested_handle_exit(struct vcpu *v);

/* VMLAUNCH of vmcs02 failed in hardware: a check that nested/ lacks. */
void nested_entry_refused(struct vcpu *v);

/*
 * An exception that L0 raises in L2: true where L1 intercepts it; then L1 has its exit. info: as in
 * VM-exit interruption information. Requires vmcs02 loaded.
 */
bool nested_exception_to_l1(struct vcpu *v, u32 info, u32 error_code);

/*
 * An exit that L0 makes: with this reason and information, at an instruction boundary of L2's. Requires
 * vmcs02 loaded; leaves vmcs01 loaded.
 */
void nested_exit(struct vcpu *v, const struct exit_record *r);

#endif
