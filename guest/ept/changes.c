/*
 * R84: what L1 changes, with INVEPT and without; several EPT pointers. SDM: "Caching Translation
 * Information", "Guidelines for Use of the INVEPT Instruction".
 */
#include "guest/ept/play.h"
#include "guest/lib/check.h"
#include "vmx/caps.h"

static struct play play;

static void plain(u64 rights)
{
	play.directory[0] = (u64)play.table | EPT_RWX;
	for (unsigned i = 0; i < 64; i++)
		play.table[i] = page_of(i) | EPT_WB | rights;
	play_invept(&play);
}

/* More is allowed than before: no INVEPT, and no exit that tells of what was. */
static void added(void)
{
	struct series all = {.rule = "R84", .what = "rights that are added need no INVEPT"};
	u64 at = PLAY + 20 * PAGE_SIZE;

	plain(0);
	play_violates(&all, "nothing", READ, at, 0);
	play.table[20] |= EPT_R;
	play_reads(&all, "then R", at, page_value(20));
	play_violates(&all, "R", WRITE, at, EPT_R);
	play.table[20] |= EPT_W;
	play_works(&all, "then W", WRITE, at);
	play_violates(&all, "RW", EXECUTE, at, EPT_R | EPT_W);
	play.table[20] |= EPT_X;
	play_works(&all, "then X", EXECUTE, at);
	for (unsigned i = 16; i < 24; i++)
		if (i != 20)
			play_violates(&all, "beside it", READ, PLAY + i * PAGE_SIZE, 0);
	series_end(&all);
}

static void added_untouched(void)
{
	struct series all = {.rule = "R84", .what = "the same for pages beside one that was touched"};

	plain(EPT_R);
	play_reads(&all, "20", PLAY + 20 * PAGE_SIZE, page_value(20));
	for (unsigned i = 0; i < 64; i++)
		play.table[i] |= EPT_W | EPT_X;
	for (unsigned i = 0; i < 64; i++) {
		play_works(&all, "W", WRITE, PLAY + i * PAGE_SIZE);
		play_works(&all, "X", EXECUTE, PLAY + i * PAGE_SIZE);
	}
	series_end(&all);
}

static void added_above(void)
{
	struct series all = {.rule = "R84", .what = "the same for the tables above"};

	plain(EPT_RWX);
	play.directory[0] = (u64)play.table | EPT_R;
	play.pdpt[PLAY_INDEX] = (u64)play.directory | EPT_R;
	play_invept(&play);
	play_works(&all, "R", READ, PLAY);
	play_violates(&all, "R", WRITE, PLAY, EPT_R);
	play.directory[0] |= EPT_W;
	play_violates(&all, "still R", WRITE, PLAY, EPT_R);
	play.pdpt[PLAY_INDEX] |= EPT_W | EPT_X;
	play_works(&all, "RW", WRITE, PLAY);
	play_works(&all, "RW", WRITE, PLAY + PAGE_SIZE);
	play_violates(&all, "RW", EXECUTE, PLAY + PAGE_SIZE, EPT_R | EPT_W);
	play.directory[0] |= EPT_X;
	play_works(&all, "RWX", EXECUTE, PLAY + PAGE_SIZE);
	play.directory[1] = (u64)play.table | EPT_RWX;
	play_works(&all, "a new table", WRITE, PLAY + SIZE_2M + PAGE_SIZE);
	series_end(&all);
}

static void forget(bool single)
{
	if (single)
		play_invept(&play);
	else
		play_invept_all();
}

static void removed(bool single)
{
	struct series all = {.rule = "R84",
			     .what = single ? "what is taken away is gone after INVEPT, single context" :
					      "the same after INVEPT, global"};

	if (!play_has(single ? EPT_CAP_INVEPT_SINGLE : EPT_CAP_INVEPT_GLOBAL)) {
		series_end(&all);
		return;
	}
	plain(EPT_RWX);
	for (unsigned i = 0; i < 16; i++)
		play_works(&all, "all", WRITE, PLAY + i * PAGE_SIZE);
	for (unsigned i = 0; i < 64; i++)
		play.table[i] &= i % 2 ? ~EPT_W : ~EPT_RWX;
	forget(single);
	for (unsigned i = 0; i < 64; i++) {
		play_violates(&all, "taken away", WRITE, PLAY + i * PAGE_SIZE, i % 2 ? EPT_R | EPT_X : 0);
		if (i % 2)
			play_works(&all, "left", READ, PLAY + i * PAGE_SIZE);
	}
	plain(EPT_RWX);
	play_works(&all, "again", WRITE, PLAY);
	play.directory[0] = 0;
	forget(single);
	play_violates(&all, "no table", READ, PLAY, 0);
	plain(EPT_RWX);
	for (unsigned i = 0; i < 64; i++)
		play_reads(&all, "again", PLAY + i * PAGE_SIZE, page_value(i));
	series_end(&all);
}

static void moved(void)
{
	struct series all = {.rule = "R84", .what = "other pages in the same places, after INVEPT"};

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 64; i++)
			play.table[i] = page_of((i + round) % PAGES) | EPT_WB | EPT_R;
		play_invept(&play);
		for (unsigned i = 0; i < 64; i++)
			play_reads(&all, "page", PLAY + i * PAGE_SIZE, page_value((i + round) % PAGES));
	}
	series_end(&all);
}

void test_changes(void)
{
	play_create(&play);
	play_launch(&play);
	added();
	added_untouched();
	added_above();
	removed(true);
	removed(false);
	moved();
}

/* --- several EPT pointers --- */

static struct play other;

static void there_and_back(void)
{
	struct series all = {.rule = "R84", .what = "from one EPT pointer to another and back"};

	for (unsigned i = 0; i < 64; i++) {
		play.table[i] = page_of(i) | EPT_WB | EPT_RWX;
		other.table[i] = page_of(63 - i) | EPT_WB | EPT_R;
	}
	for (unsigned i = 0; i < 64; i++) {
		play_switch(&play);
		play_reads(&all, "the first", PLAY + i * PAGE_SIZE, page_value(i));
		play_switch(&other);
		play_reads(&all, "the second", PLAY + i * PAGE_SIZE, page_value(63 - i));
		play_violates(&all, "the second", EXECUTE, PLAY + i * PAGE_SIZE, EPT_R);
	}
	series_end(&all);
}

/* INVEPT of one says nothing of the other; L2 need not run under the one that it names. */
static void forgotten_elsewhere(void)
{
	struct series all = {.rule = "R84", .what = "INVEPT for a pointer that is not in use"};

	play_switch(&other);
	play_works(&all, "the second", READ, PLAY);
	play_switch(&play);
	play_works(&all, "the first", READ, PLAY);
	other.table[0] = 0;
	play_invept(&other);
	play_reads(&all, "the first", PLAY, page_value(0));
	play_switch(&other);
	play_violates(&all, "the second", READ, PLAY, 0);
	other.table[0] = page_of(63) | EPT_WB | EPT_R;
	play_reads(&all, "the second", PLAY, page_value(63));
	series_end(&all);
}

/* Two pointers with the same tables below. */
static void shared(void)
{
	struct series all = {.rule = "R84", .what = "tables that two EPT pointers share"};
	struct play twin;

	play_create_beside(&twin, &play);
	for (unsigned round = 0; round < 8; round++) {
		play.table[round] = page_of(round + 8) | EPT_WB | EPT_RWX;
		if (round % 2) {
			play_invept_all();
		} else {
			play_invept(&play);
			play_invept(&twin);
		}
		play_switch(&play);
		play_reads(&all, "the first", PLAY + round * PAGE_SIZE, page_value(round + 8));
		play_switch(&twin);
		play_reads(&all, "the twin", PLAY + round * PAGE_SIZE, page_value(round + 8));
		play.table[round] = page_of(round) | EPT_WB | EPT_R;
		play_invept(&twin);
		play_violates(&all, "the twin", WRITE, PLAY + round * PAGE_SIZE, EPT_R);
		play_reads(&all, "the twin", PLAY + round * PAGE_SIZE, page_value(round));
		play_invept(&play);
		play_switch(&play);
		play_violates(&all, "the first", WRITE, PLAY + round * PAGE_SIZE, EPT_R);
	}
	series_end(&all);
}

void test_pointers(void)
{
	play_create(&play);
	play_create(&other);
	play_launch(&play);
	there_and_back();
	forgotten_elsewhere();
	shared();
}

/* --- a great many --- */

#define POINTERS 300

/* More EPT pointers than anyone keeps, each with a page of its own; and each once more. */
static void many_pointers(void)
{
	static struct play many[POINTERS];
	struct series all = {.rule = "R84", .what = "300 EPT pointers in turn, twice"};

	for (unsigned i = 0; i < POINTERS; i++) {
		play_create(&many[i]);
		for (unsigned k = 0; k < 16; k++)
			many[i].table[k] = page_of((i + k) % PAGES) | EPT_WB | EPT_RWX;
	}
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < POINTERS; i++) {
			play_switch(&many[i]);
			play_reads(&all, "page", PLAY + round * PAGE_SIZE,
				   page_value((i + round) % PAGES));
		}
	series_end(&all);
}

/*
 * One page in each 2 MiB, under some EPT pointers: a table for each of them is more than L0 has. All that
 * it costs L1 is the one table that they share.
 */
static void many_tables(void)
{
	struct series all = {.rule = "R84", .what = "L2 touches more tables than L0 keeps"};
	struct play far[6];
	char item[CHECK_TEXT];

	for (unsigned n = 0; n < ARRAY_LEN(far); n++) {
		play_create(&far[n]);
		for (unsigned i = 0; i < 512; i++)
			far[n].directory[i] = (u64)far[n].table | EPT_RWX;
		for (unsigned i = 0; i < 512; i++)
			far[n].table[i] = page_of((i + n) % PAGES) | EPT_WB | EPT_RWX;
	}
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 512 * ARRAY_LEN(far); i++) {
			unsigned n = round ? i % ARRAY_LEN(far) : i / 512;
			u64 k = round ? i / ARRAY_LEN(far) : i % 512;
			play_switch(&far[n]);
			format(item, CHECK_TEXT, "pointer %u, table %lu", n, k);
			play_reads(&all, item, PLAY + k * SIZE_2M + k * PAGE_SIZE,
				   page_value((unsigned)(k + n) % PAGES));
		}
	series_end(&all);
}

void test_many(void)
{
	play_create(&play);
	play_launch(&play);
	many_pointers();
	many_tables();
}
