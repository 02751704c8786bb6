#include "machine.h"

#include "vmx/x86.h"

#define DEFAULT1_PIN 0x16ull
#define DEFAULT1_PROC 0x401e172ull
#define DEFAULT1_EXIT 0x36dffull
#define DEFAULT1_ENTRY 0x11ffull

static u64 listed(enum control_word word)
{
	u64 mask = 0;

	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++)
		if (control_info[i].word == word)
			mask |= BIT(control_info[i].bit);
	return mask;
}

/* Reserved default1 controls stay reserved; others that are default1 may be 0 too. */
static void controls(struct caps *hw, enum control_word word, u64 default1, u32 plain, u32 exact)
{
	u64 may = listed(word) | default1;

	*machine_msr(hw, plain) = may << 32 | default1;
	*machine_msr(hw, exact) = may << 32 | (default1 & ~listed(word));
}

void machine_all(struct caps *hw)
{
	*hw = (struct caps){.maxphyaddr = 39, .linear_bits = 48};
	*machine_msr(hw, MSR_IA32_VMX_BASIC) = 0x12345678 | 1024ull << VMX_BASIC_REGION_SIZE_SHIFT |
					       (u64)MT_WB << VMX_BASIC_MEMORY_TYPE_SHIFT |
					       VMX_BASIC_INS_OUTS_INFO | VMX_BASIC_TRUE_CONTROLS;
	controls(hw, PIN, DEFAULT1_PIN, MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS);
	controls(hw, PROC, DEFAULT1_PROC, MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS);
	controls(hw, EXIT, DEFAULT1_EXIT, MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS);
	controls(hw, ENTRY, DEFAULT1_ENTRY, MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS);
	controls(hw, PROC2, 0, MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2);
	/* Timer rate 5, all activity states, PT and SMM bits, 4 CR3 targets, MSEG revision. */
	*machine_msr(hw, MSR_IA32_VMX_MISC) = 0x123400007004c1e5;
	*machine_msr(hw, MSR_IA32_VMX_CR0_FIXED0) = CR0_PE | CR0_NE | CR0_PG;
	*machine_msr(hw, MSR_IA32_VMX_CR0_FIXED1) = 0xffffffff;
	*machine_msr(hw, MSR_IA32_VMX_CR4_FIXED0) = CR4_VMXE;
	*machine_msr(hw, MSR_IA32_VMX_CR4_FIXED1) = BITS(11, 0) | CR4_LA57 | CR4_VMXE | CR4_SMXE |
						    BITS(18, 16) | BITS(23, 20);
	*machine_msr(hw, MSR_IA32_VMX_VMCS_ENUM) = 0x60;
	*machine_msr(hw, MSR_IA32_VMX_EPT_VPID_CAP) = 0xf01077341c1; /* 5-level, advanced information */
	*machine_msr(hw, MSR_IA32_VMX_VMFUNC) = 1;
	*machine_msr(hw, MSR_IA32_VMX_PROCBASED_CTLS3) = listed(PROC3);
	*machine_msr(hw, MSR_IA32_VMX_EXIT_CTLS2) = listed(EXIT2);
	caps_decode(hw);
}

void machine_first(struct caps *hw)
{
	machine_all(hw);
	*machine_msr(hw, MSR_IA32_VMX_BASIC) &= ~VMX_BASIC_TRUE_CONTROLS;
	*machine_msr(hw, MSR_IA32_VMX_PROCBASED_CTLS) &= ~((u64)PROC_ACTIVATE_SECONDARY << 32);
	for (u32 msr = MSR_IA32_VMX_PROCBASED_CTLS2; msr <= MSR_IA32_VMX_EXIT_CTLS2; msr++)
		*machine_msr(hw, msr) = 0;
	caps_decode(hw);
}
