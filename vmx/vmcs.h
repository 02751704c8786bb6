/*
 * A VMCS of L0's, and access to the one that is loaded. Every access names the VMCS it means and
 * stops L0 if another one is loaded. SDM: chapter "Virtual Machine Control Structures".
 */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include "vmx/fields.h"
#include "vmx/insn.h"
#include "vmx/types.h"

struct vmcs {
	const char *name; /* "vmcs01", "vmcs02" */
	hpa_t region; /* one page of L0's */
	bool launched; /* an entry with it is VMRESUME */
	struct vmcs **loaded; /* this processor's record of the loaded VMCS */
};

/* region: one zeroed page at virtual address `page`. Requires VMX operation. */
void vmcs_init(struct vmcs *vmcs, const char *name, struct vmcs **loaded, hpa_t region, void *page,
	       u32 revision);

/* What went wrong: stops L0. */
void __attribute__((noreturn, cold)) vmcs_load_failed(const struct vmcs *vmcs);
void __attribute__((noreturn, cold)) vmcs_not_loaded(const struct vmcs *vmcs, enum vmcs_field field);
void __attribute__((noreturn, cold)) vmcs_refused(const struct vmcs *vmcs, enum vmcs_field field);

/* Its launch state is clear again, its fields stay. Requires it loaded, and leaves it so. */
void vmcs_clear(struct vmcs *vmcs);

/* Makes it current: another one is. Requires VMX operation. */
static inline void vmcs_switch(struct vmcs *vmcs)
{
	if (hw_vmptrld(&vmcs->region) != VMX_SUCCEED)
		vmcs_load_failed(vmcs);
	*vmcs->loaded = vmcs;
}

/* Makes it current, whichever is. */
static inline void vmcs_load(struct vmcs *vmcs)
{
	if (*vmcs->loaded != vmcs)
		vmcs_switch(vmcs);
}

/* Require `vmcs` loaded. Stop L0 where the processor refuses the field: callers know what exists. */
static inline u64 vmcs_read(const struct vmcs *vmcs, enum vmcs_field field)
{
	u64 value;
	if (*vmcs->loaded != vmcs)
		vmcs_not_loaded(vmcs, field);
	if (hw_vmread(field, &value) != VMX_SUCCEED)
		vmcs_refused(vmcs, field);
	return value;
}

static inline void vmcs_write(struct vmcs *vmcs, enum vmcs_field field, u64 value)
{
	if (*vmcs->loaded != vmcs)
		vmcs_not_loaded(vmcs, field);
	if (hw_vmwrite(field, value) != VMX_SUCCEED)
		vmcs_refused(vmcs, field);
}

#endif
