#include "nested/msr_area.h"

#include "test.h"
#include "vmx/msr.h"

/* SDM: "Loading MSRs" (chapter "VM Entries"). */

TEST(msr_load_base)
{
	EXPECT_EQ(msr_area_load(MSR_IA32_FS_BASE, 0), RULE_msr_load_base);
	EXPECT_EQ(msr_area_load(MSR_IA32_GS_BASE, 0), RULE_msr_load_base);
	EXPECT_EQ(msr_area_load(MSR_IA32_FS_BASE - 1, 0), RULE_COUNT);
	EXPECT_EQ(msr_area_load(MSR_IA32_KERNEL_GS_BASE, 0), RULE_COUNT);
	EXPECT_EQ(msr_area_load(MSR_IA32_EFER, 0), RULE_COUNT);
}

/* Bits 31:8 decide. */
TEST(msr_load_x2apic)
{
	EXPECT_EQ(msr_area_load(0x7ff, 0), RULE_COUNT);
	EXPECT_EQ(msr_area_load(0x800, 0), RULE_msr_load_x2apic);
	EXPECT_EQ(msr_area_load(0x83f, 0), RULE_msr_load_x2apic);
	EXPECT_EQ(msr_area_load(0x8ff, 0), RULE_msr_load_x2apic);
	EXPECT_EQ(msr_area_load(0x900, 0), RULE_COUNT);
	EXPECT_EQ(msr_area_load(0x80000808, 0), RULE_COUNT);
}

TEST(msr_load_smm)
{
	EXPECT_EQ(msr_area_load(0x9b, 0), RULE_msr_load_smm);
	EXPECT_EQ(msr_area_load(0x9a, 0), RULE_COUNT);
	EXPECT_EQ(msr_area_load(0x9c, 0), RULE_COUNT);
}

TEST(msr_load_model)
{
	EXPECT_EQ(msr_area_load(0x79, 0), RULE_msr_load_model);
	EXPECT_EQ(msr_area_load(0x78, 0), RULE_COUNT);
	EXPECT_EQ(msr_area_load(0x7a, 0), RULE_COUNT);
}

TEST(msr_load_reserved)
{
	for (unsigned bit = 0; bit < 32; bit++)
		EXPECT_EQ(msr_area_load(MSR_IA32_TSC, (u32)BIT(bit)), RULE_msr_load_reserved);
	EXPECT_EQ(msr_area_load(MSR_IA32_TSC, 0), RULE_COUNT);
}

/* All other numbers get as far as the write, which then decides (vmm/msr.c). */
TEST(msr_load_fault)
{
	unsigned refused = 0;

	for (u32 number = 0; number < 0x2000; number++)
		refused += msr_area_load(number, 0) != RULE_COUNT;
	for (u32 number = 0xc0000000; number < 0xc0002000; number++)
		refused += msr_area_load(number, 0) != RULE_COUNT;
	EXPECT_EQ(refused, 256 + 4);
	EXPECT_EQ(msr_area_load(0xffffffff, 0), RULE_COUNT);
}
