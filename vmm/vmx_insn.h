/*
 * The VMX instructions of L1: operands fetched, rules asked (nested/insn.h), effects applied.
 */
#ifndef VMM_VMX_INSN_H
#define VMM_VMX_INSN_H

#include "vmm/vcpu.h"

/* The instruction that v->exit.reason names. Requires vmcs01 loaded. */
void vmx_insn_execute(struct vcpu *v);
void vmx_insn_enter(struct vcpu *v); /* VMLAUNCH and VMRESUME */
void vmx_insn_vmcall(struct vcpu *v);

#endif
