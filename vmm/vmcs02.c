#include "vmm/vmcs02.h"

#include "nested/exit.h"
#include "vmm/apic.h"
#include "vmm/bitmap02.h"
#include "vmm/ept01.h"
#include "vmm/ept02.h"
#include "vmm/event.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"
#include "vmm/vmcs12.h"
#include "vmx/msr.h"

static bool in_image(const struct vcpu *v, enum field_index i)
{
	u8 merge = field_info[i].merge;
	return (merge == COPY || merge == MERGE || merge == XLATE) && caps_has_field(&v->machine->hw, i);
}

void vmcs02_init(struct vcpu *v)
{
	struct machine *m = v->machine;

	for (unsigned i = 0; i < FI_COUNT; i++) {
		if (field_info[i].group == HOST)
			field_set_add(&v->host_fields, i);
		if (caps_has_field(&m->hw, i))
			field_set_add(&v->existing, i);
		if (!in_image(v, i))
			continue;
		field_set_add(&v->image_fields, i);
		if (field_info[i].merge == COPY)
			field_set_add(&v->copied_fields, i);
	}
	field_set_add(&v->efer_fields, FI_GUEST_CR0);
	field_set_add(&v->pae_fields, FI_GUEST_CR0);
	field_set_add(&v->pae_fields, FI_GUEST_CR4);
	bitmap02_init(v);
}

void vmcs02_new(struct vcpu *v)
{
	struct machine *m = v->machine;
	void *region = page_alloc_must(m);

	vmcs_init(&v->vmcs12->vmcs02, "vmcs02", &v->loaded, l0_pa(m, region), region, m->hw.revision);
	vmcs_switch(&v->vmcs12->vmcs02);
	vcpu_write_host_state(v);
	FIELD_SET_EACH (i, &v->image_fields)
		vcpu_write(v, field_info[i].encoding, 0);
	vcpu_write(v, VMCS_VPID, VPID02);
	bitmap02_start(v);
	vmcs_switch(&v->vmcs01);
}

/* --- what L1 named by an address --- */

/* Addresses that L1 chose, as hardware may use them. */
static void translate_addresses(struct vcpu *v, struct vmcs_image *image)
{
	const struct machine *m = v->machine;
	const struct vmcs12 *v12 = v->nested.v12;

	image->f[FI_IO_BITMAP_A] = l1mem_hpa(m, (l1pa_t){v12->io_bitmap_a}).v;
	image->f[FI_IO_BITMAP_B] = l1mem_hpa(m, (l1pa_t){v12->io_bitmap_b}).v;
	image->f[FI_VIRTUAL_APIC_ADDRESS] = l1mem_hpa_writable(m, (l1pa_t){v12->virtual_apic_address}).v;
	image->f[FI_APIC_ACCESS_ADDRESS] = l1mem_hpa(m, (l1pa_t){v12->apic_access_address}).v;
}

/* What hardware wrote last time to a virtual-APIC page where L0 lives is gone. */
static void clear_sink(const struct vcpu *v)
{
	const struct machine *m = v->machine;

	if (l0_owns(m, v->nested.v12->virtual_apic_address))
		memset(l0_va(m, m->ept01.sink), 0xff, PAGE_SIZE);
}

/*
 * Both transitions end all linear translations where L2 has no VPID (R86). L1 has none left at the exit, since
 * it has run no instruction since the entry; L2's own are ended by the next entry. L2's VPIDs have VPID02 in
 * turn. SDM: "Operations that Invalidate Cached Mappings".
 */
static inline void flush(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	u16 vpid12 = v12_proc2(v12, PROC2_ENABLE_VPID) ? (u16)v12->vpid : 0;

	if (!vpid12)
		hw_invvpid(INVVPID_ALL, 0, 0);
	else if (vpid12 != v->last_vpid12)
		hw_invvpid(INVVPID_SINGLE, VPID02, 0);
	v->last_vpid12 = vpid12;
}

/* L2's APIC-access page must be mapped, by a leaf of 4 KiB, even where it is the page of L1's xAPIC. */
static NOINLINE void map_access_page(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;

	apic_show_page(v, v12->apic_access_address + 1 == v->machine->apic_hole);
	if (!v12_proc2(v12, PROC2_ENABLE_EPT))
		ept01_split(v->machine, (l1pa_t){v12->apic_access_address});
}

static void set_ept_pointer(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	bool ept12 = v12_proc2(v12, PROC2_ENABLE_EPT);

	vcpu_write(v, VMCS_EPT_POINTER,
		   ept12 ? ept02_pointer(v, v12->ept_pointer) : v->machine->ept01.eptp);
	if (v12_proc2(v12, PROC2_VIRTUALIZE_APIC_ACCESSES))
		map_access_page(v);
}

/* --- the fields --- */

static struct merge_in gather(const struct vcpu *v, const u64 pdpte[4])
{
	return (struct merge_in){
		.v = v->nested.v12,
		.hw = &v->machine->hw,
		.pdpte = pdpte,
		.l1_efer = v->l1_efer,
		.l1_pat = vcpu_read(v, VMCS_GUEST_IA32_PAT),
		.l1_dr7 = vcpu_read(v, VMCS_GUEST_DR7),
		.l1_debugctl = vcpu_read(v, VMCS_GUEST_IA32_DEBUGCTL),
	};
}

/* From vmcs01 to vmcs02; what L1 injects is in flight from here on. */
static inline void switch_over(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;

	event_enter_l2(v);
	if (v12->entry_interruption_info & INTR_VALID)
		event_put_in_flight(v, (u32)v12->entry_interruption_info,
				    (u32)v12->entry_exception_error_code,
				    (u32)v12->entry_instruction_length);
	vmcs_switch(&v->vmcs12->vmcs02);
	v->nested.in_l2 = true;
}

static void write_fields(struct vcpu *v, struct field_set fields, const u64 *value)
{
	FIELD_SET_EACH (i, &fields)
		vcpu_write(v, field_info[i].encoding, value[i]);
}

/* Fields of L1's that vmcs02 does not have, and that nothing but the entry or the exit itself reads. */
static const enum field_index without_vmcs02[] = {
	FI_ENTRY_INTERRUPTION_INFO, FI_ENTRY_EXCEPTION_ERROR_CODE, FI_ENTRY_INSTRUCTION_LENGTH,
	FI_ENTRY_MSR_LOAD_ADDR,     FI_ENTRY_MSR_LOAD_COUNT,       FI_EXIT_MSR_STORE_ADDR,
	FI_EXIT_MSR_STORE_COUNT,    FI_EXIT_MSR_LOAD_ADDR,         FI_EXIT_MSR_LOAD_COUNT,
};

static void sort_reloaded(struct vcpu *v)
{
	struct field_set inherited;

	merge_inherited_fields(&inherited, v->nested.v12);
	field_list_clear(&v->vmcs12->restored);
	field_list_clear(&v->vmcs12->inherited);
	v->vmcs12->efer_merged = field_set_has(&v->vmcs12->reloaded, FI_GUEST_IA32_EFER);
	FIELD_SET_EACH (i, &v->vmcs12->reloaded) {
		if (i == FI_GUEST_IA32_EFER || (i >= FI_GUEST_PDPTE0 && i <= FI_GUEST_PDPTE3))
			continue;
		field_list_add(
			field_set_has(&inherited, i) ? &v->vmcs12->inherited : &v->vmcs12->restored, i);
	}
}

/* What the exits and the next entries do with each field, by the controls. */
static void sort_fields(struct vcpu *v)
{
	const struct vmcs12 *v12 = v->nested.v12;
	struct field_set *near = &v->vmcs12->near;

	exit_saved_fields(&v->vmcs12->saved, v12);
	EACH_WORD (w)
		v->vmcs12->saved.w[w] &= v->existing.w[w];
	field_set_remove(&v->vmcs12->saved, FI_ENTRY_CONTROLS); /* read at each exit: vmm/vmcs12.c */
	merge_reloaded_fields(&v->vmcs12->reloaded, &v->vmcs12->saved, v12);
	sort_reloaded(v);
	vmcs12_saved_is_new(v);
	*near = v->copied_fields;
	field_set_add_all(near, &v->host_fields);
	field_set_add_all(near, &v->vmcs12->reloaded);
	for (unsigned i = 0; i < ARRAY_LEN(without_vmcs02); i++)
		field_set_add(near, without_vmcs02[i]);
}

NOINLINE void vmcs02_make(struct vcpu *v, const u64 pdpte[4])
{
	struct merge_in in = gather(v, pdpte);

	merge_vmcs02(&v->vmcs02_image, &in);
	translate_addresses(v, &v->vmcs02_image);
	if (v->nested.v12->proc_controls & PROC_USE_TPR_SHADOW)
		clear_sink(v);
	sort_fields(v);
	switch_over(v);
	if (v->nested.v12->proc_controls & PROC_USE_MSR_BITMAPS)
		bitmap02_update(v);
	write_fields(v, v->image_fields, v->vmcs02_image.f);
	set_ept_pointer(v);
	flush(v);
	v->vmcs12->in_vmcs02 = true;
	v->vmcs12->resumed = false;
	v->vmcs12->entry_plan.valid = false; /* the controls may be others */
	v->vmcs12->far = false;
	v->vmcs12->dirty = (struct field_set){{0}};
}

static bool injects_nmi(const struct vmcs12 *v12)
{
	u32 info = (u32)v12->entry_interruption_info;
	return (info & INTR_VALID) && INTR_TYPE(info) == INTR_NMI;
}

bool vmcs02_is_close(const struct vcpu *v)
{
	return v->vmcs12->in_vmcs02 && !v->vmcs12->far && !injects_nmi(v->nested.v12);
}

/* The PDPTEs of a guest that uses PAE paging without EPT12 are read from memory at each entry. */
static void write_pdptes(struct vcpu *v, const u64 pdpte[4])
{
	for (unsigned i = 0; i < 4; i++)
		vcpu_write(v, VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
}

static void write_list(const struct field_list *list, const u64 *value)
{
	for (const struct field_row *r = list->row, *end = r + list->count; r < end; r++)
		hw_vmwrite_known(r->encoding, &value[r->field]);
}

static void read_list(const struct field_list *list, u64 *value)
{
	for (const struct field_row *r = list->row, *end = r + list->count; r < end; r++)
		hw_vmread_known(r->encoding, &value[r->field]);
}

void vmcs02_update(struct vcpu *v, const u64 pdpte[4])
{
	struct vmcs12_state *s = v->vmcs12;
	const struct vmcs12 *v12 = v->nested.v12;

	u64 efer = 0;

	if (v->vmcs12->efer_merged)
		efer = merge_efer(v12, v->l1_efer);
	read_list(&v->vmcs12->inherited, v->vmcs02_image.f);
	if (v12->proc_controls & PROC_USE_TPR_SHADOW)
		clear_sink(v);
	switch_over(v);
	if (v12->proc_controls & PROC_USE_MSR_BITMAPS)
		bitmap02_update(v);
	write_list(&s->entry_plan.copied, v12->f);
	write_list(&v->vmcs12->restored, v12->f);
	write_list(&v->vmcs12->inherited, v->vmcs02_image.f);
	if (v->vmcs12->efer_merged)
		vcpu_write(v, VMCS_GUEST_IA32_EFER, efer);
	if (s->entry_plan.pdptes)
		write_pdptes(v, pdpte);
	if (s->resumed)
		set_ept_pointer(v);
	else if (v12_proc2(v12, PROC2_VIRTUALIZE_APIC_ACCESSES))
		map_access_page(v);
	flush(v);
	s->resumed = false;
	s->dirty = (struct field_set){{0}};
}
