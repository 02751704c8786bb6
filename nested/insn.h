/*
 * The VMX instructions' rules: what an instruction that L1 executed does, before its effect. Pure.
 * The glue (vmm/vmx_insn.c) fetches operands, asks here, and applies.
 * SDM: chapter "VMX Instruction Reference".
 */
#ifndef NESTED_INSN_H
#define NESTED_INSN_H

#include "nested/nested.h"
#include "vmx/exits.h"
#include "vmx/x86.h"

enum insn_kind {
	INSN_GO_ON, /* nothing stands against it so far */
	INSN_FAULT, /* exception .vector with error code 0 */
	INSN_FAULTED, /* the memory operand faulted: all is done (only the glue says so) */
	INSN_FAIL_INVALID,
	INSN_FAIL, /* VMfailValid(.error), or VMfailInvalid where no VMCS is current */
};

struct insn_outcome {
	u8 kind; /* enum insn_kind */
	u8 vector; /* enum vector */
	u16 error; /* enum vm_instruction_error */
};

#define INSN_OK ((struct insn_outcome){.kind = INSN_GO_ON})

/* L1 at the instruction. cr0 and cr4 as L1 sees them. */
struct insn_cpu {
	u64 cr0, cr4, efer, rflags;
	u32 cs_ar;
	unsigned cpl;
	u64 feature_control;
	const struct caps *caps; /* L1's */
};

/* Mode and privilege, for every VMX instruction (R1, R6). */
struct insn_outcome insn_gate(const struct nested *n, enum exit_reason insn, const struct insn_cpu *cpu);

/*
 * Its short way: 64-bit code at CPL 0 in VMX operation passes, if the instruction is not VMXON and exists. CR0.PE
 * is 1 there, virtual-8086 mode has CPL 3, and compatibility mode CS.L = 0.
 */
static inline bool insn_gate_is_open(const struct nested *n, u32 cs_ar, unsigned cpl)
{
	return n->vmxon && (cs_ar & AR_L) && cpl == 0;
}

/* The instruction exists only where a capability says so. */
static inline bool insn_exists(enum exit_reason insn, const struct caps *caps)
{
	if (insn == EXIT_REASON_INVEPT)
		return caps->ept_vpid & EPT_CAP_INVEPT;
	return insn != EXIT_REASON_INVVPID || (caps->ept_vpid & VPID_CAP_INVVPID);
}

/* VMXON, before (R2, R4) and after (R3) its operand is read. revision: first word of the region. */
struct insn_outcome insn_vmxon_allowed(const struct nested *n, const struct insn_cpu *cpu);
struct insn_outcome insn_vmxon_region(const struct caps *caps, u64 pointer, u32 revision);

/* VMCLEAR and VMPTRLD, with their operand (R8, R9). */
struct insn_outcome insn_vmclear(const struct nested *n, const struct caps *caps, u64 pointer);
struct insn_outcome insn_vmptrld_address(const struct nested *n, const struct caps *caps, u64 pointer);
struct insn_outcome insn_vmptrld_revision(const struct caps *caps, u32 revision);

/* VMREAD and VMWRITE (R10, R12): which field, and which half of it. */
struct insn_field {
	enum field_index index;
	bool high;
};
struct insn_outcome insn_vmread(const struct nested *n, const struct caps *caps, u64 encoding,
				struct insn_field *field);
struct insn_outcome insn_vmwrite(const struct nested *n, const struct caps *caps, u64 encoding,
				 struct insn_field *field);
/* What VMREAD gives of a field's value, and a field's value (it was `old`) after a VMWRITE. */
u64 insn_field_read(u64 value, struct insn_field field);
u64 insn_field_written(u64 old, struct insn_field field, u64 value);

/* VMLAUNCH and VMRESUME, before the checks of vmcs12 (R13 to R15). */
struct insn_outcome insn_entry(const struct nested *n, u32 interruptibility, bool launch);

/* INVEPT and INVVPID (R18): the type, before the descriptor is read, then both. */
struct inv_descriptor {
	u64 low, high;
};
struct insn_outcome insn_invept_type(const struct caps *caps, u64 type);
struct insn_outcome insn_invept(const struct caps *caps, u64 type, struct inv_descriptor d);
struct insn_outcome insn_invvpid_type(const struct caps *caps, u64 type);
struct insn_outcome insn_invvpid(const struct caps *caps, u64 type, struct inv_descriptor d);

/* RFLAGS after an instruction that did not fault (R7): kind INSN_GO_ON is success. */
u64 insn_flags(const struct nested *n, u64 rflags, struct insn_outcome outcome);

#endif
