/*
 * R13 to R17: VMLAUNCH and VMRESUME that fail before they have begun. SDM: "Basic VM-Entry Checks",
 * "Checks on VMX Controls and Host-State Area", "Overview of VMCS Maintenance".
 */
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/rules/code.h"
#include "guest/rules/rules.h"
#include "guest/rules/state.h"
#include "vmx/msr.h"

static u64 gpr[GPR_COUNT];

static void launch_runs(const char *rule, const char *what, bool resume)
{
	check_value(rule, what, 0, vm_enter_raw(gpr, resume));
}

/* A current VMCS whose controls fail every entry. */
static void bad_controls(void)
{
	vmcs_set(VMCS_CR3_TARGET_COUNT, 0xffffffff);
}

static void bad_host(void)
{
	vmcs_set(VMCS_HOST_TR_SELECTOR, 0);
}

/* ---- R13 */

/* The simulated machine does not know this rule: it goes on, and finds that the VMCS is empty. */
static void r13_shadow(void)
{
	struct series launch = {.rule = "R13",
				.what = "VMLAUNCH with a shadow VMCS current, where there is such: CF",
				.defect = VALID(7)};
	struct series resume = {.rule = "R13",
				.what = "VMRESUME with a shadow VMCS current, where there is such: CF",
				.defect = VALID(5)};
	u32 *word = region_b;

	state_no_vmcs();
	if (vmx_allows(PROC2, PROC2_VMCS_SHADOWING)) {
		*word |= BIT(31);
		vmptrld(&region_b);
		series_insn(&launch, "VMLAUNCH", INVALID, vmlaunch());
		series_insn(&resume, "VMRESUME", INVALID, vmresume());
		vmclear(&region_b);
		*word &= ~(u32)BIT(31);
	} else {
		print("~ R13: no VMCS shadowing\n");
	}
	series_end(&launch);
	series_end(&resume);
}

/* ---- R14 */

static struct trap after_mov_ss(bool resume)
{
	return trap_call(enter_after_mov_ss, resume, 0, 0);
}

static void r14_mov_ss(void)
{
	state_l2(l2_vmcall);
	check_insn("R14", "VMLAUNCH behind MOV SS", VALID(26), after_mov_ss(false));
	check_insn("R14", "VMRESUME behind MOV SS: 26 comes before 5", VALID(26), after_mov_ss(true));
	vmcs_set_host();
	launch_runs("R14", "the launch state has not changed: VMLAUNCH (0: it ran)", false);
	check_insn("R14", "VMLAUNCH behind MOV SS: 26 comes before 4", VALID(26), after_mov_ss(false));
	check_insn("R14", "VMRESUME of a launched VMCS behind MOV SS", VALID(26), after_mov_ss(true));
	bad_controls();
	check_insn("R14", "VMRESUME behind MOV SS: 26 comes before 7", VALID(26), after_mov_ss(true));
	state_no_vmcs();
	check_insn("R14", "VMLAUNCH behind MOV SS without a VMCS", INVALID, after_mov_ss(false));
	check_insn("R14", "VMRESUME behind MOV SS without a VMCS", INVALID, after_mov_ss(true));
}

static void r14_sti(void)
{
	state_l2(l2_vmcall);
	check_value("R14", "VMLAUNCH behind STI: it runs", ENTERED,
		    trap_call(enter_after_sti, 0, 0, 0).rflags);
	check_value("R14", "VMRESUME behind STI: it runs", ENTERED,
		    trap_call(enter_after_sti, 1, 0, 0).rflags);
}

/* ---- R15 */

static void r15_launch_state(void)
{
	state_l2(l2_vmcall);
	check_insn("R15", "VMRESUME of a clear VMCS", VALID(5), vmresume());
	launch_runs("R15", "VMLAUNCH of a clear VMCS (0: it ran)", false);
	check_insn("R15", "VMLAUNCH of a launched VMCS", VALID(4), vmlaunch());
	launch_runs("R15", "VMRESUME of a launched VMCS (0: it ran)", true);
	bad_controls();
	bad_host();
	check_insn("R15", "VMLAUNCH of a launched VMCS with bad fields: 4 comes first", VALID(4),
		   vmlaunch());
	vmclear(&region_a);
	vmptrld(&region_a);
	check_insn("R15", "VMRESUME of a clear VMCS with bad fields: 5 comes first", VALID(5),
		   vmresume());
}

/* The launch state is the VMCS's, not the processor's. */
static void r15_two(void)
{
	state_l2(l2_vmcall);
	launch_runs("R15", "A is launched (0: it ran)", false);
	vmptrld(&region_b);
	check_insn("R15", "B is still clear: VMRESUME", VALID(5), vmresume());
	vmptrld(&region_a);
	launch_runs("R15", "A is still launched: VMRESUME (0: it ran)", true);
}

/* ---- R16 */

/* What a failing entry must leave: all fields but the error number, and the processor's registers. */
struct snapshot {
	u64 field[FI_COUNT];
	u64 cr0, cr3, cr4, dr7, fs_base, gs_base, sysenter_esp;
	struct table_pointer gdtr, idtr;
	u16 cs, ss, ds, es, fs, gs, tr;
};

static void snapshot_take(struct snapshot *s)
{
	memory_set(s, 0, sizeof(*s));
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (field_info[i].encoding != VMCS_VM_INSTRUCTION_ERROR)
			vmread(field_info[i].encoding, &s->field[i]);
	s->cr0 = read_cr0();
	s->cr3 = read_cr3();
	s->cr4 = read_cr4();
	s->dr7 = read_dr7();
	s->fs_base = rdmsr(MSR_IA32_FS_BASE);
	s->gs_base = rdmsr(MSR_IA32_GS_BASE);
	s->sysenter_esp = rdmsr(MSR_IA32_SYSENTER_ESP);
	s->gdtr = read_gdtr();
	s->idtr = read_idtr();
	s->cs = read_cs();
	s->ss = read_ss();
	s->ds = read_ds();
	s->es = read_es();
	s->fs = read_fs();
	s->gs = read_gs();
	s->tr = read_tr();
}

/* The host fields differ from the processor's registers, so that loading them would show. */
static void other_host_state(void)
{
	VMCS_SET({VMCS_HOST_FS_BASE, 0x1000}, {VMCS_HOST_GS_BASE, 0x2000},
		 {VMCS_HOST_SYSENTER_ESP, 0x3000}, {VMCS_GUEST_DR7, DR7_INIT | 1});
}

static void changes_nothing(const char *what, void (*spoil)(void), const char *expected)
{
	static struct snapshot before, after;
	char text[CHECK_TEXT];

	state_l2(l2_vmcall);
	other_host_state();
	spoil();
	snapshot_take(&before);
	format(text, CHECK_TEXT, "VMLAUNCH with %s", what);
	check_insn("R16", text, expected, vmlaunch());
	snapshot_take(&after);
	format(text, CHECK_TEXT, "VMLAUNCH with %s: fields and registers are unchanged", what);
	check_true("R16", text, memory_equal(&before, &after, sizeof(before)));
	format(text, CHECK_TEXT, "VMLAUNCH with %s: the VMCS is still clear", what);
	check_insn("R16", text, VALID(5), vmresume());
}

static void r16_resume(void)
{
	state_l2(l2_vmcall);
	launch_runs("R16", "VMLAUNCH (0: it ran)", false);
	bad_controls();
	check_insn("R16", "VMRESUME with bad controls", VALID(7), vmresume());
	check_insn("R16", "VMRESUME with bad controls, and nothing changed since", VALID(7), vmresume());
	vmcs_set(VMCS_CR3_TARGET_COUNT, 0);
	bad_host();
	check_insn("R16", "VMRESUME with bad host state", VALID(8), vmresume());
	check_insn("R16", "VMRESUME with bad host state, and nothing changed since", VALID(8),
		   vmresume());
	vmcs_set(VMCS_HOST_TR_SELECTOR, read_tr());
	launch_runs("R16", "the VMCS is still launched: VMRESUME (0: it ran)", true);
}

/* Each control word: a bit that must be 1, and a bit that must be 0. */
static void r16_control_words(void)
{
	static const struct {
		enum control_word word;
		enum vmcs_field field;
		const char *name;
	} words[] = {
		{PIN, VMCS_PIN_CONTROLS, "pin-based"},
		{PROC, VMCS_PROC_CONTROLS, "processor-based"},
		{EXIT, VMCS_EXIT_CONTROLS, "exit"},
		{ENTRY, VMCS_ENTRY_CONTROLS, "entry"},
	};
	struct series all = {.rule = "R16",
			     .what = "each reserved or fixed bit of the control words: error 7"};

	state_l2(l2_vmcall);
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		u64 good = vmcs_get(words[i].field);
		u32 must = vmx_controls(words[i].word, 0);
		for (unsigned bit = 0; bit < 32; bit++) {
			u32 mask = 1u << bit;
			if (!(must & mask) && vmx_allows(words[i].word, mask))
				continue;
			vmcs_set(words[i].field, good ^ mask);
			series_insn(&all, words[i].name, VALID(7), vmlaunch());
		}
		vmcs_set(words[i].field, good);
	}
	series_end(&all);
	launch_runs("R16", "and with the right controls VMLAUNCH (0: it ran)", false);
}

/* ---- R17 */

static void r17_both(void)
{
	char text[CHECK_TEXT];
	struct trap t;
	bool seven;

	state_l2(l2_vmcall);
	bad_controls();
	bad_host();
	t = vmlaunch();
	outcome(text, t);
	seven = (t.rflags & RFLAGS_ZF) && vmcs_get(VMCS_VM_INSTRUCTION_ERROR) == 7;
	check_text("R17", "VMLAUNCH with bad controls and bad host state: error 7 or 8",
		   seven ? VALID(7) : VALID(8), text);
}

/* ---- what was right at one entry is looked at again at the next, where it is not in the VMCS too */

/* One entry of a loop in which L1 writes nothing but RIP. */
static void round_runs(const char *what)
{
	vmcs_set(VMCS_GUEST_RIP, (u64)l2_vmcall);
	launch_runs("R16", what, true);
}

static void round_fails(const char *what)
{
	vmcs_set(VMCS_GUEST_RIP, (u64)l2_vmcall);
	check_insn("R16", what, VALID(7), vmresume());
}

/* SDM: "VM-Execution Control Fields", of the checks: TPR threshold and VTPR. */
static void r16_vtpr(void)
{
	u8 *page = page_alloc();
	u64 proc;

	if (!(rdmsr(MSR_IA32_VMX_PROCBASED_CTLS) >> 32 & PROC_USE_TPR_SHADOW))
		return;
	state_l2(l2_vmcall);
	launch_runs("R16", "VMLAUNCH (0: it ran)", false);
	for (unsigned i = 0; i < 4; i++)
		round_runs("VMRESUME (0: it ran)");
	proc = vmcs_get(VMCS_PROC_CONTROLS);
	page[0x80] = 0x20;
	VMCS_SET({VMCS_PROC_CONTROLS, proc | PROC_USE_TPR_SHADOW}, {VMCS_VIRTUAL_APIC_ADDRESS, (u64)page},
		 {VMCS_TPR_THRESHOLD, 1});
	round_runs("VMRESUME, TPR threshold 1, VTPR 20H (0: it ran)");
	round_runs("VMRESUME, the same (0: it ran)");
	page[0x80] = 0;
	round_fails("VMRESUME, VTPR 0");
	page[0x80] = 0x10;
	round_runs("VMRESUME, VTPR 10H (0: it ran)");
	page[0x80] = 0x0f;
	round_fails("VMRESUME, VTPR 0FH");
	vmcs_set(VMCS_PROC_CONTROLS, proc);
	round_runs("VMRESUME without TPR shadow (0: it ran)");
}

void rules_entry(void)
{
	r13_shadow();
	r14_mov_ss();
	r14_sti();
	r15_launch_state();
	r15_two();
	changes_nothing("bad controls", bad_controls, VALID(7));
	changes_nothing("bad host state", bad_host, VALID(8));
	r16_resume();
	r16_control_words();
	r17_both();
	r16_vtpr();
}
