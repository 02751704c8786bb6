/*
 * The current VMCS of L1, and where the values of its fields are. A field's value is in one of
 *
 *   v12      L0's copy of L1's VMCS region (nested/vmcs12.h): always, but for
 *   vmcs02   where L2's last exit left it (.stale): fields that an exit saves are not read before someone
 *            asks for them
 *   shadow   the shadow VMCS that hardware lets L1 write without an exit ("VMCS shadowing"), for the fields
 *            in .written: taken over at L1's next VMLAUNCH or VMRESUME
 *
 * Which fields are read at each exit and taken over at each entry is learnt from what L1 does: a field
 * that L1 reads after exits, or writes before entries, joins its list, and the lists are begun anew from
 * time to time. Without VMCS shadowing everything exits, and only the first list is of use.
 *
 * SDM: "Software Use of Virtual-Machine Control Structures", "VMCS Shadowing" (VMREAD and VMWRITE bitmaps).
 */
#ifndef VMM_VMCS12_H
#define VMM_VMCS12_H

#include "vmm/vcpu.h"

/* Requires VMX operation; leaves no VMCS current for L1. */
void vmcs12_init(struct vcpu *v);

/*
 * VMPTRLD: L1's region at `pointer` (valid) becomes current, none is before. VMPTRLD of another one: none is
 * current any more, but L0 keeps the data. VMCLEAR, and VMXOFF for the current one: the data goes back to L1's
 * memory, whole. All require vmcs01 loaded and leave it so.
 */
void vmcs12_load(struct vcpu *v, u64 pointer);
void vmcs12_park(struct vcpu *v);
void vmcs12_unload(struct vcpu *v);
void vmcs12_clear(struct vcpu *v, u64 pointer); /* any, current or not, kept or not */

/* For vmm/vmcs12_cache.c: makes the parts of v->vmcs12; writes the current one's data to L1's memory. */
void vmcs12_new(struct vcpu *v);
void vmcs12_write_back(struct vcpu *v);

/*
 * The VMCSs that L0 keeps. Takes the one at `pointer` for v->vmcs12, and says whether it was parked: else it is a
 * new one, of which nothing is known yet. Frees the place of the current one. Forgets all, with their data.
 * vmm/vmcs12_cache.c
 */
void vmcs12_cache_init(struct vcpu *v);
bool vmcs12_cache_has(struct vcpu *v, u64 pointer);
bool vmcs12_cache_take(struct vcpu *v, u64 pointer);
void vmcs12_cache_free(struct vcpu *v);
void vmcs12_cache_forget(struct vcpu *v);

/*
 * VMREAD and VMWRITE that exited: whole fields, values of the field's width. And a field's value where L1 does
 * not ask for it. Require vmcs01 loaded.
 */
u64 vmcs12_value(struct vcpu *v, enum field_index i);
u64 vmcs12_read(struct vcpu *v, enum field_index i);
void vmcs12_write(struct vcpu *v, enum field_index i, u64 value);

/* A field that L0 itself changes in v12 (VM-instruction error): L1 must see it. */
void vmcs12_changed(struct vcpu *v, enum field_index i);

/* Makes v12 current in these fields, or in all. Whichever of vmcs01 and vmcs02 is loaded stays loaded. */
void vmcs12_pull_stale(struct vcpu *v, const struct field_set *fields);
static inline void vmcs12_pull(struct vcpu *v, const struct field_set *fields)
{
	if (field_set_meets(&v->vmcs12->stale, fields))
		vmcs12_pull_stale(v, fields);
}
void vmcs12_pull_all(struct vcpu *v);

/* L1 enters L2: what it wrote without exits comes to v12, and into .dirty. Requires vmcs01 loaded. */
void vmcs12_take(struct vcpu *v);

/*
 * L2 has exited to L1: the fields of v->vmcs12->saved and those of the exit information (v->information) have their
 * value in vmcs02 now. Where L0 makes the exit up, those of v->vmcs12->saved alone: the others are the caller's, who
 * writes them to v12 afterwards. Both require vmcs02 loaded. vmcs12_give() then makes L1 see all that has
 * changed; leaves vmcs01 loaded.
 */
void vmcs12_exited(struct vcpu *v);
void vmcs12_exited_by_l0(struct vcpu *v);
/* v->vmcs12->saved is another. */
void vmcs12_saved_is_new(struct vcpu *v);
void vmcs12_give_changed(struct vcpu *v);
static inline void vmcs12_give(struct vcpu *v)
{
	if (v->vmcs12->changed || v->vmcs12->any_unseen)
		vmcs12_give_changed(v);
	else
		vmcs_load(&v->vmcs01);
}

/* A list of fields; adding gives false where it is full, or has the field. */
void field_list_clear(struct field_list *list);
bool field_list_add(struct field_list *list, enum field_index i);

#endif
