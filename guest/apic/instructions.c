/* The forms in which software reaches a register in memory: here TPR. */
#include "guest/apic/local.h"

#define TPR_AT (XAPIC + TPR)
#define STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static void check_form(const char *what, u64 tpr, u64 rax, u64 flags, u64 rax_seen, u64 flags_seen)
{
	struct series s = {.rule = "form", .what = what};

	series_value(&s, "TPR", tpr, local_get(TPR));
	series_value(&s, "RAX", rax, rax_seen);
	series_value(&s, "flags", flags, flags_seen & (STATUS | RFLAGS_FIXED1));
	series_end(&s);
}

/* Runs one instruction on TPR, which rDI and rSI point to and which holds `before`; RCX is 1. */
#define ON_TPR(text, before, tpr, rax, flags) \
	do { \
		u64 a_ = RAX_BEFORE, f_ = 0, d_ = TPR_AT, s_ = TPR_AT, c_ = 1; \
		char what_[CHECK_TEXT]; \
		local_put(TPR, before); \
		asm volatile("push $2; popfq; " text "; pushfq; pop %1" \
			     : "+a"(a_), "=r"(f_), "+D"(d_), "+S"(s_), "+c"(c_) \
			     : \
			     : "memory", "cc"); \
		format(what_, CHECK_TEXT, text); \
		check_form(what_, tpr, rax, (flags) | RFLAGS_FIXED1, a_, f_); \
	} while (0)

#define RAX_BEFORE 0x1122334455667712

static void test_moves(void)
{
	ON_TPR("mov %%eax, (%%rdi)", 0x20, 0x12, RAX_BEFORE, 0);
	ON_TPR("mov (%%rdi), %%eax", 0x20, 0x20, 0x20, 0);
	ON_TPR("mov (%%rdi), %%ax", 0x20, 0x20, 0x1122334455660020, 0);
	ON_TPR("mov (%%rdi), %%ah", 0x20, 0x20, 0x1122334455662012, 0);
	ON_TPR("movl $0x37, (%%rdi)", 0x20, 0x37, RAX_BEFORE, 0);
	ON_TPR("movzbl (%%rdi), %%eax", 0xa0, 0xa0, 0xa0, 0);
	ON_TPR("movsbq (%%rdi), %%rax", 0xa0, 0xa0, 0xffffffffffffffa0, 0);
	ON_TPR("movzwl (%%rdi), %%eax", 0xa0, 0xa0, 0xa0, 0);
	ON_TPR("movl -8(%%rdi,%%rcx,8), %%eax", 0x40, 0x40, 0x40, 0);
	ON_TPR("movabs %%eax, 0xfee00080", 0x20, 0x12, RAX_BEFORE, 0);
	ON_TPR("movabs 0xfee00080, %%eax", 0x20, 0x20, 0x20, 0);
	ON_TPR("xchg %%eax, (%%rdi)", 0x20, 0x12, 0x20, 0);
	ON_TPR("stosl", 0x20, 0x12, RAX_BEFORE, 0);
	ON_TPR("rep stosl", 0x20, 0x12, RAX_BEFORE, 0);
	ON_TPR("lodsl", 0x20, 0x20, 0x20, 0);
}

static void test_arithmetic(void)
{
	const u64 zero = RFLAGS_ZF | RFLAGS_PF;

	ON_TPR("orl $3, (%%rdi)", 0x20, 0x23, RAX_BEFORE, 0);
	ON_TPR("or %%eax, (%%rdi)", 0x20, 0x32, RAX_BEFORE, 0);
	ON_TPR("andl $-16, (%%rdi)", 0x2f, 0x20, RAX_BEFORE, 0);
	ON_TPR("xorl $0x20, (%%rdi)", 0x20, 0, RAX_BEFORE, zero);
	ON_TPR("addl $0x10, (%%rdi)", 0x20, 0x30, RAX_BEFORE, RFLAGS_PF);
	ON_TPR("subl $0x21, (%%rdi)", 0x20, 0xff, RAX_BEFORE, RFLAGS_CF | RFLAGS_SF | RFLAGS_PF);
	ON_TPR("cmpl $0x20, (%%rdi)", 0x20, 0x20, RAX_BEFORE, zero);
	ON_TPR("testl $0x20, (%%rdi)", 0x20, 0x20, RAX_BEFORE, 0);
	ON_TPR("test %%eax, (%%rdi)", 0x20, 0x20, RAX_BEFORE, zero);
	ON_TPR("incl (%%rdi)", 0x20, 0x21, RAX_BEFORE, RFLAGS_PF);
	ON_TPR("decl (%%rdi)", 0x20, 0x1f, RAX_BEFORE, 0);
	ON_TPR("notl (%%rdi)", 0x20, 0xdf, RAX_BEFORE, 0);
	ON_TPR("negl (%%rdi)", 0x20, 0xe0, RAX_BEFORE, RFLAGS_CF | RFLAGS_SF);
	ON_TPR("add (%%rdi), %%al", 0x20, 0x20, 0x1122334455667732, 0);
	ON_TPR("btl $5, (%%rdi)", 0x20, 0x20, RAX_BEFORE, RFLAGS_CF);
	ON_TPR("btsl $6, (%%rdi)", 0x20, 0x60, RAX_BEFORE, 0);
	ON_TPR("btrl $5, (%%rdi)", 0x20, 0, RAX_BEFORE, RFLAGS_CF);
}

void test_instructions(void)
{
	if (local_x2apic)
		return;
	test_moves();
	test_arithmetic();
	local_put(TPR, 0);
}
