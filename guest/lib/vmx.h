/*
 * VMX operation and VMCSs: what every hypervisor has to do, in the order in which it does it.
 * SDM: "Software Use of Virtual-Machine Control Structures", "VMM Setup & Tear Down".
 */
#ifndef GUEST_LIB_VMX_H
#define GUEST_LIB_VMX_H

#include "guest/lib/asm.h"
#include "vmx/caps.h"
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/fields.h"

/* Whether CPUID shows VMX. */
bool vmx_present(void);

/* Makes IA32_FEATURE_CONTROL, CR0 and CR4 ready for VMXON. False where the firmware forbids VMX. */
bool vmx_prepare(void);

/* A new VMCS region or VMXON region: a page with the revision identifier. */
void *vmcs_alloc(void);

/* Enters VMX operation with a VMXON region of its own. Anything but success ends the program. */
void vmx_on(void);

/* A control word with the wanted controls, and with those that must be 1. */
u32 vmx_controls(enum control_word word, u32 wanted);

/* Whether this processor lets all these controls of a word be 1. */
bool vmx_allows(enum control_word word, u32 controls);

/* The VMCS that is current. A field that cannot be accessed ends the program. */
u64 vmcs_get(enum vmcs_field field);
void vmcs_set(enum vmcs_field field, u64 value);

struct vmcs_value {
	enum vmcs_field field;
	u64 value;
};
void vmcs_set_all(const struct vmcs_value *values, size_t count);
#define VMCS_SET(...) \
	do { \
		const struct vmcs_value values_[] = {__VA_ARGS__}; \
		vmcs_set_all(values_, ARRAY_LEN(values_)); \
	} while (0)

/* Makes the region clear and current. Anything but success ends the program. */
void vmcs_load(void *region);

/* The host state: this program, as it runs now. An exit comes back from vm_enter(). */
void vmcs_set_host(void);

/* What an exit told. SDM: "VM-Exit Information Fields". */
struct vm_exit {
	u64 failed; /* RFLAGS of a VMLAUNCH or VMRESUME that failed; 0: an exit */
	u32 reason, length, insn_info;
	u32 interruption, interruption_error, vectoring, vectoring_error;
	u64 qualification, physical, linear;
	u64 rip, rsp, rflags;
};

/* An L2 processor: its VMCS must be current. */
struct l2 {
	u64 gpr[GPR_COUNT]; /* gpr[RSP] is not used: GUEST_RSP is in the VMCS */
	bool launched;
	void *region;
	struct vm_exit exit;
};

/* Runs the L2 whose VMCS is current until its next exit, and reads what it tells. */
const struct vm_exit *vm_enter(struct l2 *l2);

/* The bare entry: 0 after an exit, otherwise the RFLAGS of the instruction that failed. */
u64 vm_enter_raw(u64 *gpr, bool launched);

/* GUEST_RIP moves over the instruction that exited. */
void vm_skip_instruction(const struct l2 *l2);

#endif
