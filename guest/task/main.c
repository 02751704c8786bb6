/*
 * Hardware task switches: by CALL, JMP, IRET and task gates, between 32-bit tasks and to ones of 16 bits, of
 * virtual-8086 mode and of ring 3, and what is wrong with a TSS. Every register, TSS and descriptor is
 * printed: it is the comparison with the bare machine that tests. SDM: volume 3A, "Task Management".
 */
#include "guest/lib/asm.h"
#include "guest/lib/console.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "guest/lib/start.h"
#include "guest/lib/trap.h"
#include "guest/task/task.h"

/* Words of a 32-bit TSS. */
enum {
	TSS_LINK,
	TSS_ESP0,
	TSS_SS0,
	TSS_CR3 = 7,
	TSS_EIP,
	TSS_EFLAGS,
	TSS_EAX,
	TSS_ESP = 14,
	TSS_ES = 18,
	TSS_CS,
	TSS_SS,
	TSS_DS,
	TSS_FS,
	TSS_GS,
	TSS_LDT,
	TSS_TRAP
};

#define WITH 9
#define SUPERVISOR_PAGE 0xc0000000 /* by the tables of A */
#define TSS_BUSY 0x8b
#define TSS_AVAILABLE 0x89
#define TSS16_AVAILABLE 0x81
#define LDT_PRESENT 0x82
#define GATE_INTERRUPT 0xee
#define GATE_TASK 0xe5

extern u64 gdt[], gdt_end[];

struct test {
	const char *name, *code;
	u64 task_gate; /* not 0: this vector's, beside 30H */
	u64 handler; /* not 0: a vector that has a task of its own */
	u32 skip, by_jump; /* as task.h has them */
	u64 scratch; /* the descriptor at SEL_SCRATCH */
	u8 type, limit; /* of A's descriptor; 0: as usual */
	struct {
		u8 word; /* of A's TSS; 0: none */
		u32 value;
	} with[WITH];
};

#define S SEL_SCRATCH
static const struct test tests[] = {
	{.name = "CALL", .code = task_call},
	{.name = "CALL after STI", .code = task_sti_call},
	{.name = "JMP, and back by JMP", .code = task_jump, .by_jump = 1},
	{.name = "CALL, and back by JMP", .code = task_call, .by_jump = 1},
	{.name = "CALL of a task gate", .code = task_call_gate},
	{.name = "INT n", .code = task_int},
	{.name = "#UD", .code = task_undefined, .task_gate = VEC_UD, .skip = 2},
	{.name = "#GP with an error code", .code = task_protection, .task_gate = VEC_GP, .skip = 2},
	{.name = "#GP with an error code, ring 3",
	 .code = task_protection,
	 .task_gate = VEC_GP,
	 .with = {{TSS_CS, SEL_USER_CODE32},
		  {TSS_SS, SEL_USER_DATA},
		  {TSS_DS, SEL_USER_DATA},
		  {TSS_EIP, 1},
		  {TSS_ES, 0},
		  {TSS_FS, 0},
		  {TSS_GS, 0}}},
	{.name = "#GP with an error code, ring 3, misaligned stack",
	 .code = task_protection,
	 .task_gate = VEC_GP,
	 .with = {{TSS_CS, SEL_USER_CODE32},
		  {TSS_SS, SEL_USER_DATA},
		  {TSS_DS, SEL_USER_DATA},
		  {TSS_EIP, 1},
		  {TSS_ESP, 0x8102},
		  {TSS_EFLAGS, 0x40002},
		  {TSS_ES, 0},
		  {TSS_FS, 0},
		  {TSS_GS, 0}}},
	{.name = "#GP with an error code, ring 3, the supervisor's stack",
	 .code = task_protection,
	 .task_gate = VEC_GP,
	 .with = {{TSS_CS, SEL_USER_CODE32},
		  {TSS_SS, SEL_USER_DATA},
		  {TSS_DS, SEL_USER_DATA},
		  {TSS_EIP, 1},
		  {TSS_ESP, SUPERVISOR_PAGE + 0x100},
		  {TSS_ES, 0},
		  {TSS_FS, 0},
		  {TSS_GS, 0}}},
	{.name = "#GP with an error code, virtual-8086 mode",
	 .code = task_protection,
	 .task_gate = VEC_GP,
	 .with = {{TSS_EFLAGS, 0x20202},
		  {TSS_CS, LOW_CODE / 16},
		  {TSS_SS, LOW_CODE / 16},
		  {TSS_ESP, 0x100},
		  {TSS_EIP, 2},
		  {TSS_DS, 0x1234}}},
	{.name = "CALL, T flag", .code = task_call, .with = {{TSS_TRAP, 1}}},
	{.name = "CALL, TF", .code = task_call, .with = {{TSS_EFLAGS, 0x102}}},
	{.name = "CALL, all of EFLAGS but VM and TF",
	 .code = task_call,
	 .with = {{TSS_EFLAGS, 0xfffdfeff}}},
	{.name = "CALL, LDT",
	 .code = task_call,
	 .with = {{TSS_LDT, SEL_LDT}, {TSS_DS, 0x04}, {TSS_GS, 0}}},
	{.name = "CALL, ring 3",
	 .code = task_call,
	 .with = {{TSS_CS, SEL_USER_CODE32},
		  {TSS_SS, SEL_USER_DATA},
		  {TSS_DS, SEL_USER_DATA},
		  {TSS_EIP, 1},
		  {TSS_ES, 0},
		  {TSS_FS, 0},
		  {TSS_GS, 0}}},
	{.name = "CALL, virtual-8086 mode",
	 .code = task_call,
	 .with = {{TSS_EFLAGS, 0x20202}, {TSS_CS, LOW_CODE / 16}, {TSS_EIP, 0xfff00}, {TSS_DS, 0x1234}}},
	{.name = "CALL, virtual-8086 mode at its code",
	 .code = task_call,
	 .with = {{TSS_EFLAGS, 0x20202}, {TSS_CS, LOW_CODE / 16}, {TSS_EIP, 2}, {TSS_DS, 0x1234}}},
	{.name = "CALL, 16-bit TSS",
	 .code = task_call,
	 .type = TSS16_AVAILABLE,
	 .limit = 0x2b,
	 .scratch = 0x008f93000000ffff},
	{.name = "IA-32e mode with a 16-bit TSS",
	 .code = task_long_mode,
	 .type = TSS16_AVAILABLE,
	 .limit = 0x2b},
	{.name = "IRET to a task that is not busy", .code = task_iret},
	{.name = "IRET to a task that is busy", .code = task_iret, .type = TSS_BUSY, .by_jump = 1},
	{.name = "CALL of a busy task", .code = task_call, .type = TSS_BUSY},
	{.name = "CALL, TSS not present", .code = task_call, .type = 0x09},
	{.name = "CALL, limit too small", .code = task_call, .limit = 0x66},
	{.name = "CALL, CS null", .code = task_call, .with = {{TSS_CS, 0}}},
	{.name = "CALL, CS is data", .code = task_call, .with = {{TSS_CS, SEL_DATA}}},
	{.name = "CALL, CS not present",
	 .code = task_call,
	 .scratch = 0x00cf1b000000ffff,
	 .with = {{TSS_CS, S}}},
	{.name = "CALL, CS of another ring",
	 .code = task_call,
	 .with = {{TSS_CS, SEL_USER_CODE32 & ~3u}}},
	{.name = "CALL, CS conforming",
	 .code = task_call,
	 .scratch = 0x00cf9e000000ffff,
	 .with = {{TSS_CS, S}}},
	{.name = "CALL, EIP outside CS",
	 .code = task_call,
	 .scratch = 0x00409b000000ffff,
	 .with = {{TSS_CS, S}}},
	{.name = "CALL, SS null", .code = task_call, .handler = VEC_TS, .with = {{TSS_SS, 0}}},
	{.name = "CALL, SS read-only",
	 .code = task_call,
	 .handler = VEC_TS,
	 .scratch = 0x00cf91000000ffff,
	 .with = {{TSS_SS, S}}},
	{.name = "CALL, SS not present",
	 .code = task_call,
	 .handler = VEC_SS,
	 .scratch = 0x00cf13000000ffff,
	 .with = {{TSS_SS, S}}},
	{.name = "CALL, SS of another ring",
	 .code = task_call,
	 .handler = VEC_TS,
	 .with = {{TSS_SS, SEL_USER_DATA}}},
	{.name = "CALL, SS outside the GDT",
	 .code = task_call,
	 .handler = VEC_TS,
	 .with = {{TSS_SS, 0x1000}}},
	{.name = "CALL, DS null", .code = task_call, .with = {{TSS_DS, 0}}},
	{.name = "CALL, DS not accessed yet",
	 .code = task_call,
	 .scratch = 0x00cf92000000ffff,
	 .with = {{TSS_DS, S}}},
	{.name = "CALL, DS execute-only",
	 .code = task_call,
	 .scratch = 0x00cf99000000ffff,
	 .with = {{TSS_DS, S}}},
	{.name = "CALL, DS not present",
	 .code = task_call,
	 .scratch = 0x00cf13000000ffff,
	 .with = {{TSS_DS, S}}},
	{.name = "CALL, DS with a bad RPL", .code = task_call, .with = {{TSS_DS, SEL_DATA | 3}}},
	{.name = "CALL, FS in no LDT", .code = task_call, .with = {{TSS_FS, 0x0c}}},
	{.name = "CALL, LDT is data",
	 .code = task_call,
	 .handler = VEC_TS,
	 .with = {{TSS_LDT, SEL_DATA}}},
	{.name = "CALL, LDT in an LDT",
	 .code = task_call,
	 .handler = VEC_TS,
	 .with = {{TSS_LDT, SEL_LDT | 4}}},
	{.name = "INT n, DS outside the GDT", .code = task_int, .with = {{TSS_DS, 0x1000}}},
	{.name = "#UD, DS outside the GDT",
	 .code = task_undefined,
	 .task_gate = VEC_UD,
	 .with = {{TSS_DS, 0x1000}}},
	{.name = "#GP, DS outside the GDT",
	 .code = task_protection,
	 .task_gate = VEC_GP,
	 .with = {{TSS_DS, 0x1000}}},
};
#undef S

static u64 system_descriptor(const void *base, u64 limit, u64 type)
{
	u64 at = (u64)base;
	return limit | (at & BITS(23, 0)) << 16 | type << 40 | at >> 24 << 56;
}

static u64 gate(u64 at, u64 selector, u64 type)
{
	return (at & 0xffff) | selector << 16 | type << 40 | at >> 16 << 48;
}

static u64 ldt[1] = {0x00cf93000000ffff};
static u64 *pdpt[2];

static void fill_gdt(const struct test *t)
{
	memory_copy(task_gdt, gdt, (u64)((char *)gdt_end - (char *)gdt));
	task_gdt[SEL_MAIN / 8] = system_descriptor(task_main_tss, 0x67, TSS_AVAILABLE);
	task_gdt[SEL_HANDLER / 8] = system_descriptor(task_handler_tss, 0x67, TSS_AVAILABLE);
	task_gdt[SEL_END / 8] = task_gdt[SEL_MAIN / 8];
	task_gdt[SEL_A / 8] = system_descriptor(task_a_tss, t->limit ? t->limit : 0x67,
						t->type ? t->type : TSS_AVAILABLE);
	task_gdt[SEL_GATE / 8] = gate(0, SEL_A, GATE_TASK);
	task_gdt[SEL_SCRATCH / 8] = t->scratch;
	task_gdt[SEL_LDT / 8] = system_descriptor(ldt, sizeof(ldt) - 1, LDT_PRESENT);
	task_gdt[SEL_USER_CODE32 / 8] = 0x00cffb000000ffff;
}

static void fill_idt(const struct test *t)
{
	for (unsigned i = 0; i < 32; i++)
		task_idt[i] = gate((u64)task_entries[i], SEL_CODE32, GATE_INTERRUPT);
	task_idt[0x30] = gate(0, SEL_A, GATE_TASK);
	if (t->handler)
		task_idt[t->handler] = gate(0, SEL_HANDLER, GATE_TASK);
	if (t->task_gate)
		task_idt[t->task_gate] = task_idt[0x30];
}

static void fill_tss(u32 *tss, const char *stack)
{
	memory_set(tss, 0, 128);
	tss[TSS_ESP0] = (u32)(u64)task_ring0_stack;
	tss[TSS_SS0] = SEL_DATA;
	for (unsigned i = 0; i < 8; i++)
		tss[TSS_EAX + i] = 0xa0a00000 + i;
	tss[TSS_ESP] = (u32)(u64)stack;
	for (unsigned i = TSS_ES; i <= TSS_GS; i++)
		tss[i] = SEL_DATA;
	tss[TSS_CS] = SEL_CODE32;
	tss[TSS_EFLAGS] = 0x8d7;
	tss[TSS_EIP] = (u32)(u64)task_a;
}

/* The same bytes as a 16-bit TSS: UD2 in low memory. */
static void fill_tss16(u16 *tss)
{
	memory_set(tss, 0, 128);
	tss[7] = LOW_CODE;
	tss[8] = 0x8d7;
	for (unsigned i = 9; i < 17; i++)
		tss[i] = (u16)(0x7000 + i);
	for (unsigned i = 17; i < 21; i++)
		tss[i] = SEL_DATA16;
	tss[18] = SEL_CODE16;
	tss[19] = SEL_SCRATCH;
}

static void prepare(const struct test *t, bool paging)
{
	fill_gdt(t);
	fill_idt(t);
	fill_tss(task_main_tss, task_main_stack);
	task_main_tss[TSS_LINK] = SEL_A;
	fill_tss(task_a_tss, task_a_stack);
	fill_tss(task_handler_tss, task_ring0_stack);
	task_handler_tss[TSS_EIP] = (u32)(u64)task_handler;
	task_handler_tss[TSS_CR3] = (u32)(u64)pdpt[0];
	if (t->type == TSS16_AVAILABLE)
		fill_tss16((u16 *)task_a_tss);
	for (unsigned i = 0; i < WITH && t->with[i].word; i++)
		task_a_tss[t->with[i].word] = t->with[i].value;
	if (task_a_tss[TSS_EIP] == 1)
		task_a_tss[TSS_EIP] = (u32)(u64)task_ud2;
	task_main_tss[TSS_CR3] = (u32)(u64)pdpt[0];
	task_cr3 = paging ? (u32)(u64)pdpt[0] : 0;
	if (t->type != TSS16_AVAILABLE)
		task_a_tss[TSS_CR3] = (u32)(u64)pdpt[1];
	task_skip = t->skip;
	task_by_jump = t->by_jump;
	task_vector = 0xff;
	memory_set(task_seen_main, 0, sizeof(task_seen_main));
	memory_set(task_seen_a, 0, sizeof(task_seen_a));
	memory_set(task_seen_exception, 0, sizeof(task_seen_exception));
}

static void print_words(const char *name, const u32 *word, unsigned count)
{
	print("  %s", name);
	for (unsigned i = 0; i < count; i++)
		print("%s%x", i % 14 ? " " : i ? "\n    " : ": ", word[i]);
	print("\n");
}

static void run(const struct test *t, bool paging)
{
	prepare(t, paging);
	write_dr6(0xffff0ff0);
	task_run((u64)t->code);
	trap_init();
	print("%s%s: exception %u\n", t->name, paging ? ", paging" : "", task_vector);
	print_words("main", task_seen_main, task_seen_main[0] ? SEEN_WORDS : 1);
	print_words("A", task_seen_a, task_seen_a[0] ? SEEN_WORDS : 1);
	print_words("exception", task_seen_exception, task_seen_exception[0] ? SEEN_WORDS : 1);
	print_words("TSS of main", task_main_tss, 26);
	print_words("TSS of A", task_a_tss, 26);
	if (t->handler)
		print_words("TSS of the handler", task_handler_tss, 26);
	print_words("GDT", (u32 *)task_gdt + 2 * SEL_MAIN / 8, 10);
}

static void make_tables(void)
{
	for (unsigned i = 0; i < 2; i++) {
		u64 *from = (u64 *)(*(u64 *)read_cr3() & PAGE_MASK);
		pdpt[i] = page_alloc();
		for (unsigned j = 0; j < 4; j++)
			pdpt[i][j] = (from[j] & PAGE_MASK) | PTE_P;
	}
	u64 *top = page_alloc();
	memory_copy(top, (void *)(pdpt[1][3] & PAGE_MASK), PAGE_SIZE);
	top[0] &= ~PTE_U;
	pdpt[1][3] = (u64)top | PTE_P;
}

void guest_main(void)
{
	print("Hardware task switches\n");
	make_tables();
	write_cr0(read_cr0() | CR0_AM); /* for ring 3 with EFLAGS.AC */
	*(volatile u16 *)LOW_CODE = 0x0b0f;
	*(volatile u32 *)(LOW_CODE + 2) = 0x0b0f;
	for (unsigned paging = 0; paging <= 1; paging++)
		for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
			run(&tests[i], paging);
	print("the end\n");
}
