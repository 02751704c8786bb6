#include "vmm/msr.h"

#include "nested/msr_bitmap.h"
#include "vmm/apic.h"
#include "vmm/console.h"
#include "vmm/ept01.h"
#include "vmm/ept02.h"
#include "vmx/cpu.h"
#include "vmx/msr.h"

typedef bool (*msr_fn)(struct vcpu *v, u32 number, u64 *value);

static bool read_caps(struct vcpu *v, u32 number, u64 *value)
{
	return caps_read_msr(&v->machine->l1, number, value);
}

static bool refuse_access(struct vcpu *v, u32 number, u64 *value)
{
	(void)v, (void)number, (void)value;
	return false;
}

static bool read_feature_control(struct vcpu *v, u32 number, u64 *value)
{
	(void)number;
	*value = v->machine->feature_control;
	return true;
}

static bool write_feature_control(struct vcpu *v, u32 number, u64 *value)
{
	(void)number;
	if ((v->machine->feature_control & FEATURE_CONTROL_LOCK) ||
	    (*value & ~(FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX)))
		return false;
	v->machine->feature_control = *value;
	return true;
}

/* A microcode update would change the processor under L0: taken, and not done. */
static bool ignore_microcode(struct vcpu *v, u32 number, u64 *value)
{
	(void)v, (void)number, (void)value;
	log_line("L1's microcode update is not done");
	return true;
}

static bool write_apic_base(struct vcpu *v, u32 number, u64 *value)
{
	(void)number;
	return apic_write_base(v, *value);
}

static bool read_mtrr(struct vcpu *v, u32 number, u64 *value)
{
	u64 *reg = mtrr_register(&v->machine->mtrr, number);
	if (!reg)
		return false;
	*value = *reg;
	return true;
}

/* L1's MTRRs are EPT memory types; the processor's own stay as firmware left them. */
static bool write_mtrr(struct vcpu *v, u32 number, u64 *value)
{
	u64 *reg = mtrr_register(&v->machine->mtrr, number);
	if (!reg || !mtrr_value_legal(&v->machine->mtrr, number, *value))
		return false;
	if (*reg != *value) {
		*reg = *value;
		ept02_drop_all(v);
		ept01_drop(v->machine);
	}
	return true;
}

/* MSRs that a VM entry loads from the guest-state area. */
static enum vmcs_field vmcs_field_of(u32 number)
{
	switch (number) {
	case MSR_IA32_EFER:
		return VMCS_GUEST_IA32_EFER;
	case MSR_IA32_PAT:
		return VMCS_GUEST_IA32_PAT;
	case MSR_IA32_DEBUGCTL:
		return VMCS_GUEST_IA32_DEBUGCTL;
	case MSR_IA32_SYSENTER_CS:
		return VMCS_GUEST_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP:
		return VMCS_GUEST_SYSENTER_ESP;
	case MSR_IA32_SYSENTER_EIP:
		return VMCS_GUEST_SYSENTER_EIP;
	case MSR_IA32_FS_BASE:
		return VMCS_GUEST_FS_BASE;
	default:
		return VMCS_GUEST_GS_BASE;
	}
}

static bool read_in_vmcs(struct vcpu *v, u32 number, u64 *value)
{
	*value = vcpu_read(v, vmcs_field_of(number));
	return true;
}

static bool pat_legal(u64 value)
{
	for (unsigned i = 0; i < 8; i++) {
		u64 type = value >> (8 * i) & 0xff;
		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static bool write_in_vmcs(struct vcpu *v, u32 number, u64 *value)
{
	u64 old = vcpu_read(v, vmcs_field_of(number)), new = *value;

	if (number == MSR_IA32_EFER) {
		bool paging = vcpu_read(v, VMCS_GUEST_CR0) & CR0_PG;
		if ((new & ~v->machine->efer_valid) || (paging && ((old ^ new) & EFER_LME)))
			return false;
		new = (new & ~EFER_LMA) | (old & EFER_LMA);
	} else if (number == MSR_IA32_PAT) {
		if (!pat_legal(new))
			return false;
	} else if (number == MSR_IA32_DEBUGCTL) {
		/* Which bits there are differs by processor: it is asked, and put back. */
		u64 now;
		if (cpu_rdmsr_safe(number, &now) || cpu_wrmsr_safe(number, new))
			return false;
		cpu_wrmsr_safe(number, now);
	} else if (number != MSR_IA32_SYSENTER_CS && !canonical(new, v->machine->hw.linear_bits)) {
		return false;
	}
	vcpu_write(v, vmcs_field_of(number), new);
	return true;
}

static bool read_processor(struct vcpu *v, u32 number, u64 *value)
{
	(void)v;
	return cpu_rdmsr_safe(number, value) == 0;
}

static bool write_processor(struct vcpu *v, u32 number, u64 *value)
{
	(void)v;
	return cpu_wrmsr_safe(number, *value) == 0;
}

/*
 * One row per range of MSRs that are not simply the processor's. intercept: R and W go through L0 when
 * L1 uses RDMSR or WRMSR; the others are only met in MSR areas, or when L1 intercepts them for L2.
 */
enum { R = 1, W = 2 };
static const struct msr_row {
	u32 first, last;
	unsigned intercept;
	msr_fn read, write;
} rows[] = {
	{MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE, W, read_processor, write_apic_base},
	{MSR_IA32_FEATURE_CONTROL, MSR_IA32_FEATURE_CONTROL, R | W, read_feature_control,
	 write_feature_control},
	{MSR_IA32_BIOS_UPDT_TRIG, MSR_IA32_BIOS_UPDT_TRIG, W, read_processor, ignore_microcode},
	{MSR_IA32_SMM_MONITOR_CTL, MSR_IA32_SMM_MONITOR_CTL, R | W, refuse_access, refuse_access},
	{MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP, 0, read_in_vmcs, write_in_vmcs},
	{MSR_IA32_DEBUGCTL, MSR_IA32_DEBUGCTL, 0, read_in_vmcs, write_in_vmcs},
	{MSR_IA32_PAT, MSR_IA32_PAT, 0, read_in_vmcs, write_in_vmcs},
	{MSR_IA32_MTRR_PHYSBASE0, MSR_IA32_MTRR_PHYSBASE0 + 2 * MTRR_VARIABLE_MAX - 1, R | W, read_mtrr,
	 write_mtrr},
	{MSR_IA32_MTRR_FIX64K_00000, MSR_IA32_MTRR_FIX4K_F8000, R | W, read_mtrr, write_mtrr},
	{MSR_IA32_MTRR_DEF_TYPE, MSR_IA32_MTRR_DEF_TYPE, R | W, read_mtrr, write_mtrr},
	{MSR_IA32_VMX_BASIC, MSR_IA32_VMX_EXIT_CTLS2, R | W, read_caps, refuse_access},
	{MSR_X2APIC_TPR, MSR_X2APIC_TPR, R | W, apic_read_msr, apic_write_msr},
	{MSR_X2APIC_PPR, MSR_X2APIC_EOI, R | W, apic_read_msr, apic_write_msr},
	{MSR_X2APIC_ISR0, MSR_X2APIC_IRR7, R | W, apic_read_msr, apic_write_msr},
	{MSR_X2APIC_ICR, MSR_X2APIC_ICR, R | W, apic_read_msr, apic_write_msr},
	{MSR_X2APIC_SELF_IPI, MSR_X2APIC_SELF_IPI, R | W, apic_read_msr, apic_write_msr},
	{MSR_IA32_EFER, MSR_IA32_EFER, 0, read_in_vmcs, write_in_vmcs},
	{MSR_IA32_FS_BASE, MSR_IA32_GS_BASE, 0, read_in_vmcs, write_in_vmcs},
};

static const struct msr_row processor = {0, ~0u, 0, read_processor, write_processor};

static const struct msr_row *find(const struct vcpu *v, u32 number)
{
	bool mtrrs = v->machine->mtrr.cap != 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool is_mtrr = rows[i].read == read_mtrr;
		if (number < rows[i].first || number > rows[i].last)
			continue;
		if (is_mtrr && (!mtrrs || !mtrr_register((struct mtrr_state *)&v->machine->mtrr, number)))
			continue;
		return &rows[i];
	}
	return &processor;
}

bool msr_read(struct vcpu *v, u32 number, u64 *value)
{
	return find(v, number)->read(v, number, value);
}

bool msr_write(struct vcpu *v, u32 number, u64 value)
{
	return find(v, number)->write(v, number, &value);
}

void msr_make_bitmap(u8 *page)
{
	unsigned byte, bit;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (u32 number = rows[i].first; number <= rows[i].last; number++) {
			if (!msr_bitmap_place(number, &byte, &bit))
				continue;
			if (rows[i].intercept & R)
				page[byte] |= 1 << bit;
			if (rows[i].intercept & W)
				page[2048 + byte] |= 1 << bit;
		}
	}
}
