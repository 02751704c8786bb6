/* The VMX instructions' rules. SDM: chapter "VMX Instruction Reference". */
#include "machine.h"
#include "nested/insn.h"
#include "test.h"
#include "vmx/ept_entry.h"

#define VMXON_REGION 0x4000ull
#define CURRENT 0x5000ull
#define STATUS_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* An L1 in VMX root operation, in 64-bit mode at CPL 0, with a clear current VMCS. */
struct l1 {
	struct caps caps;
	struct vmcs12 v12;
	struct nested n;
	struct insn_cpu cpu;
	u32 interruptibility;
};

static void l1_in_root(struct l1 *l)
{
	struct caps hw;

	*l = (struct l1){.v12 = {.revision = VMCS12_REVISION}};
	machine_all(&hw);
	caps_l1(&l->caps, &hw);
	l->n = (struct nested){
		.vmxon = true, .vmxon_pointer = VMXON_REGION, .current = CURRENT, .v12 = &l->v12};
	l->cpu = (struct insn_cpu){
		.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG,
		.cr4 = CR4_PAE | CR4_VMXE,
		.efer = EFER_LME | EFER_LMA,
		.rflags = RFLAGS_FIXED1,
		.cs_ar = 0xa09b,
		.feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX,
		.caps = &l->caps,
	};
}

static void l1_before_vmxon(struct l1 *l)
{
	l1_in_root(l);
	l->n.vmxon = false;
	l->n.vmxon_pointer = l->n.current = NO_VMCS;
}

static void expect_fault(struct insn_outcome o, enum vector vector, int line)
{
	if (o.kind != INSN_FAULT || o.vector != vector)
		test_fail(__FILE__, line, "kind %d vector %d, not exception %d", o.kind, o.vector,
			  vector);
}

static void expect_fail(struct insn_outcome o, u32 error, int line)
{
	if (o.kind != INSN_FAIL || o.error != error)
		test_fail(__FILE__, line, "kind %d error %d, not VMfailValid(%u)", o.kind, o.error,
			  error);
}

#define FAULTS(outcome, vector) expect_fault(outcome, vector, __LINE__)
#define FAILS(outcome, error) expect_fail(outcome, error, __LINE__)
#define FAILS_INVALID(outcome) EXPECT_EQ((outcome).kind, INSN_FAIL_INVALID)
#define GOES_ON(outcome) EXPECT_EQ((outcome).kind, INSN_GO_ON)

/* --- mode and privilege --- */

/* What has every VMX instruction raise #UD, whatever the privilege. */
static void real_mode(struct insn_cpu *cpu)
{
	cpu->cr0 &= ~CR0_PE;
	cpu->efer = 0;
	cpu->cs_ar = 0x9b;
}

static void v86_mode(struct insn_cpu *cpu)
{
	cpu->rflags |= RFLAGS_VM;
	cpu->efer = 0;
	cpu->cs_ar = 0xf3;
}

static void compatibility_mode(struct insn_cpu *cpu)
{
	cpu->cs_ar = 0xc09b;
}

static void (*const undefined_modes[])(struct insn_cpu *cpu) = {real_mode, v86_mode, compatibility_mode};

static const enum exit_reason only_in_vmx_operation[] = {
	EXIT_REASON_VMCALL,  EXIT_REASON_VMCLEAR, EXIT_REASON_VMLAUNCH, EXIT_REASON_VMPTRLD,
	EXIT_REASON_VMPTRST, EXIT_REASON_VMREAD,  EXIT_REASON_VMRESUME, EXIT_REASON_VMWRITE,
	EXIT_REASON_VMXOFF,  EXIT_REASON_INVEPT,  EXIT_REASON_INVVPID,
};

static void expect_undefined_in_modes(struct l1 *l, enum exit_reason insn)
{
	struct insn_cpu cpu = l->cpu;

	for (unsigned i = 0; i < ARRAY_LEN(undefined_modes); i++) {
		undefined_modes[i](&l->cpu);
		for (l->cpu.cpl = 0; l->cpu.cpl <= 3; l->cpu.cpl++)
			FAULTS(insn_gate(&l->n, insn, &l->cpu), VEC_UD);
		l->cpu = cpu;
	}
}

TEST(R01_vmxon_undefined_modes)
{
	struct l1 l;

	l1_before_vmxon(&l);
	expect_undefined_in_modes(&l, EXIT_REASON_VMXON);
	GOES_ON(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu));
}

TEST(R01_vmxon_needs_vmxe_before_privilege)
{
	struct l1 l;

	l1_before_vmxon(&l);
	l.cpu.cr4 &= ~CR4_VMXE;
	for (l.cpu.cpl = 0; l.cpu.cpl <= 3; l.cpu.cpl++)
		FAULTS(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu), VEC_UD);
	l.cpu.cr4 |= CR4_VMXE;
	for (l.cpu.cpl = 1; l.cpu.cpl <= 3; l.cpu.cpl++)
		FAULTS(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu), VEC_GP);
	l.cpu.cpl = 0;
	GOES_ON(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu));
}

/* CS.L says nothing outside IA-32e mode. */
TEST(R01_vmxon_in_32_bit_protected_mode)
{
	struct l1 l;

	l1_before_vmxon(&l);
	l.cpu.efer = 0;
	l.cpu.cs_ar = 0xc09b;
	GOES_ON(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu));
	l.cpu.efer = EFER_LME;
	GOES_ON(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu));
}

/* The gate by its rules, one after the other. */
static bool passes(const struct l1 *l)
{
	bool long_mode = l->cpu.efer & EFER_LMA;

	if (!(l->cpu.cr0 & CR0_PE) || (l->cpu.rflags & RFLAGS_VM))
		return false;
	if (long_mode && !(l->cpu.cs_ar & AR_L))
		return false;
	return l->n.vmxon && l->cpu.cpl == 0;
}

/* In every state that a processor can be in; the short way leaves out what it does not look at. */
TEST(R13_entry_gate)
{
	struct l1 l;
	unsigned open = 0, all = 0;

	for (unsigned bits = 0; bits < 1u << 6; bits++) {
		l1_in_root(&l);
		l.n.vmxon = bits & 1;
		l.cpu.efer = bits & 2 ? EFER_LME | EFER_LMA : EFER_LME;
		l.cpu.cs_ar = bits & 4 ? 0xa09b : 0xc09b;
		l.cpu.cpl = bits & 8 ? 3 : 0;
		l.cpu.rflags |= bits & 16 && bits & 8 ? RFLAGS_VM : 0; /* at CPL 3 alone */
		l.cpu.cr0 &= bits & 32 && !l.n.vmxon ? ~CR0_PE : ~0ul; /* fixed to 1 in VMX operation */
		bool expected = passes(&l);
		all += expected;
		open += insn_gate_is_open(&l.n, l.cpu.cs_ar, l.cpu.cpl);
		EXPECT_EQ(insn_gate(&l.n, EXIT_REASON_VMLAUNCH, &l.cpu).kind == INSN_GO_ON, expected);
		EXPECT_EQ(insn_gate(&l.n, EXIT_REASON_VMRESUME, &l.cpu).kind == INSN_GO_ON, expected);
	}
	EXPECT(open > 0 && open < all);
}

TEST(R02_vmxon_fixed_bits)
{
	struct l1 l;
	u64 cr0, cr4;

	l1_before_vmxon(&l);
	GOES_ON(insn_vmxon_allowed(&l.n, &l.cpu));
	cr0 = l.cpu.cr0, cr4 = l.cpu.cr4;
	for (unsigned bit = 0; bit < 64; bit++) {
		u64 fixed0 = l.caps.cr0_fixed0 | ~l.caps.cr0_fixed1,
		    fixed4 = l.caps.cr4_fixed0 | ~l.caps.cr4_fixed1;

		l.cpu.cr0 = cr0 ^ BIT(bit);
		if (fixed0 >> bit & 1)
			FAULTS(insn_vmxon_allowed(&l.n, &l.cpu), VEC_GP);
		else
			GOES_ON(insn_vmxon_allowed(&l.n, &l.cpu));
		l.cpu.cr0 = cr0;
		l.cpu.cr4 = cr4 ^ BIT(bit);
		if (fixed4 >> bit & 1)
			FAULTS(insn_vmxon_allowed(&l.n, &l.cpu), VEC_GP);
		else
			GOES_ON(insn_vmxon_allowed(&l.n, &l.cpu));
		l.cpu.cr4 = cr4;
	}
}

TEST(R02_vmxon_feature_control)
{
	static const u64 refused[] = {
		0,
		FEATURE_CONTROL_LOCK,
		FEATURE_CONTROL_VMX,
		FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_IN_SMX,
		FEATURE_CONTROL_VMX | FEATURE_CONTROL_VMX_IN_SMX,
	};
	struct l1 l;

	l1_before_vmxon(&l);
	for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
		l.cpu.feature_control = refused[i];
		FAULTS(insn_vmxon_allowed(&l.n, &l.cpu), VEC_GP);
	}
	l.cpu.feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
	GOES_ON(insn_vmxon_allowed(&l.n, &l.cpu));
	l.cpu.feature_control |= FEATURE_CONTROL_VMX_IN_SMX;
	GOES_ON(insn_vmxon_allowed(&l.n, &l.cpu));
}

/* With machine_all's 39 bits of a physical address. */
static const u64 bad_regions[] = {
	1,
	8,
	0x800,
	0x5ff8,
	CURRENT + 1,
	BIT(39),
	BIT(39) | 0x1000,
	BIT(52),
	BIT(63),
	~0ull,
	BIT(63) | CURRENT,
};
static const u64 good_regions[] = {0, 0x1000, CURRENT, BIT(32), BIT(39) - PAGE_SIZE};

TEST(R03_vmxon_region)
{
	struct l1 l;

	l1_before_vmxon(&l);
	for (unsigned i = 0; i < ARRAY_LEN(bad_regions); i++)
		FAILS_INVALID(insn_vmxon_region(&l.caps, bad_regions[i], VMCS12_REVISION));
	for (unsigned i = 0; i < ARRAY_LEN(good_regions); i++)
		GOES_ON(insn_vmxon_region(&l.caps, good_regions[i], VMCS12_REVISION));
}

TEST(R03_vmxon_revision)
{
	struct l1 l;

	l1_before_vmxon(&l);
	for (unsigned bit = 0; bit < 32; bit++) /* bit 31: not a VMCS, so no shadow either */
		FAILS_INVALID(insn_vmxon_region(&l.caps, 0x1000, VMCS12_REVISION ^ (u32)BIT(bit)));
	l.caps.ctl[PROC2].may_be_1 |= PROC2_VMCS_SHADOWING;
	FAILS_INVALID(insn_vmxon_region(&l.caps, 0x1000, VMCS12_REVISION | VMCS12_SHADOW));
}

TEST(R04_vmxon_in_root)
{
	struct l1 l;

	l1_in_root(&l);
	for (l.cpu.cpl = 1; l.cpu.cpl <= 3; l.cpu.cpl++)
		FAULTS(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu), VEC_GP);
	l.cpu.cpl = 0;
	GOES_ON(insn_gate(&l.n, EXIT_REASON_VMXON, &l.cpu));
	FAILS(insn_vmxon_allowed(&l.n, &l.cpu), 15);
	l.cpu.cr0 = l.cpu.feature_control = 0;
	FAILS(insn_vmxon_allowed(&l.n, &l.cpu), 15);
}

/* What VMPTRST stores after VMXON, and what that pointer means to the others. */
TEST(R05_no_current_vmcs)
{
	struct insn_field field;
	struct l1 l;

	EXPECT_EQ(NO_VMCS, 0xffffffffffffffff);
	l1_in_root(&l);
	l.n.current = 0xffffffffffffffff;
	FAILS_INVALID(insn_vmread(&l.n, &l.caps, VMCS_GUEST_RIP, &field));
	FAILS_INVALID(insn_vmwrite(&l.n, &l.caps, VMCS_GUEST_RIP, &field));
	FAILS_INVALID(insn_entry(&l.n, l.interruptibility, true));
	l.n.current = 0; /* an address like any other */
	GOES_ON(insn_vmread(&l.n, &l.caps, VMCS_GUEST_RIP, &field));
	GOES_ON(insn_entry(&l.n, l.interruptibility, true));
}

TEST(R06_undefined_outside_vmx_operation)
{
	struct l1 l;

	l1_before_vmxon(&l);
	for (unsigned i = 0; i < ARRAY_LEN(only_in_vmx_operation); i++)
		for (l.cpu.cpl = 0; l.cpu.cpl <= 3; l.cpu.cpl++)
			FAULTS(insn_gate(&l.n, only_in_vmx_operation[i], &l.cpu), VEC_UD);
}

TEST(R06_privileged_in_root)
{
	struct l1 l;

	l1_in_root(&l);
	for (unsigned i = 0; i < ARRAY_LEN(only_in_vmx_operation); i++) {
		enum exit_reason insn = only_in_vmx_operation[i];

		expect_undefined_in_modes(&l, insn);
		for (l.cpu.cpl = 1; l.cpu.cpl <= 3; l.cpu.cpl++)
			FAULTS(insn_gate(&l.n, insn, &l.cpu), VEC_GP);
		l.cpu.cpl = 0;
		GOES_ON(insn_gate(&l.n, insn, &l.cpu));
	}
}

TEST(R06_invept_and_invvpid_need_their_capability)
{
	struct l1 l;

	l1_in_root(&l);
	l.cpu.cpl = 3;
	l.caps.ept_vpid &= ~EPT_CAP_INVEPT;
	FAULTS(insn_gate(&l.n, EXIT_REASON_INVEPT, &l.cpu), VEC_UD);
	FAULTS(insn_gate(&l.n, EXIT_REASON_INVVPID, &l.cpu), VEC_GP);
	l.caps.ept_vpid ^= EPT_CAP_INVEPT | VPID_CAP_INVVPID;
	FAULTS(insn_gate(&l.n, EXIT_REASON_INVEPT, &l.cpu), VEC_GP);
	FAULTS(insn_gate(&l.n, EXIT_REASON_INVVPID, &l.cpu), VEC_UD);
}

/* --- how it ends --- */

static const struct insn_outcome fail_7 = {.kind = INSN_FAIL, .error = VMERR_ENTRY_BAD_CONTROLS};
static const struct insn_outcome fail_no_vmcs = {.kind = INSN_FAIL_INVALID};

TEST(R07_flags)
{
	const u64 others = RFLAGS_FIXED1 | RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_RF | RFLAGS_ID;
	struct l1 l;

	l1_in_root(&l);
	for (u64 flags = others;; flags |= STATUS_FLAGS) {
		l.n.current = CURRENT;
		EXPECT_EQ(insn_flags(&l.n, flags, INSN_OK), others);
		EXPECT_EQ(insn_flags(&l.n, flags, fail_7), others | RFLAGS_ZF);
		EXPECT_EQ(insn_flags(&l.n, flags, fail_no_vmcs), others | RFLAGS_CF);
		l.n.current = NO_VMCS;
		EXPECT_EQ(insn_flags(&l.n, flags, INSN_OK), others);
		EXPECT_EQ(insn_flags(&l.n, flags, fail_7), others | RFLAGS_CF);
		EXPECT_EQ(insn_flags(&l.n, flags, fail_no_vmcs), others | RFLAGS_CF);
		if (flags & STATUS_FLAGS)
			break;
	}
}

/* --- VMCLEAR and VMPTRLD --- */

TEST(R08_vmclear_address)
{
	struct l1 l;

	l1_in_root(&l);
	for (unsigned i = 0; i < ARRAY_LEN(bad_regions); i++)
		FAILS(insn_vmclear(&l.n, &l.caps, bad_regions[i]), 2);
	for (unsigned i = 0; i < ARRAY_LEN(good_regions); i++)
		GOES_ON(insn_vmclear(&l.n, &l.caps, good_regions[i]));
}

TEST(R08_vmclear_of_vmxon_pointer)
{
	struct l1 l;

	l1_in_root(&l);
	FAILS(insn_vmclear(&l.n, &l.caps, VMXON_REGION), 3);
	FAILS(insn_vmclear(&l.n, &l.caps, VMXON_REGION + 8), 2);
	FAILS(insn_vmclear(&l.n, &l.caps, VMXON_REGION | BIT(39)), 2);
}

TEST(R09_vmptrld_address)
{
	struct l1 l;

	l1_in_root(&l);
	for (unsigned i = 0; i < ARRAY_LEN(bad_regions); i++)
		FAILS(insn_vmptrld_address(&l.n, &l.caps, bad_regions[i]), 9);
	for (unsigned i = 0; i < ARRAY_LEN(good_regions); i++)
		GOES_ON(insn_vmptrld_address(&l.n, &l.caps, good_regions[i]));
	FAILS(insn_vmptrld_address(&l.n, &l.caps, VMXON_REGION), 10);
	FAILS(insn_vmptrld_address(&l.n, &l.caps, VMXON_REGION + 8), 9);
}

TEST(R09_vmptrld_revision)
{
	struct l1 l;

	l1_in_root(&l);
	GOES_ON(insn_vmptrld_revision(&l.caps, VMCS12_REVISION));
	for (unsigned bit = 0; bit < 32; bit++)
		FAILS(insn_vmptrld_revision(&l.caps, VMCS12_REVISION ^ (u32)BIT(bit)), 11);
	l.caps.ctl[PROC2].may_be_1 |= PROC2_VMCS_SHADOWING;
	GOES_ON(insn_vmptrld_revision(&l.caps, VMCS12_REVISION | VMCS12_SHADOW));
	GOES_ON(insn_vmptrld_revision(&l.caps, VMCS12_REVISION));
	FAILS(insn_vmptrld_revision(&l.caps, (VMCS12_REVISION ^ 1) | VMCS12_SHADOW), 11);
}

/* --- VMREAD and VMWRITE --- */

/* What the table says of an encoding, found the slow way; FIELD_NONE where L1's VMCS has no such field. */
static int field_of(const struct caps *caps, u64 encoding)
{
	for (int i = 0; i < FI_COUNT; i++) {
		bool high = encoding == (field_info[i].encoding | 1ull) && (encoding >> 13 & 3) == 1;

		if ((encoding == field_info[i].encoding || high) &&
		    caps_has(caps, (enum control_index)field_info[i].control))
			return i;
	}
	return FIELD_NONE;
}

TEST(R10_every_encoding)
{
	struct l1 l;

	l1_in_root(&l);
	for (u64 encoding = 0; encoding < 0x10000; encoding++) {
		struct insn_field field = {FI_COUNT, false};
		int index = field_of(&l.caps, encoding);

		if (index == FIELD_NONE) {
			FAILS(insn_vmread(&l.n, &l.caps, encoding, &field), 12);
			FAILS(insn_vmwrite(&l.n, &l.caps, encoding, &field), 12);
			EXPECT_EQ(field.index, FI_COUNT);
			continue;
		}
		GOES_ON(insn_vmwrite(&l.n, &l.caps, encoding, &field));
		field.index = FI_COUNT;
		GOES_ON(insn_vmread(&l.n, &l.caps, encoding, &field));
		EXPECT_EQ(field.index, index);
		EXPECT_EQ(field.high, encoding & 1);
	}
}

TEST(R10_reserved_bits_of_an_encoding)
{
	struct insn_field field;
	struct l1 l;

	l1_in_root(&l);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool reserved = bit == 12 || bit >= 15;

		if (reserved) {
			FAILS(insn_vmread(&l.n, &l.caps, VMCS_GUEST_RIP | BIT(bit), &field), 12);
			FAILS(insn_vmwrite(&l.n, &l.caps, VMCS_GUEST_RIP | BIT(bit), &field), 12);
		}
	}
	FAILS(insn_vmread(&l.n, &l.caps, ~0ull, &field), 12);
}

/* A field exists with the control that gives it a meaning. */
TEST(R10_fields_of_absent_controls)
{
	static const u64 absent[] = {
		VMCS_VPID,
		VMCS_EPT_POINTER,
		VMCS_EPT_POINTER + 1,
		VMCS_GUEST_PHYSICAL_ADDRESS,
		VMCS_GUEST_PDPTE3,
		VMCS_PROC2_CONTROLS,
		VMCS_TSC_MULTIPLIER,
		VMCS_PLE_GAP,
		VMCS_APIC_ACCESS_ADDRESS,
		VMCS_VMREAD_BITMAP,
	};
	static const u64 hidden[] = {VMCS_VMREAD_BITMAP, VMCS_VMWRITE_BITMAP,    VMCS_PML_ADDRESS,
				     VMCS_PML_INDEX,     VMCS_EPTP_LIST_ADDRESS, VMCS_PI_DESC_ADDRESS};
	struct insn_field field;
	struct caps hw, first;
	struct l1 l;

	l1_in_root(&l);
	for (unsigned i = 0; i < ARRAY_LEN(hidden); i++)
		FAILS(insn_vmread(&l.n, &l.caps, hidden[i], &field), 12);
	machine_first(&hw);
	caps_l1(&first, &hw);
	for (unsigned i = 0; i < ARRAY_LEN(absent); i++)
		FAILS(insn_vmread(&l.n, &first, absent[i], &field), 12);
	GOES_ON(insn_vmread(&l.n, &first, VMCS_GUEST_RIP, &field));
}

TEST(R10_no_current_vmcs_comes_first)
{
	struct insn_field field = {FI_COUNT, false};
	struct l1 l;

	l1_in_root(&l);
	l.n.current = NO_VMCS;
	l.caps.misc &= ~VMX_MISC_VMWRITE_ANY;
	FAILS_INVALID(insn_vmread(&l.n, &l.caps, ~0ull, &field));
	FAILS_INVALID(insn_vmwrite(&l.n, &l.caps, ~0ull, &field));
	FAILS_INVALID(insn_vmwrite(&l.n, &l.caps, VMCS_EXIT_REASON, &field));
	EXPECT_EQ(field.index, FI_COUNT);
}

TEST(R10_vmwrite_to_exit_information)
{
	struct insn_field field;
	struct l1 l;

	l1_in_root(&l);
	for (int i = 0; i < FI_COUNT; i++) {
		u64 encoding = field_info[i].encoding;

		if (field_of(&l.caps, encoding) == FIELD_NONE)
			continue;
		l.caps.misc |= VMX_MISC_VMWRITE_ANY;
		GOES_ON(insn_vmwrite(&l.n, &l.caps, encoding, &field));
		l.caps.misc &= ~VMX_MISC_VMWRITE_ANY;
		GOES_ON(insn_vmread(&l.n, &l.caps, encoding, &field));
		if ((encoding >> 10 & 3) == 1)
			FAILS(insn_vmwrite(&l.n, &l.caps, encoding, &field), 13);
		else
			GOES_ON(insn_vmwrite(&l.n, &l.caps, encoding, &field));
	}
	FAILS(insn_vmwrite(&l.n, &l.caps, VMCS_GUEST_PHYSICAL_ADDRESS + 1, &field), 13);
	FAILS(insn_vmwrite(&l.n, &l.caps, 0x4410, &field), 12); /* of that type, but none there */
}

TEST(R12_high_half)
{
	const struct insn_field low = {FI_EPT_POINTER, false}, high = {FI_EPT_POINTER, true};
	struct insn_field field;
	struct l1 l;

	l1_in_root(&l);
	GOES_ON(insn_vmread(&l.n, &l.caps, VMCS_EPT_POINTER + 1, &field));
	EXPECT(field.index == FI_EPT_POINTER && field.high);
	EXPECT_EQ(insn_field_read(0x1122334455667788, low), 0x1122334455667788);
	EXPECT_EQ(insn_field_read(0x1122334455667788, high), 0x11223344);
	EXPECT_EQ(insn_field_written(0x1122334455667788, high, 0xddddddddcafebabe), 0xcafebabe55667788);
	/* A write of 32 bits to the whole field clears the rest. */
	EXPECT_EQ(insn_field_written(0x1122334455667788, low, 0x99999999), 0x99999999);
}

TEST(R12_no_high_half)
{
	static const u64 others[] = {VMCS_VPID,        VMCS_GUEST_CS_SELECTOR, VMCS_PIN_CONTROLS,
				     VMCS_EXIT_REASON, VMCS_GUEST_RIP,         VMCS_CR0_MASK,
				     VMCS_HOST_RSP};
	struct insn_field field;
	struct l1 l;

	l1_in_root(&l);
	for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
		GOES_ON(insn_vmread(&l.n, &l.caps, others[i], &field));
		FAILS(insn_vmread(&l.n, &l.caps, others[i] + 1, &field), 12);
		FAILS(insn_vmwrite(&l.n, &l.caps, others[i] + 1, &field), 12);
	}
}

/* SDM: "VMWRITE": what lies above the field's width is ignored. */
TEST(vmwrite_keeps_the_width)
{
	for (int i = 0; i < FI_COUNT; i++) {
		static const u64 held[] = {0xffff, ~0ull, 0xffffffff, ~0ull}; /* by bits 14:13 */
		struct insn_field field = {(enum field_index)i, false};

		EXPECT_EQ(insn_field_written(0, field, ~0ull), held[field_info[i].encoding >> 13 & 3]);
		EXPECT_EQ(insn_field_written(~0ull, field, 0x5a), 0x5a);
	}
}

/* --- VMLAUNCH and VMRESUME --- */

TEST(R13_entry_without_an_ordinary_vmcs)
{
	struct l1 l;

	l1_in_root(&l);
	l.interruptibility = BLOCKING_MOV_SS;
	for (int launch = 0; launch <= 1; launch++) {
		l.n.current = NO_VMCS;
		FAILS_INVALID(insn_entry(&l.n, l.interruptibility, launch));
		l.n.current = CURRENT;
		l.v12.revision = VMCS12_REVISION | VMCS12_SHADOW;
		FAILS_INVALID(insn_entry(&l.n, l.interruptibility, launch));
		l.v12.revision = VMCS12_REVISION;
	}
	FAILS(insn_entry(&l.n, l.interruptibility, true), 26);
}

TEST(R14_mov_ss_blocking)
{
	struct l1 l;

	l1_in_root(&l);
	for (u32 launch_state = VMCS12_CLEAR; launch_state <= VMCS12_LAUNCHED; launch_state++) {
		l.v12.launch = launch_state;
		l.interruptibility = BLOCKING_MOV_SS;
		FAILS(insn_entry(&l.n, l.interruptibility, true), 26);
		FAILS(insn_entry(&l.n, l.interruptibility, false), 26);
		l.interruptibility = BLOCKING_STI | BLOCKING_NMI | BLOCKING_SMI;
		GOES_ON(insn_entry(&l.n, l.interruptibility, launch_state == VMCS12_CLEAR));
	}
}

TEST(R15_launch_state)
{
	struct l1 l;

	l1_in_root(&l);
	GOES_ON(insn_entry(&l.n, l.interruptibility, true));
	FAILS(insn_entry(&l.n, l.interruptibility, false), 5);
	l.v12.launch = VMCS12_LAUNCHED;
	FAILS(insn_entry(&l.n, l.interruptibility, true), 4);
	GOES_ON(insn_entry(&l.n, l.interruptibility, false));
	l.v12.launch = 0x80000000; /* L1 wrote the region itself: neither */
	FAILS(insn_entry(&l.n, l.interruptibility, true), 4);
	FAILS(insn_entry(&l.n, l.interruptibility, false), 5);
}

/* --- INVEPT and INVVPID --- */

#define EPTP_GOOD (0x8000ull | EPTP_WALK_4 | MT_WB)

TEST(R18_invept_type)
{
	static const u64 bad[] = {0, 3, 4, 64, BIT(32) | 1, BIT(63) | 2, ~0ull};
	struct l1 l;

	l1_in_root(&l);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		FAILS(insn_invept_type(&l.caps, bad[i]), 28);
	l.caps.ept_vpid |= BITS(31, 25); /* no capability makes other types */
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		FAILS(insn_invept_type(&l.caps, bad[i]), 28);
	GOES_ON(insn_invept_type(&l.caps, 1));
	GOES_ON(insn_invept_type(&l.caps, 2));
	l.caps.ept_vpid &= ~BIT(25);
	FAILS(insn_invept_type(&l.caps, 1), 28);
	GOES_ON(insn_invept_type(&l.caps, 2));
	l.caps.ept_vpid ^= BIT(25) | BIT(26);
	GOES_ON(insn_invept_type(&l.caps, 1));
	FAILS(insn_invept_type(&l.caps, 2), 28);
}

/* Single-context takes the pointers that an entry would; all-context takes any. */
TEST(R18_invept_descriptor)
{
	static const u64 bad[] = {0,
				  ~0ull,
				  EPTP_GOOD ^ BIT(3),
				  EPTP_GOOD ^ BIT(0),
				  EPTP_GOOD | BIT(7),
				  EPTP_GOOD | BIT(39)};
	struct l1 l;

	l1_in_root(&l);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		FAILS(insn_invept(&l.caps, 1, (struct inv_descriptor){bad[i], 0}), 28);
		GOES_ON(insn_invept(&l.caps, 2, (struct inv_descriptor){bad[i], 0}));
	}
	GOES_ON(insn_invept(&l.caps, 1, (struct inv_descriptor){EPTP_GOOD, 0}));
}

TEST(R18_invvpid_type)
{
	struct l1 l;

	l1_in_root(&l);
	l.caps.ept_vpid |= BITS(63, 40);
	for (u64 type = 0; type < 70; type++)
		if (type <= 3)
			GOES_ON(insn_invvpid_type(&l.caps, type));
		else
			FAILS(insn_invvpid_type(&l.caps, type), 28);
	FAILS(insn_invvpid_type(&l.caps, BIT(32)), 28);
	FAILS(insn_invvpid_type(&l.caps, BIT(63) | 1), 28);
	for (u64 absent = 0; absent < 4; absent++) {
		l.caps.ept_vpid ^= BIT(40 + absent);
		for (u64 type = 0; type < 4; type++)
			EXPECT_EQ(insn_invvpid_type(&l.caps, type).kind == INSN_FAIL, type == absent);
		l.caps.ept_vpid ^= BIT(40 + absent);
	}
}

TEST(R18_invvpid_reserved_bits)
{
	struct l1 l;

	l1_in_root(&l);
	for (u64 type = 0; type < 4; type++) {
		for (unsigned bit = 16; bit < 64; bit++)
			FAILS(insn_invvpid(&l.caps, type, (struct inv_descriptor){BIT(bit) | 1, 0}), 28);
		GOES_ON(insn_invvpid(&l.caps, type, (struct inv_descriptor){1, 0}));
		GOES_ON(insn_invvpid(&l.caps, type, (struct inv_descriptor){0xffff, 0}));
	}
}

TEST(R18_invvpid_of_vpid_0)
{
	const struct inv_descriptor vpid_0 = {0, 0x1000};
	struct l1 l;

	l1_in_root(&l);
	FAILS(insn_invvpid(&l.caps, 0, vpid_0), 28);
	FAILS(insn_invvpid(&l.caps, 1, vpid_0), 28);
	GOES_ON(insn_invvpid(&l.caps, 2, vpid_0));
	FAILS(insn_invvpid(&l.caps, 3, vpid_0), 28);
}

TEST(R18_invvpid_of_a_non_canonical_address)
{
	static const u64 bad[] = {BIT(47), 0xffff7fffffffffff, BIT(63)};
	static const u64 good[] = {0, BIT(47) - 1, 0xffff800000000000, ~0ull};
	struct l1 l;

	l1_in_root(&l);
	for (u64 type = 0; type < 4; type++) {
		for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
			EXPECT_EQ(insn_invvpid(&l.caps, type, (struct inv_descriptor){1, bad[i]}).kind,
				  type == 0 ? INSN_FAIL : INSN_GO_ON);
		for (unsigned i = 0; i < ARRAY_LEN(good); i++)
			GOES_ON(insn_invvpid(&l.caps, type, (struct inv_descriptor){1, good[i]}));
	}
	l.caps.linear_bits = 57;
	GOES_ON(insn_invvpid(&l.caps, 0, (struct inv_descriptor){1, BIT(47)}));
	FAILS(insn_invvpid(&l.caps, 0, (struct inv_descriptor){1, BIT(56)}), 28);
}
