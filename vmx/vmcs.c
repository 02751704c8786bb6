#include "vmx/vmcs.h"

#include "vmx/assert.h"

void vmcs_load_failed(const struct vmcs *vmcs)
{
	PANIC("VMPTRLD of %s at %#lx failed", vmcs->name, vmcs->region.v);
}

void vmcs_not_loaded(const struct vmcs *vmcs, enum vmcs_field field)
{
	PANIC("%s is not loaded (field %#x)", vmcs->name, field);
}

void vmcs_refused(const struct vmcs *vmcs, enum vmcs_field field)
{
	PANIC("%s: VMREAD or VMWRITE of field %#x failed", vmcs->name, field);
}

void vmcs_init(struct vmcs *vmcs, const char *name, struct vmcs **loaded, hpa_t region, void *page,
	       u32 revision)
{
	*vmcs = (struct vmcs){.name = name, .region = region, .loaded = loaded};
	*(u32 *)page = revision;
	if (hw_vmclear(&region) != VMX_SUCCEED)
		PANIC("VMCLEAR of %s at %#lx failed", name, region.v);
}

void vmcs_clear(struct vmcs *vmcs)
{
	if (hw_vmclear(&vmcs->region) != VMX_SUCCEED)
		PANIC("VMCLEAR of %s at %#lx failed", vmcs->name, vmcs->region.v);
	vmcs->launched = false;
	*vmcs->loaded = 0;
	vmcs_load(vmcs);
}
