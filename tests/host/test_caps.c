#include "machine.h"
#include "test.h"
#include "vmx/msr.h"
#include "vmx/x86.h"

#include <string.h>

static const struct {
	u32 plain, exact;
	u64 default1;
} words[] = {
	{MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS, 0x16},
	{MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS, 0x401e172},
	{MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS, 0x36dff},
	{MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS, 0x11ff},
};

static void l1_of_all(struct caps *l1)
{
	struct caps hw;

	machine_all(&hw);
	caps_l1(l1, &hw);
}

static u64 read(const struct caps *caps, u32 number)
{
	u64 value = 0xbadbadbad;

	EXPECT(caps_read_msr(caps, number, &value));
	return value;
}

static void expect_absent(const struct caps *caps, u32 number)
{
	u64 value = 0xbadbadbad;

	EXPECT(!caps_read_msr(caps, number, &value));
	EXPECT_EQ(value, 0xbadbadbad);
}

TEST(caps_plain_is_true_or_default1)
{
	struct caps l1;

	l1_of_all(&l1);
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		EXPECT_EQ(read(&l1, words[i].plain), read(&l1, words[i].exact) | words[i].default1);
}

TEST(caps_default1_can_be_1)
{
	struct caps l1;

	l1_of_all(&l1);
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		EXPECT_EQ(read(&l1, words[i].exact) >> 32 & words[i].default1, words[i].default1);
}

TEST(caps_must_is_within_may)
{
	struct caps l1;

	l1_of_all(&l1);
	for (int word = 0; word < CONTROL_WORDS; word++)
		EXPECT_EQ(l1.ctl[word].must_be_1 & ~l1.ctl[word].may_be_1, 0);
}

TEST(caps_default1_controls_may_be_0)
{
	struct caps l1;

	l1_of_all(&l1);
	EXPECT(!(l1.ctl[PROC].must_be_1 & (PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING)));
	EXPECT(!(l1.ctl[EXIT].must_be_1 & EXIT_SAVE_DEBUG_CONTROLS));
	EXPECT(!(l1.ctl[ENTRY].must_be_1 & ENTRY_LOAD_DEBUG_CONTROLS));
}

TEST(caps_fixed0_is_within_fixed1)
{
	struct caps l1;

	l1_of_all(&l1);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_CR0_FIXED0) & ~read(&l1, MSR_IA32_VMX_CR0_FIXED1), 0);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_CR4_FIXED0) & ~read(&l1, MSR_IA32_VMX_CR4_FIXED1), 0);
}

TEST(caps_cr4_fixed1_hides_what_is_not_virtualized)
{
	const u64 hidden = CR4_SMXE | CR4_CET | CR4_PKS | CR4_UINTR;
	struct caps hw, l1;

	machine_all(&hw);
	caps_l1(&l1, &hw);
	EXPECT_EQ(l1.cr4_fixed1, hw.cr4_fixed1 & ~(hidden | CR4_LA57));
	hw.linear_bits = 57;
	caps_l1(&l1, &hw);
	EXPECT_EQ(l1.cr4_fixed1, hw.cr4_fixed1 & ~hidden);
}

TEST(caps_vmcs_enum_covers_every_field)
{
	struct caps l1;
	u64 highest = 0;

	l1_of_all(&l1);
	for (int i = 0; i < FI_COUNT; i++)
		if (caps_has_field(&l1, (enum field_index)i) &&
		    (field_info[i].encoding >> 1 & 0x1ff) > highest)
			highest = field_info[i].encoding >> 1 & 0x1ff;
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_VMCS_ENUM), highest << 1);
	EXPECT_EQ(highest, 0x32 >> 1); /* the TSC multiplier */
}

TEST(caps_vmcs_enum_leaves_out_absent_fields)
{
	struct caps hw, l1;

	machine_first(&hw);
	caps_l1(&l1, &hw);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_VMCS_ENUM), 0x2e); /* the preemption timer */
}

TEST(caps_hidden_is_never_offered)
{
	struct caps l1;

	l1_of_all(&l1);
	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++)
		EXPECT_EQ(caps_has(&l1, (enum control_index)i), control_info[i].offered);
}

TEST(caps_offers_only_what_the_processor_has)
{
	static const u64 default1[CONTROL_WORDS] = {
		[PIN] = 0x16, [PROC] = 0x401e172, [EXIT] = 0x36dff, [ENTRY] = 0x11ff};
	struct caps hw, l1;

	machine_all(&hw);
	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++) {
		const struct control_info *c = &control_info[i];
		struct caps less = hw;

		if (default1[c->word] >> c->bit & 1)
			continue; /* can be 1 everywhere */
		less.ctl[c->word].may_be_1 &= ~(1u << c->bit);
		caps_l1(&l1, &less);
		EXPECT(!caps_has(&l1, (enum control_index)i));
	}
}

/* What the processor insists on can not be hidden: the entry would fail in hardware. */
TEST(caps_keeps_what_the_processor_insists_on)
{
	struct caps hw, l1;

	machine_all(&hw);
	*machine_msr(&hw, MSR_IA32_VMX_TRUE_EXIT_CTLS) |= EXIT_HOST_ADDRESS_SPACE_SIZE;
	caps_decode(&hw);
	caps_l1(&l1, &hw);
	EXPECT(l1.ctl[EXIT].must_be_1 & EXIT_HOST_ADDRESS_SPACE_SIZE);
}

TEST(caps_basic)
{
	struct caps hw, l1;
	u64 basic;

	machine_all(&hw);
	*machine_msr(&hw, MSR_IA32_VMX_BASIC) |= VMX_BASIC_32BIT_ADDRESSES | BIT(49);
	caps_l1(&l1, &hw);
	basic = read(&l1, MSR_IA32_VMX_BASIC);
	EXPECT_EQ(basic & VMX_BASIC_REVISION, VMCS12_REVISION);
	EXPECT_EQ(l1.revision, VMCS12_REVISION);
	EXPECT_EQ(basic >> VMX_BASIC_REGION_SIZE_SHIFT & 0x1fff, 4096);
	EXPECT_EQ(basic >> VMX_BASIC_MEMORY_TYPE_SHIFT & 15, MT_WB);
	EXPECT_EQ(basic & (BIT(31) | VMX_BASIC_32BIT_ADDRESSES | BIT(49)), 0);
	EXPECT_EQ(basic >> 54, 3);
	*machine_msr(&hw, MSR_IA32_VMX_BASIC) ^= BITS(56, 54);
	caps_l1(&l1, &hw);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_BASIC) >> 54, 4);
}

TEST(caps_misc)
{
	struct caps l1;
	u64 misc;

	l1_of_all(&l1);
	misc = read(&l1, MSR_IA32_VMX_MISC);
	EXPECT_EQ(misc & VMX_MISC_TIMER_RATE, 5);
	EXPECT_EQ(misc >> 5 & 15, 15); /* save LMA, HLT, shutdown, wait-for-SIPI */
	EXPECT_EQ(misc & (BIT(14) | BIT(15) | BIT(28) | BIT(31)), 0);
	EXPECT_EQ(VMX_MISC_CR3_TARGETS(misc), 4);
	EXPECT_EQ(VMX_MISC_MSR_LIST_MAX(misc), 512);
	EXPECT(misc & VMX_MISC_VMWRITE_ANY);
	EXPECT(misc & VMX_MISC_INJECT_LENGTH_0);
	EXPECT_EQ(misc >> 32, 0);
}

TEST(caps_misc_has_as_many_targets_as_vmcs12)
{
	struct caps hw, l1;

	machine_all(&hw);
	hw.misc = (hw.misc & ~BITS(24, 16)) | 0x1ffull << 16;
	caps_l1(&l1, &hw);
	EXPECT_EQ(VMX_MISC_CR3_TARGETS(l1.misc), 4);
	hw.misc = (hw.misc & ~BITS(24, 16)) | 3ull << 16;
	caps_l1(&l1, &hw);
	EXPECT_EQ(VMX_MISC_CR3_TARGETS(l1.misc), 3);
}

TEST(caps_ept_vpid)
{
	struct caps hw, l1;

	machine_all(&hw);
	EXPECT(hw.ept_vpid & EPT_CAP_5_LEVEL);
	caps_l1(&l1, &hw);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_EPT_VPID_CAP), 0xf0106334141);
	hw.ept_vpid &= ~EPT_CAP_AD;
	caps_l1(&l1, &hw);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_EPT_VPID_CAP), 0xf0106134141);
}

TEST(caps_ept_vpid_by_half)
{
	struct caps hw, l1;

	machine_all(&hw);
	hw.ctl[PROC2].may_be_1 &= ~(u32)PROC2_ENABLE_EPT;
	caps_l1(&l1, &hw);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_EPT_VPID_CAP), 0xf0100000000);
	EXPECT_EQ(l1.ept_vpid, 0xf0100000000);
	machine_all(&hw);
	hw.ctl[PROC2].may_be_1 &= ~(u32)PROC2_ENABLE_VPID;
	caps_l1(&l1, &hw);
	EXPECT_EQ(read(&l1, MSR_IA32_VMX_EPT_VPID_CAP), 0x6334141);
	EXPECT_EQ(l1.ept_vpid, 0x6334141);
	hw.ctl[PROC2].may_be_1 &= ~(u32)PROC2_ENABLE_EPT;
	caps_l1(&l1, &hw);
	expect_absent(&l1, MSR_IA32_VMX_EPT_VPID_CAP);
}

TEST(caps_msrs_that_exist)
{
	struct caps l1;

	l1_of_all(&l1);
	for (u32 msr = MSR_IA32_VMX_BASIC; msr <= MSR_IA32_VMX_TRUE_ENTRY_CTLS; msr++)
		(void)read(&l1, msr);
	expect_absent(&l1, MSR_IA32_VMX_VMFUNC);
	expect_absent(&l1, MSR_IA32_VMX_PROCBASED_CTLS3);
	expect_absent(&l1, MSR_IA32_VMX_EXIT_CTLS2);
	expect_absent(&l1, CAPS_MSR_FIRST - 1);
	expect_absent(&l1, 0);
	expect_absent(&l1, ~0u);
}

TEST(caps_msrs_of_the_first_processors)
{
	struct caps hw, l1;

	machine_first(&hw);
	caps_l1(&l1, &hw);
	for (u32 msr = MSR_IA32_VMX_BASIC; msr <= MSR_IA32_VMX_VMCS_ENUM; msr++)
		(void)read(&l1, msr);
	for (u32 msr = MSR_IA32_VMX_PROCBASED_CTLS2; msr <= MSR_IA32_VMX_EXIT_CTLS2; msr++)
		expect_absent(&l1, msr);
	EXPECT_EQ(l1.ctl[PROC2].may_be_1, 0);
	/* Without the TRUE_ MSRs, default1 is all there is. */
	EXPECT_EQ(l1.ctl[PROC].must_be_1, 0x401e172);
}

TEST(caps_decode_uses_true_controls)
{
	struct caps hw;

	machine_all(&hw);
	EXPECT_EQ(hw.ctl[PROC].must_be_1, 0x4006172);
	*machine_msr(&hw, MSR_IA32_VMX_BASIC) &= ~VMX_BASIC_TRUE_CONTROLS;
	caps_decode(&hw);
	EXPECT_EQ(hw.ctl[PROC].must_be_1, 0x401e172);
	EXPECT_EQ(hw.revision, 0x12345678);
}

TEST(caps_decode_needs_secondary_activated)
{
	struct caps hw;

	machine_all(&hw);
	EXPECT(caps_has(&hw, CI_PROC2_ENABLE_EPT));
	*machine_msr(&hw, MSR_IA32_VMX_TRUE_PROCBASED_CTLS) &= ~((u64)PROC_ACTIVATE_SECONDARY << 32);
	caps_decode(&hw);
	EXPECT(!caps_has(&hw, CI_PROC2_ENABLE_EPT));
	EXPECT_EQ(hw.ept_vpid, 0);
	EXPECT(caps_has(&hw, CI_ALWAYS));
}

static bool refused(bool vmx, bool readable, u64 feature_control, const char *text)
{
	const char *why = caps_vmx_refusal(vmx, readable, feature_control);
	return why && strstr(why, text) && !strchr(why, '\n');
}

TEST(caps_vmx_refusal)
{
	EXPECT(refused(false, false, 0, "no VMX"));
	EXPECT(refused(true, false, 0, "no IA32_FEATURE_CONTROL"));
	EXPECT(refused(true, true, FEATURE_CONTROL_LOCK, "locked off by firmware"));
	EXPECT(refused(true, true, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_IN_SMX,
		       "locked off by firmware"));
	EXPECT(!caps_vmx_refusal(true, true, 0));
	EXPECT(!caps_vmx_refusal(true, true, FEATURE_CONTROL_VMX));
	EXPECT(!caps_vmx_refusal(true, true, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX));
}
