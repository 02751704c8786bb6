/*
 * vmcs02 from vmcs12 and from what L0 needs. Pure.
 * SDM: "VM-Execution Control Fields", "VM-Exit Control Fields", "Loading Guest State".
 */
#ifndef NESTED_MERGE_H
#define NESTED_MERGE_H

#include "nested/nested.h"

/* What the merge takes from outside vmcs12. */
struct merge_in {
	const struct vmcs12 *v;
	const struct caps *hw;
	/* L1 at VMLAUNCH/VMRESUME: what L2 starts with where vmcs12 does not load it. */
	u64 l1_efer, l1_pat, l1_dr7, l1_debugctl;
	const u64 *pdpte; /* four, read through guest CR3 where PAE paging is used and no EPT12 */
};

/*
 * Fills the fields of merge kind COPY and MERGE. Those of kind XLATE and OWN are the caller's, those
 * of kind NONE stay as they are.
 */
void merge_vmcs02(struct vmcs_image *out, const struct merge_in *in);

/*
 * The part of it that may depend on L1's registers: IA32_EFER, and of IA32_PAT, DR7 and IA32_DEBUGCTL those
 * that no control loads from vmcs12, which L2 has as L1 left them. SDM: "Loading Guest Control Registers,
 * Debug Registers, and MSRs".
 */
u64 merge_efer(const struct vmcs12 *v, u64 l1_efer);
void merge_inherited_fields(struct field_set *inherited, const struct vmcs12 *v);

/*
 * Fields of that part, PDPTEs and the VMX-preemption timer: after an exit that saved `saved` (nested/exit.h), what vmcs02 holds of them is not what the
 * next entry has to load. SDM: "Loading Guest Control Registers, Debug Registers, and MSRs".
 */
void merge_reloaded_fields(struct field_set *reloaded, const struct field_set *saved,
			   const struct vmcs12 *v);

/*
 * Which of L2's MSRs 800H to 83FH (bits 0 to 63) RDMSR or WRMSR finds in L2's virtual-APIC page, where no
 * MSR bitmap forbids it: the processor's APIC has no part in it. SDM: "Virtualizing MSR-Based APIC
 * Accesses".
 */
u64 merge_x2apic_virtual(const struct vmcs12 *v, bool write);

/* The guest uses PAE paging outside IA-32e mode. */
bool merge_uses_pae(const struct vmcs12 *v);

#endif
