#include "vmx/vmcs.h"

#include "vmx/assert.h"

static void must_be_loaded(const struct vmcs *vmcs, enum vmcs_field field)
{
	if (*vmcs->loaded != vmcs)
		PANIC("%s is not loaded (field %#x)", vmcs->name, field);
}

void vmcs_init(struct vmcs *vmcs, const char *name, struct vmcs **loaded, hpa_t region, void *page,
	       u32 revision)
{
	*vmcs = (struct vmcs){.name = name, .region = region, .loaded = loaded};
	*(u32 *)page = revision;
	if (hw_vmclear(region) != VMX_SUCCEED)
		PANIC("VMCLEAR of %s at %#lx failed", name, region.v);
}

void vmcs_load(struct vmcs *vmcs)
{
	if (*vmcs->loaded == vmcs)
		return;
	if (hw_vmptrld(vmcs->region) != VMX_SUCCEED)
		PANIC("VMPTRLD of %s at %#lx failed", vmcs->name, vmcs->region.v);
	*vmcs->loaded = vmcs;
}

u64 vmcs_read(const struct vmcs *vmcs, enum vmcs_field field)
{
	u64 value = 0;
	must_be_loaded(vmcs, field);
	if (hw_vmread(field, &value) != VMX_SUCCEED)
		PANIC("%s: VMREAD of field %#x failed", vmcs->name, field);
	return value;
}

void vmcs_write(struct vmcs *vmcs, enum vmcs_field field, u64 value)
{
	must_be_loaded(vmcs, field);
	if (hw_vmwrite(field, value) != VMX_SUCCEED)
		PANIC("%s: VMWRITE of %#lx to field %#x failed", vmcs->name, value, field);
}
