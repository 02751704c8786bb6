/* What mode_code.S has for mode.c. */
#ifndef GUEST_RULES_MODE_H
#define GUEST_RULES_MODE_H

#define MODE_ROUNDS 2

#ifndef __ASSEMBLER__
#include "vmx/types.h"

/* 32-bit code, for legacy_run_pae(). */
extern const char mode_refused[], mode_runs[], mode_exit[], mode_l2[];

extern u64 mode_vmxon, mode_vmcs; /* the regions' addresses */
extern u32 mode_results[MODE_ROUNDS][2];
#endif

#endif
