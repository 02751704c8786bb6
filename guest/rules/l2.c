/*
 * R19 and R20: what L2's own VMX instructions do. SDM: "Instructions That Cause VM Exits
 * Unconditionally", "Information for VM Exits Due to Instruction Execution", "VM Functions".
 */
#include "guest/lib/check.h"
#include "guest/lib/ept.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "guest/rules/code.h"
#include "guest/rules/l2_rows.h"
#include "guest/rules/rules.h"
#include "guest/rules/snippets.h"
#include "guest/rules/state.h"
#include "vmx/msr.h"

#define EXCEPTION_UD (INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD)

static struct l2 l2;

/* ---- R19 */

static bool has_reg2(u32 reason)
{
	return reason == EXIT_REASON_VMREAD || reason == EXIT_REASON_VMWRITE ||
	       reason == EXIT_REASON_INVEPT || reason == EXIT_REASON_INVVPID;
}

/* The bits of the instruction information that are defined for this row. */
static u32 info_mask(const struct l2_row *row)
{
	u32 mask = row->info ? REGISTER_FORM : 0;

	if (row->info & REGISTER_FORM)
		return mask | REG1(15) | REG2(15u);
	if (row->info) {
		mask |= ADDRESS_64 | ADDRESS_32 | SEGMENT(7) | NO_INDEX | NO_BASE;
		mask |= row->info & NO_INDEX ? 0 : INDEX(15) | SCALE_8;
		mask |= row->info & NO_BASE ? 0 : BASE(15);
		mask |= has_reg2(row->reason) ? REG2(15u) : 0;
	}
	/* 16-bit addressing has no scale. */
	if (!(row->info & (ADDRESS_64 | ADDRESS_32)))
		mask &= ~(u32)SCALE_8;
	return mask;
}

/* The bits of the qualification that are defined: those of the address size. */
static u64 displacement_mask(const struct l2_row *row)
{
	if (row->info & REGISTER_FORM) /* SDM: 0. Bochs 2.7: whatever its decoder left there */
		return 0;
	if (!row->info || (row->info & ADDRESS_64))
		return ~0ull;
	return row->info & ADDRESS_32 ? 0xffffffff : 0xffff;
}

static void row_run(const struct l2_row *row, struct series *exits, struct series *details)
{
	const struct vm_exit *e;
	u32 mask = info_mask(row);

	vmcs_set(VMCS_GUEST_RIP, row->start);
	e = vm_enter(&l2);
	series_value(exits, row->text, 0, e->failed);
	series_value(exits, row->text, row->reason, e->reason);
	series_value(exits, row->text, row->end - row->start, e->length);
	series_value(exits, row->text, row->start, e->rip);
	series_value(details, row->text, row->displacement & displacement_mask(row),
		     e->qualification & displacement_mask(row));
	series_value(details, row->text, row->info & mask, e->insn_info & mask);
}

static void rows_run(const char *mode, const struct l2_row *row, const struct l2_row *end)
{
	char what[2][CHECK_TEXT];
	struct series exits = {.rule = "R19", .what = what[0]},
		      details = {.rule = "R19", .what = what[1]};

	format(what[0], CHECK_TEXT, "VMX instructions in %s: reason and length", mode);
	format(what[1], CHECK_TEXT, "VMX instructions in %s: displacement and instruction information",
	       mode);
	l2 = (struct l2){.launched = false};
	for (; row != end; row++)
		row_run(row, &exits, &details);
	series_end(&exits);
	series_end(&details);
}

static void set_ring3(void)
{
	const u32 user_code = 0xa0fb, user_data = 0xc0f3;

	VMCS_SET({VMCS_GUEST_CS_SELECTOR, SEL_USER_CODE}, {VMCS_GUEST_CS_AR, user_code},
		 {VMCS_GUEST_SS_SELECTOR, SEL_USER_DATA}, {VMCS_GUEST_SS_AR, user_data});
}

static void r19_rows(void)
{
	state_l2(l2_vmcall);
	rows_run("64-bit mode", l2_rows_64, l2_rows_64_end);
	state_l2(l2_vmcall);
	set_ring3();
	rows_run("64-bit mode in ring 3", l2_rows_64, l2_rows_64_end);
	state_l2(l2_vmcall);
	l2_set_controls(PAGED_32, 0);
	l2_set_registers(PAGED_32, (u64)l2_page_directory_32(), false);
	rows_run("32-bit mode", l2_rows_32, l2_rows_32_end);
}

/* In compatibility mode they are undefined, and that comes before the exit; only VMCALL exits. */
static void r19_compatibility(void)
{
	struct series all = {.rule = "R19",
			     .what = "VMX instructions in compatibility mode: #UD; VMCALL: exit 18"};

	state_l2(l2_vmcall);
	l2 = (struct l2){.launched = false};
	VMCS_SET({VMCS_GUEST_CS_SELECTOR, SEL_CODE32}, {VMCS_GUEST_CS_AR, 0xc09b},
		 {VMCS_EXCEPTION_BITMAP, 1u << VEC_UD});
	for (unsigned i = 0; i < SNIPPET_COUNT; i++) {
		bool call = i == SNIPPET_vmcall;
		vmcs_set(VMCS_GUEST_RIP, snippet32[i]);
		vm_enter(&l2);
		series_value(&all, snippet_name[i], call ? EXIT_REASON_VMCALL : EXIT_REASON_EXCEPTION_NMI,
			     l2.exit.reason);
		if (!call)
			series_value(&all, snippet_name[i], EXCEPTION_UD, l2.exit.interruption);
	}
	series_end(&all);
}

/* ---- R20 */

static void vmfunc_start(u64 function, u64 argument)
{
	state_l2(l2_vmfunc);
	vmcs_set(VMCS_EXCEPTION_BITMAP, 1u << VEC_UD);
	l2 = (struct l2){.gpr[RAX] = function, .gpr[RCX] = argument};
}

static void vmfunc_is_undefined(struct series *s, const char *item)
{
	vm_enter(&l2);
	series_value(s, item, EXIT_REASON_EXCEPTION_NMI, l2.exit.reason);
	series_value(s, item, EXCEPTION_UD, l2.exit.interruption);
}

static void vmfunc_exits(struct series *s, const char *item)
{
	vm_enter(&l2);
	series_value(s, item, EXIT_REASON_VMFUNC, l2.exit.reason);
	series_value(s, item, 3, l2.exit.length);
}

static void r20_off(void)
{
	struct series all = {.rule = "R20",
			     .what = "VMFUNC with its control off: #UD, for every function"};

	vmfunc_start(0, 0);
	vmfunc_is_undefined(&all, "function 0");
	vmfunc_start(63, 0);
	vmfunc_is_undefined(&all, "function 63");
	vmfunc_start(64, 0);
	vmfunc_is_undefined(&all, "function 64");
	vmfunc_start(0, 0);
	set_ring3();
	vmfunc_is_undefined(&all, "function 0 in ring 3");
	series_end(&all);
}

/* VM functions on; functions: VM_FUNCTION_CONTROLS. L2 runs under EPT, as EPTP switching needs. */
static u64 vmfunc_on(u64 functions)
{
	u64 eptp = ept_create();

	vmcs_set(VMCS_PROC_CONTROLS, vmx_controls(PROC, PROC_ACTIVATE_SECONDARY));
	vmcs_set(VMCS_PROC2_CONTROLS, vmx_controls(PROC2, PROC2_ENABLE_EPT | PROC2_ENABLE_VM_FUNCTIONS));
	VMCS_SET({VMCS_EPT_POINTER, eptp}, {VMCS_VM_FUNCTION_CONTROLS, functions});
	if (functions)
		vmcs_set(VMCS_EPTP_LIST_ADDRESS, (u64)page_alloc());
	return eptp;
}

static void r20_on_disabled(struct series *s)
{
	vmfunc_start(0, 0);
	vmfunc_on(0);
	vmfunc_exits(s, "function 0 is off");
	vmfunc_start(63, 0);
	vmfunc_on(0);
	vmfunc_exits(s, "function 63 is off");
	vmfunc_start(64, 0);
	vmfunc_on(0);
	vmfunc_is_undefined(s, "function 64");
	vmfunc_start(0, 0);
	vmfunc_on(0);
	set_ring3();
	vmfunc_exits(s, "function 0 is off, in ring 3");
}

static void r20_on_switching(struct series *s)
{
	u64 *list, eptp;

	vmfunc_start(0, 512);
	vmfunc_on(1);
	vmfunc_exits(s, "entry 512");
	vmfunc_start(0, 3);
	vmfunc_on(1);
	vmfunc_exits(s, "an EPT pointer of 0");
	vmfunc_start(0, 3);
	eptp = vmfunc_on(1);
	list = (u64 *)vmcs_get(VMCS_EPTP_LIST_ADDRESS);
	list[3] = eptp;
	vm_enter(&l2);
	series_value(s, "a good EPT pointer", EXIT_REASON_VMCALL, l2.exit.reason);
}

static void r20_on(void)
{
	struct series off = {.rule = "R20",
			     .what = "VMFUNC with its control on, function off: exit 59; 64: #UD"};
	struct series list = {.rule = "R20", .what = "VMFUNC 0: bad list index or EPT pointer: exit 59"};

	if (vmx_allows(PROC2, PROC2_ENABLE_VM_FUNCTIONS | PROC2_ENABLE_EPT))
		r20_on_disabled(&off);
	else
		print("~ R20: no VM functions\n");
	series_end(&off);
	if (vmx_allows(PROC2, PROC2_ENABLE_VM_FUNCTIONS | PROC2_ENABLE_EPT) &&
	    (rdmsr(MSR_IA32_VMX_VMFUNC) & 1))
		r20_on_switching(&list);
	series_end(&list);
}

void rules_l2(void)
{
	r19_rows();
	r19_compatibility();
	r20_off();
	r20_on();
}
