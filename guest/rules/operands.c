/*
 * R11, and memory operands in general: faults leave RFLAGS alone, every form of address is decoded.
 * SDM: "Conventions" (VMX instruction reference), "Interrupt 14 - Page-Fault Exception".
 */
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/rules/code.h"
#include "guest/rules/rules.h"
#include "guest/rules/state.h"
#include "vmx/msr.h"

#define NON_CANONICAL BIT(63)

struct operand_insn {
	const char *name;
	struct trap (*run)(const void *operand);
	bool writes; /* its memory operand */
	u8 size;
};

static struct trap run_vmread(const void *operand)
{
	return vmread_memory(VMCS_GUEST_RIP, (void *)operand);
}

static struct trap run_vmwrite(const void *operand)
{
	return vmwrite_memory(VMCS_GUEST_RIP, operand);
}

/* The descriptor is read even where the type needs nothing of it. */
static struct trap run_invept(const void *operand)
{
	return invept(INVEPT_GLOBAL, operand);
}

static struct trap run_invvpid(const void *operand)
{
	return invvpid(INVVPID_ALL, operand);
}

static const struct operand_insn insns[] = {
	{"VMCLEAR", vmclear, false, 8},      {"VMPTRLD", vmptrld, false, 8},
	{"VMPTRST", vmptrst, true, 8},       {"VMREAD", run_vmread, true, 8},
	{"VMWRITE", run_vmwrite, false, 8},  {"INVEPT", run_invept, false, 16},
	{"INVVPID", run_invvpid, false, 16},
};

/* VMXON outside VMX operation, all others with a current VMCS. */
static const struct operand_insn insn_vmxon = {"VMXON", vmxon, false, 8};

static bool insn_exists(const struct operand_insn *i)
{
	if (i->run == run_invept)
		return (ept_vpid_cap() & EPT_CAP_INVEPT) && (ept_vpid_cap() & EPT_CAP_INVEPT_GLOBAL);
	if (i->run == run_invvpid)
		return (ept_vpid_cap() & VPID_CAP_INVVPID) && (ept_vpid_cap() & VPID_CAP_GLOBAL);
	return true;
}

/* The fault of one operand: its text, CR2, and RFLAGS as they were, set or clear. */
static void fault_is(struct series *s, const struct operand_insn *i, u64 address, const char *expected,
		     u64 cr2)
{
	static const u64 before[] = {ARITHMETIC_FLAGS, 0};

	for (unsigned k = 0; k < ARRAY_LEN(before); k++) {
		struct trap t;
		vmx_flags_before = before[k];
		t = i->run((const void *)address);
		vmx_flags_before = ARITHMETIC_FLAGS;
		series_insn(s, i->name, expected, t);
		series_value(s, i->name, before[k] | RFLAGS_FIXED1, t.rflags & ~RFLAGS_RF);
		series_value(s, i->name, cr2, t.cr2);
	}
}

/* Runs `test` for each instruction, in the state that it needs. */
static void for_each_insn(const char *what, void (*test)(struct series *s, const struct operand_insn *i))
{
	struct series all = {.rule = "R11", .what = what};

	state_outside();
	test(&all, &insn_vmxon);
	state_current();
	for (unsigned i = 0; i < ARRAY_LEN(insns); i++)
		if (insn_exists(&insns[i]))
			test(&all, &insns[i]);
	if (current_vmcs() != (u64)region_a)
		series_value(&all, "current VMCS", (u64)region_a, current_vmcs());
	series_end(&all);
}

static void not_present(struct series *s, const struct operand_insn *i)
{
	page_map(TEST_AREA, 0, 0);
	fault_is(s, i, TEST_AREA + 0x18, i->writes ? PF(2) : PF(0), TEST_AREA + 0x18);
}

/* The operand begins on a page that is there and ends on one that is not. */
static void crossing(struct series *s, const struct operand_insn *i)
{
	void *page = page_alloc();

	page_map(TEST_AREA, (u64)page, PTE_P | PTE_W);
	page_map(TEST_AREA + PAGE_SIZE, 0, 0);
	fault_is(s, i, TEST_AREA + PAGE_SIZE - 4, i->writes ? PF(2) : PF(0), TEST_AREA + PAGE_SIZE);
	for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
		series_value(s, i->name, 0, ((u64 *)page)[k]);
}

static void read_only(struct series *s, const struct operand_insn *i)
{
	if (!i->writes)
		return;
	page_map(TEST_AREA, (u64)page_alloc(), PTE_P);
	write_cr0(read_cr0() | CR0_WP);
	fault_is(s, i, TEST_AREA, PF(3), TEST_AREA);
	write_cr0(read_cr0() & ~CR0_WP);
}

static void reserved_bit(struct series *s, const struct operand_insn *i)
{
	if ((cpuid(0x80000008).eax & 0xff) >= 52)
		return;
	page_map(TEST_AREA, BIT(51), PTE_P | PTE_W);
	fault_is(s, i, TEST_AREA, i->writes ? PF(11) : PF(9), TEST_AREA);
}

static void non_canonical(struct series *s, const struct operand_insn *i)
{
	fault_is(s, i, NON_CANONICAL, GP0, 0);
	fault_is(s, i, BIT(57), GP0, 0);
}

/* ---- operands that do not fault */

/* A page of its own, mapped at TEST_AREA, that an instruction has just used; gives its entry's flags. */
static u64 used_page_flags(bool write)
{
	void *page = page_alloc();
	u64 *operand = (u64 *)TEST_AREA;

	page_map(TEST_AREA, (u64)page, PTE_P | PTE_W);
	if (write)
		vmptrst(operand);
	else
		vmwrite_memory(VMCS_GUEST_RIP, operand);
	return page_get_flags(TEST_AREA) & (PTE_A | PTE_D);
}

static void r11_accessed_dirty(void)
{
	state_current();
	check_value("R11", "an operand that is read sets the accessed flag", PTE_A,
		    used_page_flags(false));
	check_value("R11", "an operand that is written sets accessed and dirty", PTE_A | PTE_D,
		    used_page_flags(true));
}

static void r11_across_pages(void)
{
	u8 *first = page_alloc(), *second = page_alloc();
	u64 *operand = (u64 *)(TEST_AREA + PAGE_SIZE - 3), value = 0;

	state_current();
	page_map(TEST_AREA, (u64)first, PTE_P | PTE_W);
	page_map(TEST_AREA + PAGE_SIZE, (u64)second, PTE_P | PTE_W);
	vmcs_set(VMCS_GUEST_RIP, 0x0807060504030201);
	check_insn("R11", "VMREAD to memory across two pages", SUCCESS,
		   vmread_memory(VMCS_GUEST_RIP, operand));
	memory_copy((u8 *)&value, first + PAGE_SIZE - 3, 3);
	memory_copy((u8 *)&value + 3, second, 5);
	check_value("R11", "writes both parts", 0x0807060504030201, value);
	check_true("R11", "and nothing around them", first[PAGE_SIZE - 4] == 0 && second[5] == 0);
	*operand = 0x1122334455667788;
	check_insn("R11", "VMWRITE from memory across two pages", SUCCESS,
		   vmwrite_memory(VMCS_GUEST_RIP, operand));
	check_value("R11", "reads both parts", 0x1122334455667788, vmcs_get(VMCS_GUEST_RIP));
	*operand = (u64)region_b;
	check_insn("R11", "VMPTRLD of a pointer across two pages", SUCCESS, vmptrld(operand));
	check_value("R11", "the current VMCS", (u64)region_b, current_vmcs());
}

/* ---- forms */

/* The operand of every form is form_cell, under segment bases that are not 0. */
static void form_run(struct series *s, const struct form *f)
{
	form_cell = 0;
	vmcs_set(VMCS_GUEST_RIP, 0x13579bdf02468ace);
	series_insn(s, f->text, SUCCESS, trap_call(f->vmread, (u64)&form_cell, VMCS_GUEST_RIP, 0));
	series_value(s, f->text, 0x13579bdf02468ace, form_cell);
	form_cell = 0x0fedcba987654321;
	series_insn(s, f->text, SUCCESS, trap_call(f->vmwrite, (u64)&form_cell, VMCS_GUEST_RIP, 0));
	series_value(s, f->text, 0x0fedcba987654321, vmcs_get(VMCS_GUEST_RIP));
	form_cell = 0;
	series_insn(s, f->text, SUCCESS, trap_call(f->vmptrst, (u64)&form_cell, 0, 0));
	series_value(s, f->text, (u64)region_a, form_cell);
	form_cell = (u64)region_b;
	series_insn(s, f->text, SUCCESS, trap_call(f->vmptrld, (u64)&form_cell, 0, 0));
	series_value(s, f->text, (u64)region_b, current_vmcs());
	vmptrld(&region_a);
}

static void set_bases(u64 fs, u64 gs)
{
	wrmsr(MSR_IA32_FS_BASE, fs);
	wrmsr(MSR_IA32_GS_BASE, gs);
}

static void r10_forms(void)
{
	struct series all = {.rule = "R10", .what = "memory operands in every form of address"};

	state_current();
	set_bases(FORM_FS_BASE, FORM_GS_BASE);
	for (const struct form *f = forms; f != forms_end; f++)
		form_run(&all, f);
	set_bases(0, 0);
	series_end(&all);
}

static void r10_form_faults(void)
{
	state_current();
	check_insn("R10", "VMREAD to a non-canonical address by RBP", SS0,
		   trap_call(form_vmread_rbp, NON_CANONICAL, VMCS_GUEST_RIP, 0));
	check_insn("R10", "VMWRITE from a non-canonical address by RBP", SS0,
		   trap_call(form_vmwrite_rbp, NON_CANONICAL, VMCS_GUEST_RIP, 0));
	check_insn("R10", "VMPTRLD of a non-canonical address by RBP", SS0,
		   trap_call(form_vmptrld_rbp, NON_CANONICAL, 0, 0));
	set_bases(BIT(47) - 0x1000, 0);
	check_insn("R10", "VMREAD to an address that the base of FS makes non-canonical", GP0,
		   trap_call(form_vmread_fs, FORM_FS_BASE + 0x1000, VMCS_GUEST_RIP, 0));
	set_bases(0, 0);
}

/* Every register as value and as field. The instructions that use it leave it in form_cell. */
static void r10_registers(void)
{
	struct series all = {.rule = "R10", .what = "register operands: all registers"};
	char item[CHECK_TEXT];

	state_current();
	for (unsigned r = 0; r < GPR_COUNT; r++) {
		format(item, CHECK_TEXT, "register %u", r);
		vmcs_set(VMCS_GUEST_RIP, 0x1000 + r);
		form_cell = 0;
		series_insn(&all, item, SUCCESS, trap_call(vmread_to[r], VMCS_GUEST_RIP, 0, 0));
		series_value(&all, item, 0x1000 + r, form_cell);
		form_cell = 0;
		series_insn(&all, item, SUCCESS, trap_call(vmread_field[r], VMCS_GUEST_RIP, 0, 0));
		series_value(&all, item, 0x1000 + r, form_cell);
		series_insn(&all, item, SUCCESS,
			    trap_call(vmwrite_from[r], VMCS_GUEST_RIP, 0x2000 + r, 0));
		series_value(&all, item, 0x2000 + r, vmcs_get(VMCS_GUEST_RIP));
	}
	series_end(&all);
}

void rules_operands(void)
{
	for_each_insn("an operand that is not there: #PF, RFLAGS unchanged", not_present);
	for_each_insn("an operand whose end is not there: #PF, RFLAGS unchanged, nothing written",
		      crossing);
	for_each_insn("a written operand that is read-only: #PF, RFLAGS unchanged", read_only);
	for_each_insn("an operand whose page has a reserved bit: #PF, RFLAGS unchanged", reserved_bit);
	for_each_insn("a non-canonical operand: #GP(0), RFLAGS unchanged", non_canonical);
	r11_accessed_dirty();
	r11_across_pages();
	r10_forms();
	r10_form_faults();
	r10_registers();
}
