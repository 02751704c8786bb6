/*
 * The entries of a VM-entry or VM-exit MSR-load area. Pure.
 * SDM: "Loading MSRs" (chapters "VM Entries" and "VM Exits").
 */
#ifndef NESTED_MSR_AREA_H
#define NESTED_MSR_AREA_H

#include "nested/rules.h"
#include "vmx/types.h"

/*
 * The rule of rules.def that keeps an entry from being loaded whatever its value, or RULE_COUNT if none
 * does. reserved: the entry's bits 63:32. That its write does not fault (RULE_msr_load_fault) is for the
 * caller to see.
 */
enum rule_id msr_area_load(u32 number, u32 reserved);

#endif
