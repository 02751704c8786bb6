#include "vmm/cr.h"

#include "vmm/l1mem.h"
#include "vmx/cpu.h"

#define CR0_DEFINED \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

static u64 view(u64 real, u64 mask, u64 shadow)
{
	return (real & ~mask) | (shadow & mask);
}

u64 l1_cr0(const struct vcpu *v)
{
	return view(vmcs_read(&v->vmcs01, VMCS_GUEST_CR0), vmcs_read(&v->vmcs01, VMCS_CR0_MASK),
		    vmcs_read(&v->vmcs01, VMCS_CR0_READ_SHADOW));
}

u64 l1_cr4(const struct vcpu *v)
{
	return view(vmcs_read(&v->vmcs01, VMCS_GUEST_CR4), vmcs_read(&v->vmcs01, VMCS_CR4_MASK),
		    vmcs_read(&v->vmcs01, VMCS_CR4_READ_SHADOW));
}

void cr_update_masks(struct vcpu *v)
{
	u64 fixed = v->machine->hw.cr0_fixed0;
	vcpu_write(v, VMCS_CR0_MASK, v->nested.vmxon ? fixed : fixed & ~(CR0_PE | CR0_PG));
}

bool cr_load_pdptes(const struct machine *m, u64 cr3, u64 pdpte[4])
{
	u64 reserved = BITS(2, 1) | BITS(8, 5) | BITS(63, m->hw.maxphyaddr);

	for (unsigned i = 0; i < 4; i++) {
		pdpte[i] = l1mem_read64(m, (l1pa_t){(cr3 & 0xffffffe0) + 8 * i});
		if ((pdpte[i] & PTE_P) && (pdpte[i] & reserved))
			return false;
	}
	return true;
}

/* PAE paging outside IA-32e mode keeps the PDPTEs in the VMCS. */
static bool reload_pdptes(struct vcpu *v)
{
	u64 pdpte[4];
	if (!cr_load_pdptes(v->machine, vcpu_read(v, VMCS_GUEST_CR3), pdpte))
		return false;
	for (unsigned i = 0; i < 4; i++)
		vcpu_write(v, VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
	return true;
}

static void flush_l1(const struct vcpu *v)
{
	(void)v;
	hw_invvpid(INVVPID_SINGLE, VPID01, 0);
}

/* A 16-bit TSS, available or busy: types 1 and 3. */
static bool tr_is_narrow(const struct vcpu *v)
{
	return !(vcpu_read(v, VMCS_GUEST_TR_AR) & 8);
}

/* SDM: volume 2, "MOV - Move to/from Control Registers", exceptions. */
static bool cr0_legal(const struct vcpu *v, u64 value)
{
	u64 old = l1_cr0(v), cr4 = l1_cr4(v), efer = vcpu_read(v, VMCS_GUEST_IA32_EFER);
	bool cs_l = vcpu_read(v, VMCS_GUEST_CS_AR) & AR_L;

	if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) ||
	    ((value & CR0_NW) && !(value & CR0_CD)))
		return false;
	if (v->nested.vmxon && (value & v->machine->l1.cr0_fixed0) != v->machine->l1.cr0_fixed0)
		return false;
	if (!(old & CR0_PG) && (value & CR0_PG) && (efer & EFER_LME) && (!(cr4 & CR4_PAE) || cs_l))
		return false;
	/* SDM: "IA-32e Mode Operation", "Initializing IA-32e Mode": nor with a 16-bit TSS. */
	if (!(old & CR0_PG) && (value & CR0_PG) && (efer & EFER_LME) && tr_is_narrow(v))
		return false;
	if ((old & CR0_PG) && !(value & CR0_PG) && ((cr4 & CR4_PCIDE) || ((efer & EFER_LMA) && cs_l)))
		return false;
	return !(cr4 & CR4_CET) || (value & CR0_WP);
}

static void set_long_mode(struct vcpu *v, bool on)
{
	u64 efer = vcpu_read(v, VMCS_GUEST_IA32_EFER);
	u64 entry = vcpu_read(v, VMCS_ENTRY_CONTROLS);

	vcpu_write(v, VMCS_GUEST_IA32_EFER, on ? efer | EFER_LMA : efer & ~EFER_LMA);
	vcpu_write(v, VMCS_ENTRY_CONTROLS,
		   on ? entry | ENTRY_IA32E_MODE_GUEST : entry & ~(u64)ENTRY_IA32E_MODE_GUEST);
}

/* A 64-bit TSS is needed in IA-32e mode; entry insists where the processor would not have cared. */
static void fix_tr(struct vcpu *v)
{
	u64 ar = vcpu_read(v, VMCS_GUEST_TR_AR);
	if ((ar & AR_TYPE) != 0xb)
		vcpu_write(v, VMCS_GUEST_TR_AR, (ar & ~(u64)AR_TYPE) | 0xb);
}

bool cr0_write(struct vcpu *v, u64 value)
{
	u64 old = l1_cr0(v), efer = vcpu_read(v, VMCS_GUEST_IA32_EFER);
	u64 cache = CR0_CD | CR0_NW, paging = CR0_PG | cache;

	if (!cr0_legal(v, value))
		return false;
	value = (value & CR0_DEFINED) | CR0_ET;
	if ((value & CR0_PG) && (l1_cr4(v) & CR4_PAE) && !(efer & EFER_LME) && ((old ^ value) & paging) &&
	    !reload_pdptes(v))
		return false;
	if (((old ^ value) & CR0_PG) && (efer & EFER_LME)) {
		set_long_mode(v, value & CR0_PG);
		if (value & CR0_PG)
			fix_tr(v);
	}
	vcpu_write(v, VMCS_GUEST_CR0, value | (v->machine->hw.cr0_fixed0 & ~(CR0_PE | CR0_PG)));
	vcpu_write(v, VMCS_CR0_READ_SHADOW, value);
	/* Entries and exits leave CD and NW alone: the processor's own are the guest's. */
	cpu_write_cr0((cpu_read_cr0() & ~cache) | (value & cache));
	if ((old ^ value) & (CR0_PG | CR0_WP))
		flush_l1(v);
	return true;
}

bool cr3_switch(struct vcpu *v, u32 value)
{
	vcpu_write(v, VMCS_GUEST_CR3, value);
	flush_l1(v);
	if (!(l1_cr4(v) & CR4_PAE) || reload_pdptes(v))
		return true;
	for (unsigned i = 0; i < 4; i++)
		vcpu_write(v, VMCS_GUEST_PDPTE0 + 2 * i, 0);
	return false;
}

static bool cr4_legal(const struct vcpu *v, u64 value)
{
	u64 old = l1_cr4(v), efer = vcpu_read(v, VMCS_GUEST_IA32_EFER);
	u64 changed = old ^ value;

	if (value & ~v->machine->l1.cr4_fixed1)
		return false;
	if (v->nested.vmxon && (value & v->machine->l1.cr4_fixed0) != v->machine->l1.cr4_fixed0)
		return false;
	if ((efer & EFER_LMA) && (!(value & CR4_PAE) || (changed & CR4_LA57)))
		return false;
	if ((changed & value & CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || (vcpu_read(v, VMCS_GUEST_CR3) & 0xfff)))
		return false;
	return !(value & CR4_CET) || (l1_cr0(v) & CR0_WP);
}

bool cr4_write(struct vcpu *v, u64 value)
{
	u64 changed = l1_cr4(v) ^ value, efer = vcpu_read(v, VMCS_GUEST_IA32_EFER);
	u64 translation = CR4_PGE | CR4_PAE | CR4_PSE | CR4_SMEP;

	if (!cr4_legal(v, value))
		return false;
	if ((l1_cr0(v) & CR0_PG) && (value & CR4_PAE) && !(efer & EFER_LMA) && (changed & translation) &&
	    !reload_pdptes(v))
		return false;
	vcpu_write(v, VMCS_GUEST_CR4, value | v->machine->hw.cr4_fixed0);
	vcpu_write(v, VMCS_CR4_READ_SHADOW, value);
	if (changed & (translation | CR4_PCIDE | CR4_SMAP | CR4_PKE))
		flush_l1(v);
	return true;
}

/* The processor that L0 runs on checks the value itself. */
bool xcr_write(struct vcpu *v, u32 index, u64 value)
{
	(void)v;
	return cpu_xsetbv_safe(index, value) == 0;
}
