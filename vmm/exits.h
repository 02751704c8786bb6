/*
 * The handlers that vmx/exits.def names, as prototypes and as a table by basic exit reason. All require
 * v->exit filled and the VMCS that took the exit loaded.
 */
#ifndef VMM_EXITS_H
#define VMM_EXITS_H

#include "vmm/vcpu.h"

typedef void (*exit_handler)(struct vcpu *v);

#define X(number, NAME, handler, owner, text) void l0_##handler(struct vcpu *v);
#include "vmx/exits.def"
#undef X

#endif
