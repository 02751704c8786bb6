#include "caps.h"

#include "msr.h"
#include "x86.h"

/*
 * Reserved controls that the appendix calls default1: where software knows nothing better, they are 1.
 * SDM: "Reserved Controls and Default Settings", and the appendix sections on each control word.
 */
static const u32 default1[CONTROL_WORDS] = {
	[PIN] = 0x00000016,
	[PROC] = 0x0401e172,
	[EXIT] = 0x00036dff,
	[ENTRY] = 0x000011ff,
};

/* Where each control word is reported. Those that another one activates have no TRUE_ MSR. */
static const struct {
	u16 plain, exact;
} ctl_msr[CONTROL_WORDS] = {
	[PIN] = {MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS},
	[PROC] = {MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS},
	[PROC2] = {MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2},
	[EXIT] = {MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS},
	[ENTRY] = {MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS},
	[PROC3] = {MSR_IA32_VMX_PROCBASED_CTLS3, MSR_IA32_VMX_PROCBASED_CTLS3},
	[EXIT2] = {MSR_IA32_VMX_EXIT_CTLS2, MSR_IA32_VMX_EXIT_CTLS2},
};

/* What activates a word; CI_ALWAYS for the others. */
static const u8 activated_by[CONTROL_WORDS] = {
	[PROC2] = CI_PROC_ACTIVATE_SECONDARY,
	[PROC3] = CI_PROC_ACTIVATE_TERTIARY,
	[EXIT2] = CI_EXIT_ACTIVATE_SECONDARY,
};

/* No VMCS field of ours holds a fifth CR3-target value. */
#define CR3_TARGETS_MAX 4u
#define MISC_CR3_TARGETS_SHIFT 16

#define MISC_L1 \
	(VMX_MISC_TIMER_RATE | VMX_MISC_SAVE_LMA | VMX_MISC_ACTIVITY_HLT | VMX_MISC_ACTIVITY_SHUTDOWN | \
	 VMX_MISC_ACTIVITY_WFS | BITS(27, 25) | VMX_MISC_VMWRITE_ANY | VMX_MISC_INJECT_LENGTH_0)
#define EPT_CAP_L1 \
	(EPT_CAP_EXECUTE_ONLY | EPT_CAP_4_LEVEL | EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G | \
	 EPT_CAP_INVEPT | EPT_CAP_AD | EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_GLOBAL)
#define VPID_CAP_L1 \
	(VPID_CAP_INVVPID | VPID_CAP_ADDRESS | VPID_CAP_SINGLE | VPID_CAP_GLOBAL | \
	 VPID_CAP_RETAIN_GLOBALS)

static u64 *caps_msr(struct caps *caps, u32 number)
{
	return &caps->msr[number - CAPS_MSR_FIRST];
}

static u64 caps_value(const struct caps *caps, u32 number)
{
	return caps->msr[number - CAPS_MSR_FIRST];
}

static bool caps_true_controls(const struct caps *caps)
{
	return caps_value(caps, MSR_IA32_VMX_BASIC) & VMX_BASIC_TRUE_CONTROLS;
}

static void caps_decode_word(struct caps *caps, enum control_word word)
{
	u64 value =
		caps_value(caps, caps_true_controls(caps) ? ctl_msr[word].exact : ctl_msr[word].plain);

	if (!caps_has(caps, (enum control_index)activated_by[word]))
		value = 0;
	if (word == PROC3 || word == EXIT2) /* these MSRs have what may be 1, and nothing must be */
		value <<= 32;
	caps->ctl[word].must_be_1 = (u32)value;
	caps->ctl[word].may_be_1 = (u32)(value >> 32);
}

void caps_decode(struct caps *caps)
{
	for (int word = 0; word < CONTROL_WORDS; word++)
		caps_decode_word(caps, (enum control_word)word);
	caps->cr0_fixed0 = caps_value(caps, MSR_IA32_VMX_CR0_FIXED0);
	caps->cr0_fixed1 = caps_value(caps, MSR_IA32_VMX_CR0_FIXED1);
	caps->cr4_fixed0 = caps_value(caps, MSR_IA32_VMX_CR4_FIXED0);
	caps->cr4_fixed1 = caps_value(caps, MSR_IA32_VMX_CR4_FIXED1);
	caps->misc = caps_value(caps, MSR_IA32_VMX_MISC);
	caps->revision = (u32)(caps_value(caps, MSR_IA32_VMX_BASIC) & VMX_BASIC_REVISION);
	caps->ept_vpid = 0;
	if (caps_has(caps, CI_PROC2_ENABLE_EPT) || caps_has(caps, CI_PROC2_ENABLE_VPID))
		caps->ept_vpid = caps_value(caps, MSR_IA32_VMX_EPT_VPID_CAP);
}

bool caps_has(const struct caps *caps, enum control_index index)
{
	const struct control_info *c = &control_info[index];

	return index == CI_ALWAYS || (caps->ctl[c->word].may_be_1 >> c->bit & 1);
}

static u32 caps_offered(enum control_word word)
{
	u32 mask = 0;

	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++)
		if (control_info[i].word == word && control_info[i].offered)
			mask |= 1u << control_info[i].bit;
	return mask;
}

/*
 * What the processor insists on, L1 has to set too, known to it or not; and what is not offered keeps
 * its default setting.
 */
static void caps_l1_word(struct caps *l1, const struct caps *hw, enum control_word word)
{
	u32 offered = caps_offered(word);
	u32 must = hw->ctl[word].must_be_1 | (default1[word] & ~offered);
	u32 may = (hw->ctl[word].may_be_1 & offered) | default1[word] | must;

	if (caps_true_controls(hw))
		*caps_msr(l1, ctl_msr[word].exact) = (u64)may << 32 | must;
	*caps_msr(l1, ctl_msr[word].plain) = (u64)may << 32 | must | default1[word];
}

static u64 caps_l1_basic(const struct caps *hw)
{
	const u64 as_hw = VMX_BASIC_INS_OUTS_INFO | VMX_BASIC_TRUE_CONTROLS | VMX_BASIC_ANY_ERROR_CODE;

	return VMCS12_REVISION | PAGE_SIZE << VMX_BASIC_REGION_SIZE_SHIFT |
	       (u64)MT_WB << VMX_BASIC_MEMORY_TYPE_SHIFT | (caps_value(hw, MSR_IA32_VMX_BASIC) & as_hw);
}

static u64 caps_l1_misc(const struct caps *hw)
{
	u64 targets = VMX_MISC_CR3_TARGETS(hw->misc);

	if (targets > CR3_TARGETS_MAX)
		targets = CR3_TARGETS_MAX;
	return (hw->misc & MISC_L1) | targets << MISC_CR3_TARGETS_SHIFT;
}

static u64 caps_l1_cr4_fixed1(const struct caps *hw)
{
	return hw->cr4_fixed1 &
	       ~(CR4_SMXE | CR4_CET | CR4_PKS | CR4_UINTR | (hw->linear_bits == 57 ? 0 : CR4_LA57));
}

static u64 caps_l1_ept_vpid(const struct caps *l1, const struct caps *hw)
{
	u64 mask = 0;

	if (caps_has(l1, CI_PROC2_ENABLE_EPT))
		mask |= EPT_CAP_L1;
	if (caps_has(l1, CI_PROC2_ENABLE_VPID))
		mask |= VPID_CAP_L1;
	return hw->ept_vpid & mask;
}

/* SDM: "VMCS Enumeration" (appendix): the highest index of any field's encoding, in its own place. */
static u64 caps_l1_vmcs_enum(const struct caps *l1)
{
	u64 highest = 0;

	for (int i = 0; i < FI_COUNT; i++) {
		u64 index = field_info[i].encoding & BITS(9, 1);

		if (caps_has_field(l1, (enum field_index)i) && index > highest)
			highest = index;
	}
	return highest;
}

void caps_l1(struct caps *l1, const struct caps *hw)
{
	*l1 = (struct caps){.maxphyaddr = hw->maxphyaddr, .linear_bits = hw->linear_bits};
	*caps_msr(l1, MSR_IA32_VMX_BASIC) = caps_l1_basic(hw);
	*caps_msr(l1, MSR_IA32_VMX_MISC) = caps_l1_misc(hw);
	*caps_msr(l1, MSR_IA32_VMX_CR0_FIXED0) = hw->cr0_fixed0;
	*caps_msr(l1, MSR_IA32_VMX_CR0_FIXED1) = hw->cr0_fixed1;
	*caps_msr(l1, MSR_IA32_VMX_CR4_FIXED0) = hw->cr4_fixed0;
	*caps_msr(l1, MSR_IA32_VMX_CR4_FIXED1) = caps_l1_cr4_fixed1(hw);
	for (int word = PIN; word <= ENTRY; word++)
		caps_l1_word(l1, hw, (enum control_word)word);
	caps_decode(l1);
	/* These two depend on which controls there are. */
	*caps_msr(l1, MSR_IA32_VMX_EPT_VPID_CAP) = caps_l1_ept_vpid(l1, hw);
	*caps_msr(l1, MSR_IA32_VMX_VMCS_ENUM) = caps_l1_vmcs_enum(l1);
	caps_decode(l1);
}

/* SDM: the appendix names, for each capability MSR, the capability that makes it exist. */
bool caps_read_msr(const struct caps *caps, u32 number, u64 *value)
{
	bool exists;

	switch (number) {
	case MSR_IA32_VMX_BASIC ... MSR_IA32_VMX_VMCS_ENUM:
		exists = true;
		break;
	case MSR_IA32_VMX_PROCBASED_CTLS2:
		exists = caps_has(caps, CI_PROC_ACTIVATE_SECONDARY);
		break;
	case MSR_IA32_VMX_EPT_VPID_CAP:
		exists = caps_has(caps, CI_PROC2_ENABLE_EPT) || caps_has(caps, CI_PROC2_ENABLE_VPID);
		break;
	case MSR_IA32_VMX_TRUE_PINBASED_CTLS ... MSR_IA32_VMX_TRUE_ENTRY_CTLS:
		exists = caps_true_controls(caps);
		break;
	case MSR_IA32_VMX_VMFUNC:
		exists = caps_has(caps, CI_PROC2_ENABLE_VM_FUNCTIONS);
		break;
	default:
		exists = false;
	}
	if (exists)
		*value = caps_value(caps, number);
	return exists;
}

const char *caps_vmx_refusal(bool vmx, bool readable, u64 feature_control)
{
	if (!vmx)
		return "the processor offers no VMX: use Intel hardware with VT-x, or QEMU/KVM with nested VMX "
		       "and -cpu host";
	if (!readable)
		return "the processor has VMX but no IA32_FEATURE_CONTROL: nothing can be done";
	if ((feature_control & FEATURE_CONTROL_LOCK) && !(feature_control & FEATURE_CONTROL_VMX))
		return "VMX is locked off by firmware (IA32_FEATURE_CONTROL): switch VT-x on in the "
		       "firmware's setup";
	return 0;
}
