/*
 * Which bits of the exit information are defined for an exit. SDM: "VM-Exit Information Fields",
 * "Recording VM-Exit Information and Updating VM-entry Control Fields".
 */
#ifndef GUEST_EVENTS_MASKS_H
#define GUEST_EVENTS_MASKS_H

#include "vmx/fields.h"

/* f: the VMCS after the exit. The defined bits of this read-only field; others say nothing. */
u64 mask_defined(enum field_index field, const u64 *f);

#endif
