#include "nested/msr_area.h"

#include "vmx/msr.h"

enum rule_id msr_area_load(u32 number, u32 reserved)
{
	if (number == MSR_IA32_FS_BASE || number == MSR_IA32_GS_BASE)
		return RULE_msr_load_base;
	if (number >= MSR_X2APIC_FIRST && number <= MSR_X2APIC_LAST)
		return RULE_msr_load_x2apic;
	if (number == MSR_IA32_SMM_MONITOR_CTL)
		return RULE_msr_load_smm;
	if (number == MSR_IA32_BIOS_UPDT_TRIG)
		return RULE_msr_load_model;
	return reserved ? RULE_msr_load_reserved : RULE_COUNT;
}
