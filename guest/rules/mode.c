/*
 * R16 and R17 where L1 changes between IA-32e mode and legacy mode: the same VMCS is refused in one, every time, and
 * entered in the other. SDM: "Checks Related to Address-Space Size". The mode changes outside VMX operation alone
 * (CR0.PG is fixed in it), and before VMXOFF a VMCS must be cleared.
 */
#include "guest/rules/mode.h"

#include "guest/lib/check.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "guest/rules/code.h"
#include "guest/rules/legacy.h"
#include "guest/rules/rules.h"
#include "guest/rules/state.h"

#define SIZE_2M 0x200000ull
#define GIB 0x40000000ull
#define PAGED_LEGACY 2 /* mode_results: CR0.PG without IA32_EFER.LMA */

static u64 pdpt[4] __attribute__((aligned(32)));
static u64 gpr[GPR_COUNT];

/* The first GiB, one to one: all of us. */
static void make_pae_tables(void)
{
	u64 *directory = page_alloc();

	for (u64 i = 0; i < GIB / SIZE_2M; i++)
		directory[i] = i * SIZE_2M | PTE_PS | PTE_W | PTE_P;
	pdpt[0] = (u64)directory | PTE_P;
	legacy_cr3 = (u32)(u64)pdpt;
}

/* Outside VMX operation, with this VMCS clear. */
static void run_in_legacy_mode(void *region, const char *code)
{
	u64 pointer = (u64)region;

	vmclear(&pointer);
	state_outside();
	memory_set(mode_results, 0xff, sizeof(mode_results));
	mode_vmxon = (u64)region_vmxon;
	mode_vmcs = pointer;
	legacy_run_pae(code);
}

static void in_ia32e_mode(void *region)
{
	u64 pointer = (u64)region;

	state_no_vmcs();
	vmptrld(&pointer);
}

/* SDM: "Checks on VMX Controls and Host-State Area": 7 or 8, as these checks look at both. */
static void refused(const char *l2, const char *what, u64 zf, u64 error)
{
	char text[CHECK_TEXT];

	format(text, CHECK_TEXT, "a 64-bit host, %s L2, %s", l2, what);
	check_true("R16", text, zf && (error == 7 || error == 8));
}

static void ran(const char *l2, const char *what, bool resume)
{
	char text[CHECK_TEXT];

	format(text, CHECK_TEXT, "a 64-bit host, %s L2, in IA-32e mode: %s (0: it ran)", l2, what);
	check_value("R16", text, 0, vm_enter_raw(gpr, resume));
}

/* region_a is current, and can be entered in IA-32e mode. */
static void refused_in_legacy_mode(const char *l2)
{
	ran(l2, "VMLAUNCH", false);
	run_in_legacy_mode(region_a, mode_refused);
	refused(l2, "in legacy mode: VMLAUNCH fails", mode_results[0][0] & RFLAGS_ZF, mode_results[0][1]);
	refused(l2, "in legacy mode: VMLAUNCH fails again", mode_results[1][0] & RFLAGS_ZF,
		mode_results[1][1]);
	in_ia32e_mode(region_a);
	ran(l2, "VMLAUNCH again", false);
	ran(l2, "VMRESUME", true);
}

static void make_32_bit_l2(void)
{
	state_current();
	vmcs_set_host();
	l2_set_controls(PAGED_32, 0);
	l2_set_registers(PAGED_32, (u64)l2_page_directory_32(), false);
	vmcs_set(VMCS_GUEST_RIP, (u64)mode_l2);
}

/* A VMCS for a host in legacy mode, with PAE paging. */
static void make_legacy_vmcs(void)
{
	make_32_bit_l2();
	VMCS_SET({VMCS_EXIT_CONTROLS, vmx_controls(EXIT, 0)}, {VMCS_HOST_CR3, legacy_cr3},
		 {VMCS_HOST_CS_SELECTOR, SEL_CODE32}, {VMCS_HOST_SS_SELECTOR, SEL_DATA},
		 {VMCS_HOST_DS_SELECTOR, SEL_DATA}, {VMCS_HOST_ES_SELECTOR, SEL_DATA},
		 {VMCS_HOST_IDTR_BASE, (u64)legacy_idt_32}, {VMCS_HOST_RIP, (u64)mode_exit});
}

static void refused_here(const char *what)
{
	struct trap t = vmlaunch();
	u64 error = vmcs_get(VMCS_VM_INSTRUCTION_ERROR);

	check_true("R16", what, (t.rflags & RFLAGS_ZF) && (error == 7 || error == 8));
}

static void refused_in_ia32e_mode(void)
{
	make_legacy_vmcs();
	refused_here("a 32-bit host, in IA-32e mode: VMLAUNCH fails");
	refused_here("a 32-bit host, in IA-32e mode: VMLAUNCH fails again");
	run_in_legacy_mode(region_a, mode_runs);
	check_value("R16", "a 32-bit host, in legacy mode: VMLAUNCH, and exit 18", EXIT_REASON_VMCALL,
		    mode_results[0][0]);
	check_value("R16", "a 32-bit host, in legacy mode: the exit is to paging without IA-32e mode",
		    PAGED_LEGACY, mode_results[0][1]);
	check_value("R16", "a 32-bit host, in legacy mode: VMRESUME, and exit 18", EXIT_REASON_VMCALL,
		    mode_results[1][0]);
	in_ia32e_mode(region_a);
	refused_here("a 32-bit host, in IA-32e mode again: VMLAUNCH fails");
	state_no_vmcs();
}

void rules_mode(void)
{
	make_pae_tables();
	state_l2(l2_vmcall);
	refused_in_legacy_mode("64-bit");
	make_32_bit_l2();
	refused_in_legacy_mode("32-bit");
	refused_in_ia32e_mode();
}
