/*
 * R7 to R9: how VMX instructions report, and the three that take a VMCS pointer. SDM: "Conventions"
 * (VMX instruction reference), "VMCLEAR", "VMPTRLD", "VMPTRST".
 */
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/lib/multiboot.h"
#include "guest/rules/code.h"
#include "guest/rules/rules.h"
#include "guest/rules/snippets.h"
#include "guest/rules/state.h"
#include "vmx/msr.h"

static struct trap clear_pointer(u64 pointer)
{
	return vmclear(&pointer);
}

static struct trap load_pointer(u64 pointer)
{
	return vmptrld(&pointer);
}

static u64 error_field(void)
{
	return vmcs_get(VMCS_VM_INSTRUCTION_ERROR);
}

/* ---- R7 */

/* RFLAGS after an instruction that was begun with these flags. */
static void flags_are(const char *what, u64 before, u64 expected, struct trap (*run)(void))
{
	struct trap t;

	vmx_flags_before = before;
	t = run();
	vmx_flags_before = ARITHMETIC_FLAGS;
	check_value("R7", what, expected | RFLAGS_FIXED1, t.vector == NO_EXCEPTION ? t.rflags : ~0ull);
}

static struct trap run_success(void)
{
	return vmptrst(&(u64){0});
}

static struct trap run_failure(void)
{
	return vmread(BIT(15), &(u64){0});
}

static void r7_flags(void)
{
	const u64 others = RFLAGS_DF | RFLAGS_ID;

	state_current();
	flags_are("VMsucceed clears CF PF AF ZF SF OF", ARITHMETIC_FLAGS, 0, run_success);
	flags_are("VMsucceed with all of them clear", 0, 0, run_success);
	flags_are("VMsucceed leaves DF and ID", others, others, run_success);
	flags_are("VMfailValid sets ZF and clears CF PF AF SF OF", ARITHMETIC_FLAGS, RFLAGS_ZF,
		  run_failure);
	flags_are("VMfailValid with all of them clear", 0, RFLAGS_ZF, run_failure);
	flags_are("VMfailValid leaves DF and ID", others, others | RFLAGS_ZF, run_failure);
	state_no_vmcs();
	flags_are("VMfailInvalid sets CF and clears PF AF ZF SF OF", ARITHMETIC_FLAGS, RFLAGS_CF,
		  run_failure);
	flags_are("VMfailInvalid with all of them clear", 0, RFLAGS_CF, run_failure);
	flags_are("VMfailInvalid leaves DF and ID", others, others | RFLAGS_CF, run_failure);
}

/* Without a current VMCS every failure is VMfailInvalid, and no VMCS gets an error number. */
static void r7_without_vmcs(void)
{
	struct series all = {.rule = "R7",
			     .what = "every failure without a current VMCS is VMfailInvalid"};
	u64 vpid[2] = {0, 0}, value = 0;

	state_current();
	vmread(BIT(15), &value);
	vmclear(&region_a);
	series_insn(&all, "VMCLEAR", INVALID, clear_pointer((u64)region_b + 1));
	series_insn(&all, "VMCLEAR of the VMXON region", INVALID, vmclear(&region_vmxon));
	series_insn(&all, "VMPTRLD", INVALID, load_pointer((u64)region_b + 1));
	series_insn(&all, "VMPTRLD of the VMXON region", INVALID, vmptrld(&region_vmxon));
	series_insn(&all, "VMREAD", INVALID, vmread(VMCS_GUEST_RIP, &value));
	series_insn(&all, "VMREAD of no field", INVALID, vmread(BIT(15), &value));
	series_insn(&all, "VMWRITE", INVALID, vmwrite(VMCS_GUEST_RIP, 0));
	series_insn(&all, "VMWRITE of no field", INVALID, vmwrite(BIT(15), 0));
	series_insn(&all, "VMLAUNCH", INVALID, vmlaunch());
	series_insn(&all, "VMRESUME", INVALID, vmresume());
	series_insn(&all, "VMCALL", INVALID, vmcall());
	series_insn(&all, "VMXON", INVALID, vmxon(&region_vmxon));
	if (ept_vpid_cap() & EPT_CAP_INVEPT)
		series_insn(&all, "INVEPT", INVALID, invept(77, vpid));
	if (ept_vpid_cap() & VPID_CAP_INVVPID)
		series_insn(&all, "INVVPID", INVALID, invvpid(77, vpid));
	series_end(&all);
	vmptrld(&region_a);
	check_value("R7", "VMfailInvalid writes no error number", 12, error_field());
}

/*
 * SDM: "VMCALL": error 1, unless IA32_SMM_MONITOR_CTL is set up. The simulated machine does not look at
 * that MSR. With a clear VMCS it even stops, so that is tried only if the command line says so.
 */
static void r7_vmcall(void)
{
	u64 gpr[GPR_COUNT] = {0};

	state_l2(l2_vmcall);
	vm_enter_raw(gpr, false);
	check_insn_defect("R7", "VMCALL in root operation, VMCS launched", VALID(1), VALID(19), vmcall());
	if (!multiboot_argument("vmcall")) {
		print("~ R7: VMCALL with a clear VMCS is tried only with the argument vmcall\n");
		return;
	}
	state_current();
	check_insn("R7", "VMCALL in root operation, VMCS clear", VALID(1), vmcall());
}

static void r7_error_field(void)
{
	state_current();
	check_insn("R7", "a failure sets the error field", VALID(12), run_failure());
	check_insn("R7", "a success", SUCCESS, run_success());
	check_value("R7", "a success leaves the error field", 12, error_field());
	check_insn("R7", "the next failure replaces it", VALID(9), load_pointer((u64)region_b + 1));
	vmptrld(&region_b);
	check_insn("R7", "the error field belongs to the VMCS", VALID(2),
		   clear_pointer((u64)region_b + 1));
	vmptrld(&region_a);
	check_value("R7", "and the other VMCS has kept its own", 9, error_field());
}

/* ---- R8 */

static void r8_bad_pointer(void)
{
	u64 b = (u64)region_b;

	state_current();
	check_insn("R8", "VMCLEAR of pointer + 1", VALID(2), clear_pointer(b + 1));
	check_insn("R8", "VMCLEAR of pointer + 2048", VALID(2), clear_pointer(b + 2048));
	check_insn("R8", "VMCLEAR beyond the physical-address width", VALID(2),
		   clear_pointer(b | address_too_wide()));
	check_insn("R8", "VMCLEAR with bit 63", VALID(2), clear_pointer(b | address_top_bit()));
	check_insn("R8", "VMCLEAR of all ones", VALID(2), clear_pointer(~0ull));
	check_insn("R8", "VMCLEAR of the VMXON region", VALID(3), vmclear(&region_vmxon));
	check_insn("R8", "VMCLEAR of the VMXON region + 1: error 2 comes first", VALID(2),
		   clear_pointer((u64)region_vmxon + 1));
	check_value("R8", "after these: the current VMCS", (u64)region_a, current_vmcs());
}

static void r8_current(void)
{
	state_current();
	check_insn("R8", "VMCLEAR of another VMCS", SUCCESS, vmclear(&region_b));
	check_value("R8", "leaves the current VMCS", (u64)region_a, current_vmcs());
	check_insn("R8", "VMCLEAR of the current VMCS", SUCCESS, vmclear(&region_a));
	check_value("R8", "leaves none", ~0ull, current_vmcs());
	check_insn("R8", "VMCLEAR of it again", SUCCESS, vmclear(&region_a));
	check_insn("R8", "VMREAD then", INVALID, vmread(VMCS_GUEST_RIP, &(u64){0}));
}

/* VMCLEAR does not look at the revision: it is how software initialises a region. */
static void r8_revision(void)
{
	u32 *word = page_alloc();

	state_current();
	*word = *(u32 *)region_a ^ 1;
	check_insn("R8", "VMCLEAR of a region with another revision", SUCCESS, clear_pointer((u64)word));
	check_value("R8", "leaves the revision", *(u32 *)region_a ^ 1, *word);
}

static void r8_launch_state(void)
{
	u64 gpr[GPR_COUNT] = {0};

	state_l2(l2_vmcall);
	check_value("R8", "VMLAUNCH of a clear VMCS (0: it ran)", 0, vm_enter_raw(gpr, false));
	check_insn("R8", "VMCLEAR of a launched VMCS", SUCCESS, vmclear(&region_a));
	vmptrld(&region_a);
	check_insn("R8", "makes it clear: VMRESUME", VALID(5), vmresume());
	check_value("R8", "makes it clear: VMLAUNCH (0: it ran)", 0, vm_enter_raw(gpr, false));
	vmptrld(&region_b);
	vmptrld(&region_a);
	check_value("R8", "VMPTRLD leaves it launched: VMRESUME (0: it ran)", 0, vm_enter_raw(gpr, true));
}

/* VMCLEAR writes all data to the region, so that software may move it to another page. */
static void r8_copy(void)
{
	u8 *copy = page_alloc();
	u64 moved = (u64)copy;

	state_current();
	VMCS_SET({VMCS_GUEST_RIP, 0x123456789a}, {VMCS_GUEST_ES_SELECTOR, 0x1238},
		 {VMCS_TSC_OFFSET, 0xfedcba987654});
	vmclear(&region_a);
	memory_copy(copy, region_a, PAGE_SIZE);
	memory_set((u8 *)region_a + 4, 0, PAGE_SIZE - 4);
	check_insn("R8", "VMPTRLD of a copy of a cleared region", SUCCESS, vmptrld(&moved));
	check_value("R8", "the copy has GUEST_RIP", 0x123456789a, vmcs_get(VMCS_GUEST_RIP));
	check_value("R8", "the copy has GUEST_ES_SELECTOR", 0x1238, vmcs_get(VMCS_GUEST_ES_SELECTOR));
	check_value("R8", "the copy has TSC_OFFSET", 0xfedcba987654, vmcs_get(VMCS_TSC_OFFSET));
	vmclear(&moved);
	vmclear(&region_a);
}

/* ---- R9 */

static void r9_bad_pointer(void)
{
	u64 b = (u64)region_b;

	state_current();
	check_insn("R9", "VMPTRLD of pointer + 1", VALID(9), load_pointer(b + 1));
	check_insn("R9", "VMPTRLD of pointer + 2048", VALID(9), load_pointer(b + 2048));
	check_insn("R9", "VMPTRLD beyond the physical-address width", VALID(9),
		   load_pointer(b | address_too_wide()));
	check_insn("R9", "VMPTRLD with bit 63", VALID(9), load_pointer(b | address_top_bit()));
	check_insn("R9", "VMPTRLD of all ones", VALID(9), load_pointer(~0ull));
	check_insn("R9", "VMPTRLD of the VMXON region", VALID(10), vmptrld(&region_vmxon));
	check_value("R9", "after these: the current VMCS", (u64)region_a, current_vmcs());
	check_value("R9", "and it has the error number", 10, error_field());
}

static void r9_revision(void)
{
	u32 *word = region_b, revision = *word;
	bool shadowing = vmx_allows(PROC2, PROC2_VMCS_SHADOWING);

	state_current();
	*word = revision ^ 1;
	check_insn("R9", "VMPTRLD of a region with another revision", VALID(11), vmptrld(&region_b));
	*word = revision;
	check_insn("R9", "VMPTRLD of the VMXON region: error 10 comes before 11", VALID(10),
		   vmptrld(&region_vmxon));
	check_value("R9", "after these: the current VMCS", (u64)region_a, current_vmcs());

	*word = revision | BIT(31);
	if (shadowing)
		print("~ R9: VMCS shadowing is there\n");
	check_insn("R9", "VMPTRLD of a shadow VMCS: error 11, or success where there is VMCS shadowing",
		   shadowing ? SUCCESS : VALID(11), vmptrld(&region_b));
	vmclear(&region_b);
	*word = revision;
	check_insn("R9", "VMPTRLD of the same region without bit 31", SUCCESS, vmptrld(&region_b));
}

static void r9_switch(void)
{
	state_current();
	vmcs_set(VMCS_GUEST_RIP, 0xaaaa);
	check_insn("R9", "VMPTRLD of the current VMCS", SUCCESS, vmptrld(&region_a));
	check_value("R9", "changes nothing", 0xaaaa, vmcs_get(VMCS_GUEST_RIP));
	vmptrld(&region_b);
	vmcs_set(VMCS_GUEST_RIP, 0xbbbb);
	vmptrld(&region_a);
	check_value("R9", "each VMCS has its own data: A", 0xaaaa, vmcs_get(VMCS_GUEST_RIP));
	vmptrld(&region_b);
	check_value("R9", "each VMCS has its own data: B", 0xbbbb, vmcs_get(VMCS_GUEST_RIP));
}

#define MANY 64

/* More than any cache of VMCSs is likely to hold, without VMCLEAR between. */
static void r9_many(void)
{
	static void *region[MANY];
	struct series all = {.rule = "R9", .what = "64 active VMCSs in turn"};

	state_no_vmcs();
	for (unsigned i = 0; i < MANY; i++) {
		region[i] = region[i] ? region[i] : vmcs_alloc();
		vmcs_load(region[i]);
		VMCS_SET({VMCS_GUEST_RIP, 0x1000 + i}, {VMCS_GUEST_ES_LIMIT, i});
	}
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < MANY; i++) {
			series_insn(&all, "VMPTRLD", SUCCESS, vmptrld(&region[i]));
			series_value(&all, "GUEST_RIP", 0x1000 + i + round, vmcs_get(VMCS_GUEST_RIP));
			series_value(&all, "GUEST_ES_LIMIT", i, vmcs_get(VMCS_GUEST_ES_LIMIT));
			vmcs_set(VMCS_GUEST_RIP, 0x1001 + i + round);
		}
	for (unsigned i = 0; i < MANY; i++)
		series_insn(&all, "VMCLEAR", SUCCESS, vmclear(&region[i]));
	series_end(&all);
}

/* VMXOFF does not forget a VMCS that was cleared; one that was not may be lost, and is not tried. */
static void r9_after_vmxoff(void)
{
	state_current();
	vmcs_set(VMCS_GUEST_RIP, 0xcccc);
	vmclear(&region_a);
	vmxoff();
	vmxon(&region_vmxon);
	vmptrld(&region_a);
	check_value("R9", "a cleared VMCS after VMXOFF and VMXON", 0xcccc, vmcs_get(VMCS_GUEST_RIP));
}

void rules_pointers(void)
{
	r7_flags();
	r7_without_vmcs();
	r7_vmcall();
	r7_error_field();
	r8_bad_pointer();
	r8_current();
	r8_revision();
	r8_launch_state();
	r8_copy();
	r9_bad_pointer();
	r9_revision();
	r9_switch();
	r9_many();
	r9_after_vmxoff();
}
