/*
 * A VM exit from L2 to L1: what it leaves in vmcs12, and the state it loads into L1. Pure.
 * SDM: chapter "VM Exits".
 */
#ifndef NESTED_EXIT_H
#define NESTED_EXIT_H

#include "nested/nested.h"
#include "vmx/exits.h"
#include "vmx/x86.h"

/* Exit information, as the RO fields of a VMCS hold it. */
struct exit_record {
	u32 reason; /* whole: with bit 31 */
	u64 qualification, linear_address, physical_address;
	u32 intr_info, intr_error_code;
	u32 vectoring_info, vectoring_error_code;
	u32 insn_length, insn_info;
	u64 io_rcx, io_rsi, io_rdi, io_rip;
};

/*
 * The fields whose value an exit takes from the processor, which is to say from vmcs02: the guest-state
 * area, as far as vmcs12's controls have it saved, and of the VM-entry controls the bit that follows
 * IA32_EFER.LMA (R73). Not for a failed entry, which saves nothing (R45). Fields that the processor lacks
 * are in the set too. SDM: "Saving Guest State".
 */
void exit_saved_fields(struct field_set *saved, const struct vmcs12 *v);

/* What vmcs12's field, `old`, becomes where vmcs02 has `value` after the exit. */
static inline u64 exit_saved_value(enum field_index i, u64 old, u64 value)
{
	if (i == FI_ENTRY_CONTROLS)
		return (old & ~(u64)ENTRY_IA32E_MODE_GUEST) | (value & ENTRY_IA32E_MODE_GUEST);
	return value;
}

/*
 * Exits with this reason (whole) can come while an event is being delivered, or for an event themselves;
 * no other has interruption or IDT-vectoring information that is valid, but for the external interrupt
 * that an exit acknowledges. SDM: "Information for VM Exits Due to Vectored Events", "Information for VM
 * Exits That Occur During Event Delivery".
 */
static inline bool exit_can_be_in_delivery(u32 reason)
{
	const u64 reasons = BIT(EXIT_REASON_EXCEPTION_NMI) | BIT(EXIT_REASON_TRIPLE_FAULT) |
			    BIT(EXIT_REASON_TASK_SWITCH) | BIT(EXIT_REASON_APIC_ACCESS) |
			    BIT(EXIT_REASON_EPT_VIOLATION) | BIT(EXIT_REASON_EPT_MISCONFIGURATION) |
			    BIT(EXIT_REASON_PML_FULL);
	return reason < 64 && (reasons >> reason & 1);
}

/*
 * Exits with this basic reason may have an exit qualification, or one of the above; others have neither.
 * SDM: "Basic VM-Exit Information", "Exit Qualification".
 */
static inline bool exit_has_details(u32 reason)
{
	const u64 without = BIT(EXIT_REASON_EXTERNAL_INTERRUPT) | BIT(EXIT_REASON_INTERRUPT_WINDOW) |
			    BIT(EXIT_REASON_NMI_WINDOW) | BIT(EXIT_REASON_CPUID) | BIT(EXIT_REASON_HLT) |
			    BIT(EXIT_REASON_INVD) | BIT(EXIT_REASON_VMCALL) | BIT(EXIT_REASON_VMLAUNCH) |
			    BIT(EXIT_REASON_VMRESUME) | BIT(EXIT_REASON_VMXOFF) | BIT(EXIT_REASON_RDMSR) |
			    BIT(EXIT_REASON_WRMSR) | BIT(EXIT_REASON_PREEMPTION_TIMER) |
			    BIT(EXIT_REASON_XSETBV);
	return reason >= 64 || !(without >> reason & 1);
}

/* The exit-information fields; for a failed entry only reason and qualification (R45). */
void exit_record(struct vmcs12 *v, const struct exit_record *r);

/*
 * Whatever was to be injected has been (R51): gives whether that changed the field. Not for a failed
 * entry. SDM: "VM-Entry Controls for Event Injection".
 */
bool exit_clears_injection(struct vmcs12 *v);

/*
 * L1's state after the exit, from vmcs12 alone: fills the GUEST fields of *l1, the read shadow of CR4, and
 * "IA-32e mode guest" in ENTRY_CONTROLS, whose other bits stay. exit_load_kept() must follow.
 */
void exit_load_host(struct vmcs_image *l1, const struct vmcs12 *v);

/* What an exit loads into L1 depends on this beside vmcs12's host-state area. */
struct exit_host_in {
	const struct vmcs12 *v;
	u64 cr0; /* the guest's at the exit: CD and NW stay */
	u64 efer, pat; /* the guest's at the exit: kept where no control loads them */
	const u64 *pdpte; /* four, read through host CR3, where the host uses PAE paging; else 0 */
	bool nmi_blocking; /* NMIs are blocked after this exit */
};

/* The rest: CR0 and its read shadow, IA32_EFER, IA32_PAT, the PDPTEs and blocking by NMI. */
void exit_load_kept(struct vmcs_image *l1, const struct exit_host_in *in);

/* The host state of vmcs12 uses PAE paging outside IA-32e mode: PDPTEs are loaded at an exit. */
bool exit_host_uses_pae(const struct vmcs12 *v);

#endif
