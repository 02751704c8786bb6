/*
 * By instructions: reads, writes, execution, and page tables in the hole.
 */
#include "guest/hostile/code.h"
#include "guest/hostile/hole.h"
#include "guest/lib/check.h"
#include "guest/lib/memory.h"

struct access {
	const char *name;
	trap_function *run;
};

/* Each gives all ones where it read all ones. */
static const struct access reads[] = {
	{"8 bits", access_read8},
	{"16 bits", access_read16},
	{"32 bits", access_read32},
	{"64 bits", access_read64},
	{"MOVZX", access_movzx},
	{"MOVSX", access_movsx},
	{"unaligned", access_unaligned},
	{"AND from memory", access_and},
	{"LODSB", access_lodsb},
	{"REP MOVSB", access_rep_movsb_out},
	{"REPE CMPSB", access_repe_cmpsb},
	{"REPE SCASB", access_repe_scasb},
	{"POP", access_popq},
	{"CMP", access_cmp_memory},
};

static const struct access writes[] = {
	{"8 bits", access_write8},
	{"16 bits", access_write16},
	{"32 bits", access_write32},
	{"64 bits", access_write64},
	{"unaligned", access_write_unaligned},
	{"AND to memory", access_or_memory},
	{"INC", access_incq},
	{"XCHG", access_xchg},
	{"LOCK CMPXCHG", access_lock_cmpxchg},
	{"LOCK XADD", access_lock_xadd},
	{"LOCK BTR", access_lock_btr},
	{"REP STOSB", access_rep_stosb},
	{"REP STOSQ", access_rep_stosq},
	{"REP MOVSB", access_rep_movsb_in},
	{"REP MOVSQ", access_rep_movsq_within},
	{"PUSH", access_pushq},
	{"CALL", access_callq},
	{"SGDT", access_sgdt},
	{"MOVNTI", access_movnti},
	{"SETE", access_setcc},
	{"INSB", access_insb},
	{"LOCK CMPXCHG16B", access_lock_cmpxchg16b},
	{"PUSHFQ", access_pushfq},
	{"FNSTCW", access_fnstcw},
	{"FXSAVE", access_fxsave},
	{"MOVUPS", access_movups},
};

static u64 middle(void)
{
	return (hole_base + (hole_end - hole_base) / 2) & PAGE_MASK;
}

static void access_all(struct series *s, const struct access *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct trap t = trap_call(list[i].run, middle(), 0, 0);
		series_value(s, list[i].name, (u64)NO_EXCEPTION, (u64)t.vector);
		series_value(s, list[i].name, ~0ull, t.rflags);
		series_value(s, list[i].name, ~0ull, *(volatile u64 *)middle());
	}
}

static void instructions(void)
{
	struct series read = {.rule = "cpu", .what = "reads of every kind give all ones"};
	struct series write = {.rule = "cpu", .what = "writes of every kind are lost"};

	access_all(&read, reads, ARRAY_LEN(reads));
	access_all(&write, writes, ARRAY_LEN(writes));
	series_end(&read);
	series_end(&write);
}

static void every_page(void)
{
	check_true("cpu", "every page reads as all ones", hole_intact());
	for (u64 page = hole_base; page < hole_end; page += PAGE_SIZE) {
		*(volatile u64 *)(page + 0x100) = 0;
		*(volatile u32 *)(page + 0xffc) = 0x12345678;
	}
	check_true("cpu", "every page is written, and still reads as all ones", hole_intact());
}

/* The page before the hole is RAM of ours to use: it lies above this program. */
static void edges(void)
{
	check_value("cpu", "a read across the edge: the hole's part", ~0ull,
		    trap_call(access_read_across, hole_base, 0, 0).rflags);
	*(volatile u32 *)(hole_base - 4) = 0x77777777;
	trap_call(access_write_across, hole_base, 0, 0);
	check_value("cpu", "a write across the edge: our part", 0, *(volatile u32 *)(hole_base - 4));
	check_value("cpu", "a write across the edge: the hole's part", 0xffffffff,
		    *(volatile u32 *)hole_base);
}

/* The bytes FF FF are no instruction. */
static void execution(void)
{
	check_insn("cpu", "execution of the hole", UD, trap_call(access_execute, middle(), 0, 0));
}

/* A page table in the hole: its entries have all reserved bits. */
static void page_tables(void)
{
	page_map(TEST_AREA, 0, PTE_P);
	page_set_table(TEST_AREA, middle());
	check_insn("cpu", "a page table in the hole", PF(9), trap_call(access_read64, TEST_AREA, 0, 0));
	page_set_table(TEST_AREA, (u64)page_alloc());
	page_map(TEST_AREA, middle(), PTE_P | PTE_W);
	check_value("cpu", "the hole at another linear address", ~0ull,
		    trap_call(access_read64, TEST_AREA + 8, 0, 0).rflags);
}

void hostile_cpu(void)
{
	every_page();
	instructions();
	edges();
	execution();
	page_tables();
	check_true("cpu", "after these: every page reads as all ones", hole_intact());
}
