/*
 * R1 to R6: into VMX operation and out of it. SDM: "VMXON - Enter VMX Operation", "Enabling and
 * Entering VMX Operation", "Restrictions on VMX Operation".
 */
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/rules/rules.h"
#include "guest/rules/snippets.h"
#include "guest/rules/state.h"
#include "vmx/msr.h"

/* VMXON with bits of CR0 and CR4 cleared for that instruction; both come back. */
static struct trap vmxon_without(u64 cr0_bits, u64 cr4_bits, bool ring3)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();
	struct trap t;

	write_cr4(cr4 & ~cr4_bits);
	write_cr0(cr0 & ~cr0_bits);
	t = ring3 ? snippet_ring3(SNIPPET_vmxon, (u64)&region_vmxon, 0) : vmxon(&region_vmxon);
	write_cr0(cr0);
	write_cr4(cr4);
	return t;
}

static void r1_invalid_opcode(void)
{
	state_outside();
	check_insn("R1", "VMXON with CR4.VMXE = 0", UD, vmxon_without(0, CR4_VMXE, false));
	check_insn("R1", "VMXON with CR4.VMXE = 0 in ring 3: #UD comes before #GP", UD,
		   vmxon_without(0, CR4_VMXE, true));
	check_insn("R1", "VMXON with CR4.VMXE = 0 and CR0.NE = 0: #UD comes before #GP", UD,
		   vmxon_without(CR0_NE, CR4_VMXE, false));
	check_insn("R1", "VMXON in compatibility mode", UD,
		   snippet_compatibility(SNIPPET_vmxon, (u64)&region_vmxon, 0));
	check_insn("R1", "VMXON in real mode", UD, snippet_real(SNIPPET_vmxon));
	check_insn("R1", "VMXON in virtual-8086 mode", UD, snippet_v86(SNIPPET_vmxon));
	check_insn("R1", "VMXON with a register operand", UD, vmxon_register());
}

static void r1_privilege(void)
{
	state_outside();
	check_insn("R1", "VMXON in ring 3", GP0, snippet_ring3(SNIPPET_vmxon, (u64)&region_vmxon, 0));
	check_insn("R1", "VMXON in ring 3 does not read its operand", GP0,
		   snippet_ring3(SNIPPET_vmxon, TEST_AREA, 0));
	check_insn("R1", "after all these: not in VMX operation", UD, vmptrst(&(u64){0}));
}

static void r2_control_registers(void)
{
	state_outside();
	check_insn("R2", "VMXON with CR0.NE = 0", GP0, vmxon_without(CR0_NE, 0, false));
	check_insn("R2", "VMXON with CR0.NE = 0 in ring 3", GP0, vmxon_without(CR0_NE, 0, true));
	/* The simulated machine looks at CR0.PE and CR0.NE only, and goes on to the pointer. */
	check_insn_defect("R2", "VMXON with CR0.PG = 0", GP0, "no exception",
			  snippet_unpaged(SNIPPET_vmxon));
	check_insn("R2", "IA32_FEATURE_CONTROL is locked: WRMSR", GP0,
		   try_wrmsr(MSR_IA32_FEATURE_CONTROL, rdmsr(MSR_IA32_FEATURE_CONTROL)));
}

/*
 * Must run before vmx_prepare(). A firmware that locks IA32_FEATURE_CONTROL leaves nothing to try.
 */
void rules_before_vmx(void)
{
	u64 control = rdmsr(MSR_IA32_FEATURE_CONTROL);
	bool was_unlocked = !(control & FEATURE_CONTROL_LOCK);
	struct trap t = {.vector = VEC_GP};

	write_cr0(read_cr0() | CR0_NE);
	write_cr4(read_cr4() | CR4_VMXE);
	if (was_unlocked) {
		wrmsr(MSR_IA32_FEATURE_CONTROL, FEATURE_CONTROL_VMX);
		t = vmxon(&region_vmxon);
		wrmsr(MSR_IA32_FEATURE_CONTROL, control);
	} else {
		print("~ R2: the firmware has locked IA32_FEATURE_CONTROL\n");
	}
	check_insn("R2", "VMXON while IA32_FEATURE_CONTROL is not locked, where it is not", GP0, t);
}

static struct trap vmxon_pointer(u64 pointer)
{
	return vmxon(&pointer);
}

static void r3_pointer(void)
{
	u64 region = (u64)region_vmxon;

	state_outside();
	check_insn("R3", "VMXON pointer + 1", INVALID, vmxon_pointer(region + 1));
	check_insn("R3", "VMXON pointer + 2048", INVALID, vmxon_pointer(region + 2048));
	check_insn("R3", "VMXON pointer beyond the physical-address width", INVALID,
		   vmxon_pointer(region | address_too_wide()));
	check_insn("R3", "VMXON pointer with bit 63", INVALID, vmxon_pointer(region | address_top_bit()));
	check_insn("R3", "after these: not in VMX operation", UD, vmptrst(&(u64){0}));
}

static void r3_revision(void)
{
	u32 *word = region_vmxon, revision = *word;

	state_outside();
	*word = revision ^ 1;
	check_insn("R3", "VMXON region with another revision", INVALID, vmxon(&region_vmxon));
	*word = revision | BIT(31);
	check_insn("R3", "VMXON region with bit 31 of the revision", INVALID, vmxon(&region_vmxon));
	*word = revision;
	check_insn("R3", "after these: not in VMX operation", UD, vmptrst(&(u64){0}));
	state_no_vmcs();
	check_true("R3", "the right revision: VMXON succeeds", true);
}

static void r4_in_root(void)
{
	u64 unaligned = (u64)region_vmxon + 1;

	state_no_vmcs();
	check_insn("R4", "VMXON in root operation without a VMCS", INVALID, vmxon(&region_vmxon));
	check_insn("R4", "VMXON in root operation in ring 3", GP0,
		   snippet_ring3(SNIPPET_vmxon, (u64)&region_vmxon, 0));
	check_insn("R4", "VMXON in root operation in compatibility mode", UD,
		   snippet_compatibility(SNIPPET_vmxon, (u64)&region_vmxon, 0));
	state_current();
	check_insn("R4", "VMXON in root operation with a VMCS", VALID(15), vmxon(&region_vmxon));
	check_insn("R4", "VMXON in root operation with an unaligned pointer", VALID(15),
		   vmxon(&unaligned));
	check_insn("R4", "VMXON in root operation with another region", VALID(15), vmxon(&region_b));
	check_value("R4", "after these: the current VMCS", (u64)region_a, current_vmcs());
}

/* SDM: "Restrictions on VMX Operation": bits that are fixed cannot be changed in VMX operation. */
static void r4_fixed_bits(void)
{
	state_no_vmcs();
	check_insn("R4", "MOV to CR0 with NE = 0 in VMX operation", GP0,
		   try_write_cr0(read_cr0() & ~CR0_NE));
	check_insn("R4", "MOV to CR4 with VMXE = 0 in VMX operation", GP0,
		   try_write_cr4(read_cr4() & ~CR4_VMXE));
	check_insn("R4", "MOV to CR0 with other bits changed in VMX operation", "success",
		   try_write_cr0(read_cr0() ^ CR0_TS));
	write_cr0(read_cr0() & ~CR0_TS);
}

static void r5_pointer_after_vmxon(void)
{
	state_no_vmcs();
	check_value("R5", "VMPTRST after VMXON", ~0ull, current_vmcs());
	state_current();
	check_value("R5", "VMPTRST after VMPTRLD", (u64)region_a, current_vmcs());
	state_no_vmcs();
	check_value("R5", "VMPTRST after VMXOFF and VMXON", ~0ull, current_vmcs());
	check_insn("R5", "VMREAD after VMXON", INVALID, vmread(VMCS_GUEST_RIP, &(u64){0}));
}

/* R6: each instruction in each mode gives the same; VMXON has its own rules. */
static void all_insns(const char *rule, const char *what, const char *expected,
		      struct trap (*run)(enum snippet s, u64 operand, u64 other))
{
	struct series all = {.rule = rule, .what = what};
	u64 operand[2] = {(u64)region_b, 0};

	for (unsigned i = 0; i < SNIPPET_COUNT; i++)
		if (i != SNIPPET_vmxon && i != SNIPPET_vmfunc)
			series_insn(&all, snippet_name[i], expected,
				    run((enum snippet)i, (u64)operand, 1));
	series_end(&all);
}

#define RUN_LEGACY(mode) \
	static struct trap run_##mode(enum snippet s, u64 operand, u64 other) \
	{ \
		(void)operand, (void)other; \
		return snippet_##mode(s); \
	}
RUN_LEGACY(real)
RUN_LEGACY(v86)
RUN_LEGACY(unpaged)

static void r6_outside(void)
{
	state_outside();
	all_insns("R6", "other VMX instructions outside VMX operation", UD, snippet_ring0);
	all_insns("R6", "other VMX instructions outside VMX operation in ring 3", UD, snippet_ring3);
	all_insns("R6", "other VMX instructions outside VMX operation in compatibility mode", UD,
		  snippet_compatibility);
	all_insns("R6", "other VMX instructions in real mode", UD, run_real);
	all_insns("R6", "other VMX instructions in virtual-8086 mode", UD, run_v86);
	all_insns("R6", "other VMX instructions in protected mode without paging", UD, run_unpaged);
	write_cr4(read_cr4() & ~CR4_VMXE);
	all_insns("R6", "other VMX instructions with CR4.VMXE = 0", UD, snippet_ring0);
	all_insns("R6", "other VMX instructions with CR4.VMXE = 0 in ring 3", UD, snippet_ring3);
	write_cr4(read_cr4() | CR4_VMXE);
}

static void r6_root(void)
{
	state_current();
	all_insns("R6", "other VMX instructions in root operation in ring 3", GP0, snippet_ring3);
	all_insns("R6", "other VMX instructions in root operation in compatibility mode", UD,
		  snippet_compatibility);
	check_value("R6", "after these: the current VMCS", (u64)region_a, current_vmcs());
	check_insn("R6", "VMFUNC in root operation", UD, snippet_ring0(SNIPPET_vmfunc, 0, 0));
	check_insn("R6", "VMFUNC in root operation in ring 3", UD, snippet_ring3(SNIPPET_vmfunc, 0, 0));
}

static void r6_off_and_on(void)
{
	struct series all = {.rule = "R6", .what = "VMXOFF and VMXON, many times"};

	for (unsigned i = 0; i < 20; i++) {
		state_current();
		series_insn(&all, "VMXOFF", SUCCESS, vmxoff());
		series_insn(&all, "VMXOFF again", UD, vmxoff());
		series_insn(&all, "VMXON", SUCCESS, vmxon(&region_vmxon));
	}
	series_end(&all);
}

void rules_vmxon(void)
{
	r1_invalid_opcode();
	r1_privilege();
	r2_control_registers();
	r3_pointer();
	r3_revision();
	r4_in_root();
	r4_fixed_bits();
	r5_pointer_after_vmxon();
	r6_outside();
	r6_root();
	r6_off_and_on();
}
