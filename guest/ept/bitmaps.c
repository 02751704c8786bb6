/*
 * R78: an MSR bitmap that changes: whoever wrote to it, the next entry goes by what is in it. SDM: "MSR-
 * Bitmap Address".
 */
#include "guest/ept/play.h"
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "vmx/msr.h"

extern const char l2_msr[];

#define MSR 0x10 /* IA32_TIME_STAMP_COUNTER; its bit for reads: */
#define MSR_BYTE 2
#define MSR_BIT 1
#define MANY 40 /* more changes than anyone takes for rare */

static struct play play;
static u8 *bitmap, *other;

static void use_bitmap(const u8 *page)
{
	u32 secondary = (u32)vmcs_get(VMCS_PROC_CONTROLS) & PROC_ACTIVATE_SECONDARY;

	VMCS_SET({VMCS_PROC_CONTROLS, vmx_controls(PROC, PROC_USE_MSR_BITMAPS | secondary)},
		 {VMCS_MSR_BITMAP, (u64)page});
}

/* A page of its own for each test, that L2 has written to before: whoever watches it begins anew. */
static void use_fresh(void)
{
	bitmap = far_alloc(PAGE_SIZE, PAGE_SIZE);
	play_access(WRITE, (u64)bitmap);
	memory_set(bitmap, 0, PAGE_SIZE);
	use_bitmap(bitmap);
}

static u32 expected(bool exits)
{
	return exits ? EXIT_REASON_RDMSR : EXIT_REASON_VMCALL;
}

static void reads(struct series *s, const char *item, bool exits)
{
	series_value(s, item, expected(exits), play_run(l2_msr, MSR, 0, 0, 0)->reason);
}

static void by_l1(const char *what)
{
	struct series all = {.rule = "R78", .what = what};

	use_fresh();
	for (unsigned i = 0; i < MANY; i++) {
		bitmap[MSR_BYTE] = i % 3 ? MSR_BIT : 0;
		reads(&all, "changed", i % 3);
		reads(&all, "not changed", i % 3);
		bitmap[MSR_BYTE + 1] ^= 1; /* another MSR's */
		reads(&all, "another", i % 3);
	}
	series_end(&all);
}

/*
 * L2 exits after its write, and is resumed: what a change means while L2 runs is undefined. SDM: "Software
 * Access to Related Structures".
 */
static void by_l2(const char *what)
{
	struct series all = {.rule = "R78", .what = what};

	use_fresh();
	for (unsigned i = 0; i < MANY; i++) {
		bool exits = i % 3;
		const struct vm_exit *e =
			play_run(l2_msr, MSR, (u64)&bitmap[MSR_BYTE], exits ? MSR_BIT : 0, 1);
		series_value(&all, "after the write", EXIT_REASON_VMCALL, e->reason);
		e = play_resume();
		series_value(&all, "changed", expected(exits), e->reason);
		reads(&all, "not changed", exits);
	}
	series_end(&all);
}

/* The operand of a VMX instruction is written to by whoever executes it. */
static void by_operand(void)
{
	struct series all = {.rule = "R78",
			     .what = "changed by VMREAD and VMPTRST with a memory operand"};
	u64 pointer = 0;

	use_fresh();
	vmptrst(&pointer);
	for (unsigned i = 0; i < MANY; i++) {
		bool exits = i % 3;
		vmcs_set(VMCS_TSC_OFFSET, exits ? (u64)MSR_BIT << (8 * MSR_BYTE) : 0);
		vmread_memory(VMCS_TSC_OFFSET, bitmap);
		reads(&all, "VMREAD", exits);
		bitmap[MSR_BYTE] = exits ? 0 : MSR_BIT;
		reads(&all, "L1", !exits);
		vmptrst(bitmap);
		reads(&all, "VMPTRST", pointer >> (8 * MSR_BYTE) & MSR_BIT);
	}
	vmcs_set(VMCS_TSC_OFFSET, 0);
	series_end(&all);
}

static void two_pages(void)
{
	struct series all = {.rule = "R78", .what = "two bitmaps in turn, and the other one changes"};

	use_fresh();
	other = bitmap;
	use_fresh();
	for (unsigned i = 0; i < MANY; i++) {
		bitmap[MSR_BYTE] = i % 2 ? MSR_BIT : 0;
		use_bitmap(other);
		reads(&all, "the second", i % 5 == 1);
		other[MSR_BYTE] = i % 5 == 0 ? MSR_BIT : 0;
		use_bitmap(bitmap);
		reads(&all, "the first", i % 2);
	}
	series_end(&all);
}

/* More pages than anyone keeps. */
static void many_pages(void)
{
	struct series all = {.rule = "R78", .what = "100 bitmaps in turn"};
	u8 *pages = far_alloc(100 * PAGE_SIZE, PAGE_SIZE);

	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < 100; i++) {
			u8 *page = pages + i * PAGE_SIZE;
			if (round % 2 == 0)
				page[MSR_BYTE] = (i + round / 2) % 2 ? MSR_BIT : 0;
			use_bitmap(page);
			reads(&all, "page", (i + round / 2) % 2);
		}
	series_end(&all);
}

void test_bitmaps(void)
{
	play_create(&play);
	play_launch(&play);
	by_l1("an MSR bitmap changed by L1, between two entries");
	by_l2("changed by L2, then an exit");
	by_operand();
	play_launch_without();
	by_l1("without EPT: changed by L1");
	by_l2("without EPT: changed by L2, then an exit");
	two_pages();
	many_pages();
}
