/*
 * Page faults, and EPT. SDM: "Exceptions" (other causes of VM exits), "EPT-Induced VM Exits".
 */
#include "guest/demo/l2_memory.h"
#include "guest/demo/report.h"
#include "guest/demo/steps.h"
#include "guest/lib/ept.h"

#define INFO_PAGE_FAULT (INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_PF)
#define EXCEPTION(vector) (1u << (vector))

/* ---- page faults */

static void page_test_set(struct guest *g, u64 set, u64 clear)
{
	*g->page_test = (*g->page_test | set) & ~clear;
}

static void read_page(struct guest *g)
{
	g->page_test_data[0] = 0xcafe;
	guest_goto(g, PAYLOAD_read);
	g->cpu.gpr[RBX] = L2_PAGE_TEST;
}

void step_page_fault(struct guest *g)
{
	page_test_set(g, 0, PTE_P);
	vmcs_set(VMCS_EXCEPTION_BITMAP, EXCEPTION(VEC_PF));
	read_page(g);
	expect_exception(g, "#PF: read of a page that is not there", INFO_PAGE_FAULT, 0, L2_PAGE_TEST);
	page_test_set(g, PTE_P, 0);
	expect_vmcall(g);
	expect_value(g, "  L1 maps it, L2 reads it", 0xcafe, g->cpu.gpr[RCX]);
}

void step_page_fault_write(struct guest *g)
{
	page_test_set(g, 0, PTE_W);
	vmcs_set(VMCS_EXCEPTION_BITMAP, EXCEPTION(VEC_PF));
	vmcs_set(VMCS_GUEST_CR0, vmcs_get(VMCS_GUEST_CR0) | CR0_WP);
	guest_goto(g, PAYLOAD_write);
	g->cpu.gpr[RBX] = L2_PAGE_TEST + 8;
	g->cpu.gpr[RCX] = 0xbeef;
	expect_exception(g, "#PF: write to a read-only page", INFO_PAGE_FAULT, PFEC_P | PFEC_W,
			 L2_PAGE_TEST + 8);
	page_test_set(g, PTE_W, 0);
	expect_vmcall(g);
	expect_value(g, "  L1 allows it, L2 writes it", 0xbeef, g->page_test_data[2]);
}

/* L2's handler repairs the page. L1 sees nothing of it. */
void step_page_fault_own(struct guest *g)
{
	page_test_set(g, 0, PTE_P);
	read_page(g);
	g->cpu.gpr[RDI] = (u64)g->page_test;
	g->cpu.gpr[RDX] = 0x99;
	expect_vmcall(g);
	expect_value(g, "#PF for L2's own handler: CR2", L2_PAGE_TEST, g->cpu.gpr[RAX]);
	expect_value(g, "  its error code", 0, g->cpu.gpr[RDX]);
	expect_value(g, "  L2 reads the page", 0xcafe, g->cpu.gpr[RCX]);
}

/* Only writes exit: mask and match decide, where the exception bitmap has bit 14. */
void step_page_fault_filter(struct guest *g)
{
	vmcs_set(VMCS_EXCEPTION_BITMAP, EXCEPTION(VEC_PF));
	VMCS_SET({VMCS_PFEC_MASK, PFEC_W}, {VMCS_PFEC_MATCH, PFEC_W});
	page_test_set(g, 0, PTE_P);
	read_page(g);
	g->cpu.gpr[RDI] = (u64)g->page_test;
	expect_vmcall(g);
	expect_value(g, "#PF of a read, L1 asked for writes: CR2", L2_PAGE_TEST, g->cpu.gpr[RAX]);

	page_test_set(g, 0, PTE_P);
	guest_goto(g, PAYLOAD_write);
	expect_exception(g, "#PF of a write, L1 asked for writes", INFO_PAGE_FAULT, PFEC_W, L2_PAGE_TEST);
	page_test_set(g, PTE_P, 0);
}

/* A translation stays while L2 has a VPID, until INVVPID. */
void step_vpid(struct guest *g)
{
	struct {
		u64 vpid, address;
	} all = {1, 0};

	if (!vmx_allows(PROC2, PROC2_ENABLE_VPID)) {
		report_skip(g, "VPID", "VPID");
		return;
	}
	guest_add_controls(VMCS_PROC_CONTROLS, PROC_ACTIVATE_SECONDARY);
	vmcs_set(VMCS_PROC2_CONTROLS, vmx_controls(PROC2, PROC2_ENABLE_VPID));
	VMCS_SET({VMCS_VPID, all.vpid}, {VMCS_EXCEPTION_BITMAP, EXCEPTION(VEC_PF)});
	read_page(g);
	expect_vmcall(g);
	expect_value(g, "VPID: L2 reads a page", 0xcafe, g->cpu.gpr[RCX]);
	page_test_set(g, 0, PTE_P);
	invvpid(INVVPID_SINGLE_CONTEXT, &all);
	read_page(g);
	expect_exception(g, "  L1 takes it away, INVVPID: #PF", INFO_PAGE_FAULT, 0, L2_PAGE_TEST);
	page_test_set(g, PTE_P, 0);
}

/* ---- EPT */

/* Of the qualification. All accesses here are by a linear address and to the page itself. */
#define ACCESS_READ BIT(0)
#define ACCESS_WRITE BIT(1)
#define ACCESS_FETCH BIT(2)
#define ENTRY_ALLOWS(rights) ((rights) << 3)
#define LINEAR_VALID (BIT(7) | BIT(8))

static void ept_test_rights(struct guest *g, u64 rights)
{
	*g->ept_test = (u64)g->ept_test_data | EPT_WB | rights;
}

/* Needed where rights are taken away: the processor may still hold the old ones. */
static void ept_invalidate(const struct guest *g)
{
	struct {
		u64 eptp, zero;
	} context = {g->eptp, 0};
	invept(INVEPT_SINGLE_CONTEXT, &context);
}

static void ept_take_away(struct guest *g, u64 rights_left)
{
	ept_test_rights(g, rights_left);
	ept_invalidate(g);
}

static void read_ept(struct guest *g)
{
	g->ept_test_data[0] = 0xf00d;
	guest_goto(g, PAYLOAD_read);
	g->cpu.gpr[RBX] = L2_EPT_TEST;
}

void step_ept_read(struct guest *g)
{
	ept_take_away(g, 0);
	read_ept(g);
	expect_ept_exit(g, "EPT violation: read, nothing there", EXIT_REASON_EPT_VIOLATION,
			ACCESS_READ | LINEAR_VALID, L2_EPT_TEST);
	expect_value(g, "  linear address", L2_EPT_TEST, g->cpu.exit.linear);
	ept_test_rights(g, EPT_R);
	expect_vmcall(g);
	expect_value(g, "  L1 maps it, L2 reads it", 0xf00d, g->cpu.gpr[RCX]);
	ept_test_rights(g, EPT_RWX);
}

void step_ept_write(struct guest *g)
{
	ept_take_away(g, EPT_R);
	guest_goto(g, PAYLOAD_write);
	g->cpu.gpr[RBX] = L2_EPT_TEST + 12;
	g->cpu.gpr[RCX] = 0xd00d;
	expect_ept_exit(g, "EPT violation: write, read-only", EXIT_REASON_EPT_VIOLATION,
			ACCESS_WRITE | ENTRY_ALLOWS(EPT_R) | LINEAR_VALID, L2_EPT_TEST + 12);
	ept_test_rights(g, EPT_RWX);
	expect_vmcall(g);
	expect_value(g, "  L1 allows it, L2 writes it", 0xd00d, g->ept_test_data[3]);
}

void step_ept_execute(struct guest *g)
{
	static const u8 code[] = {0x90, 0x0f, 0x01, 0xc1}; /* nop; vmcall */

	for (unsigned i = 0; i < sizeof(code); i++)
		((u8 *)g->ept_test_data)[i] = code[i];
	ept_take_away(g, EPT_R | EPT_W);
	guest_goto(g, PAYLOAD_jump);
	g->cpu.gpr[RBX] = L2_EPT_TEST;
	expect_ept_exit(g, "EPT violation: fetch, not executable", EXIT_REASON_EPT_VIOLATION,
			ACCESS_FETCH | ENTRY_ALLOWS(EPT_R | EPT_W) | LINEAR_VALID, L2_EPT_TEST);
	ept_test_rights(g, EPT_RWX);
	expect_exit(g, "  L1 allows it, L2 runs there: VMCALL", EXIT_REASON_VMCALL, 3);
}

/* An entry that is writable but not readable is an error of L1, not a missing right. */
void step_ept_misconfiguration(struct guest *g)
{
	ept_take_away(g, EPT_W);
	read_ept(g);
	expect_ept_exit(g, "EPT misconfiguration: W without R", EXIT_REASON_EPT_MISCONFIGURATION, 0,
			L2_EPT_TEST);
	ept_test_rights(g, EPT_RWX);
	expect_vmcall(g);
	expect_value(g, "  L1 repairs it, L2 reads it", 0xf00d, g->cpu.gpr[RCX]);
}

void step_ept_invalidate(struct guest *g)
{
	read_ept(g);
	expect_vmcall(g);
	expect_value(g, "EPT: L2 reads a page", 0xf00d, g->cpu.gpr[RCX]);
	ept_take_away(g, 0);
	read_ept(g);
	expect_ept_exit(g, "  L1 takes it away, INVEPT: EPT violation", EXIT_REASON_EPT_VIOLATION,
			ACCESS_READ | LINEAR_VALID, L2_EPT_TEST);
	ept_test_rights(g, EPT_RWX);
}
