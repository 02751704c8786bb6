/*
 * Pages of each size, and their accessed and dirty flags. SDM: "EPT Translation Mechanism", "Accessed and
 * Dirty Flags for EPT".
 */
#include "guest/ept/play.h"
#include "guest/lib/check.h"
#include "vmx/caps.h"
#include "vmx/msr.h"

static struct play play;

static void small_pages(void)
{
	struct series all = {.rule = "R82", .what = "4 KiB pages in any order"};

	for (unsigned i = 0; i < 512; i++)
		play.table[i] = page_of(i * 7 % PAGES) | EPT_WB | EPT_RWX;
	play_invept(&play);
	for (unsigned i = 0; i < 512; i++)
		play_reads(&all, "page", PLAY + i * PAGE_SIZE, page_value(i * 7 % PAGES));
	series_end(&all);
}

static void large_pages(void)
{
	struct series all = {.rule = "R82", .what = "2 MiB and 1 GiB pages"};

	if (play_has(EPT_CAP_2M)) {
		for (unsigned i = 0; i < 512; i++)
			play.directory[i] = page_of(0) | EPT_LARGE | EPT_WB | EPT_RWX;
		play_invept(&play);
		for (unsigned i = 0; i < 512; i += 5)
			play_reads(&all, "2 MiB", PLAY + i * SIZE_2M + i % PAGES * PAGE_SIZE,
				   page_value(i % PAGES));
	}
	if (play_has(EPT_CAP_1G)) {
		play.pdpt[PLAY_INDEX] = EPT_LARGE | EPT_WB | EPT_RWX;
		play_invept(&play);
		for (unsigned i = 0; i < PAGES; i++)
			play_reads(&all, "1 GiB", PLAY + page_of(i), page_value(i));
		play.pdpt[PLAY_INDEX] = (u64)play.directory | EPT_RWX;
	}
	play.directory[0] = (u64)play.table | EPT_RWX;
	play_invept(&play);
	series_end(&all);
}

/* A table and a large page take each other's place. */
static void exchange(void)
{
	struct series all = {.rule = "R84",
			     .what = "a table and a large page change places, then INVEPT"};

	for (unsigned i = 0; i < 512; i++)
		play.table[i] = page_of(3) | EPT_WB | EPT_RWX;
	for (unsigned round = 0; round < 4 && play_has(EPT_CAP_2M); round++) {
		play.directory[0] = page_of(0) | EPT_LARGE | EPT_WB | EPT_RWX;
		play_invept(&play);
		play_reads(&all, "large", PLAY, page_value(0));
		play_reads(&all, "large", PLAY + 9 * PAGE_SIZE, page_value(9));
		play.directory[0] = (u64)play.table | EPT_RWX;
		play_invept(&play);
		play_reads(&all, "table", PLAY + 9 * PAGE_SIZE, page_value(3));
		play_reads(&all, "table", PLAY, page_value(3));
	}
	series_end(&all);
}

void test_leaves(void)
{
	play_create(&play);
	play_launch(&play);
	small_pages();
	large_pages();
	exchange();
}

/* --- accessed and dirty flags --- */

static u64 flags_of(u64 entry)
{
	return entry & (EPT_A | EPT_D);
}

static void plain(void)
{
	play.pml4[0] = (u64)play.pdpt | EPT_RWX;
	play.pdpt[PLAY_INDEX] = (u64)play.directory | EPT_RWX;
	play.directory[0] = (u64)play.table | EPT_RWX;
	for (unsigned i = 0; i < 64; i++)
		play.table[i] = page_of(i) | EPT_WB | EPT_RWX;
}

static void set_by_access(void)
{
	struct series all = {.rule = "R83",
			     .what = "accessed and dirty: set where L2 has been, and only there"};

	plain();
	play_invept(&play);
	play_works(&all, "page 9", READ, PLAY + 9 * PAGE_SIZE);
	series_value(&all, "root", EPT_A, flags_of(play.pml4[0]));
	series_value(&all, "PDPT", EPT_A, flags_of(play.pdpt[PLAY_INDEX]));
	series_value(&all, "directory", EPT_A, flags_of(play.directory[0]));
	series_value(&all, "read", EPT_A, flags_of(play.table[9]));
	play_works(&all, "page 10", EXECUTE, PLAY + 10 * PAGE_SIZE);
	series_value(&all, "executed", EPT_A, flags_of(play.table[10]));
	play_works(&all, "page 9", WRITE, PLAY + 9 * PAGE_SIZE);
	series_value(&all, "written", EPT_A | EPT_D, flags_of(play.table[9]));
	play_works(&all, "page 11", WRITE, PLAY + 11 * PAGE_SIZE);
	series_value(&all, "written at once", EPT_A | EPT_D, flags_of(play.table[11]));
	for (unsigned i = 0; i < 64; i++)
		if (i < 9 || i > 11)
			series_value(&all, "a page beside it", 0, flags_of(play.table[i]));
	series_value(&all, "directory, not dirty", EPT_A, flags_of(play.directory[0]));
	series_end(&all);
}

/* What L1 does to find out what L2 writes to: it clears the flags, and INVEPT. */
static void cleared_again(void)
{
	struct series all = {.rule = "R83",
			     .what = "flags that were cleared, then INVEPT, are set again"};

	plain();
	play_invept(&play);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 16; i++)
			play_works(&all, "all", WRITE, PLAY + i * PAGE_SIZE);
		for (unsigned i = 0; i < 16; i++)
			play.table[i] &= ~(round == 1 ? EPT_D : EPT_A | EPT_D);
		play_invept(&play);
		u64 before = round == 1 ? EPT_A : 0;
		play_works(&all, "3", READ, PLAY + 3 * PAGE_SIZE);
		series_value(&all, "read", EPT_A, flags_of(play.table[3]));
		play_works(&all, "5", WRITE, PLAY + 5 * PAGE_SIZE);
		for (unsigned i = 0; i < 16; i++)
			series_value(&all, "after one write",
				     i == 5 ? EPT_A | EPT_D :
				     i == 3 ? EPT_A :
					      before,
				     flags_of(play.table[i]));
		play_works(&all, "6", WRITE, PLAY + 6 * PAGE_SIZE);
		series_value(&all, "the next page", EPT_A | EPT_D, flags_of(play.table[6]));
	}
	series_end(&all);
}

static void of_large_pages(void)
{
	struct series all = {.rule = "R83", .what = "flags of large pages"};

	plain();
	for (unsigned i = 1; i < 16; i++)
		play.directory[i] = page_of(0) | EPT_LARGE | EPT_WB | EPT_RWX;
	play_invept(&play);
	if (play_has(EPT_CAP_2M)) {
		play_works(&all, "3", READ, PLAY + 3 * SIZE_2M);
		play_works(&all, "5", WRITE, PLAY + 5 * SIZE_2M);
		for (unsigned i = 1; i < 16; i++)
			series_value(&all, "2 MiB",
				     i == 3 ? EPT_A :
				     i == 5 ? EPT_A | EPT_D :
					      0,
				     flags_of(play.directory[i]));
		play_works(&all, "3", WRITE, PLAY + 3 * SIZE_2M + 9 * PAGE_SIZE);
		series_value(&all, "written later", EPT_A | EPT_D, flags_of(play.directory[3]));
	}
	series_end(&all);
}

static void off(void)
{
	struct series all = {.rule = "R83", .what = "flags that are off stay as they are"};

	plain();
	play_invept(&play);
	play_works(&all, "1", READ, PLAY + PAGE_SIZE);
	play_works(&all, "2", WRITE, PLAY + 2 * PAGE_SIZE);
	series_value(&all, "PDPT", 0, flags_of(play.pdpt[PLAY_INDEX]));
	for (unsigned i = 0; i < 8; i++)
		series_value(&all, "table", 0, flags_of(play.table[i]));
	series_end(&all);
}

/* A walk of L2's page tables counts as a write to them. */
static void of_page_walk(void)
{
	struct series all = {.rule = "R83", .what = "a page walk of L2's makes its tables dirty"};
	u64 *own = ept_entry(play.eptp, read_cr3());

	plain();
	*own &= ~(EPT_A | EPT_D);
	play_invept(&play);
	play_works(&all, "1", READ, PLAY + PAGE_SIZE);
	series_value(&all, "L2's page-map level-4 table", EPT_A | EPT_D, flags_of(*own));
	series_end(&all);
}

void test_flags(void)
{
	play_create(&play);
	play_launch(&play);
	off();
	if (!play_has(EPT_CAP_AD)) {
		print("~ R83: no accessed and dirty flags\n");
		return;
	}
	play.eptp |= EPTP_AD;
	play_launch(&play);
	set_by_access();
	cleared_again();
	of_large_pages();
	of_page_walk();
}
