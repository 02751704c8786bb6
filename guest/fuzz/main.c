/*
 * VM entry by random: enters VMCSs with one to four fields changed, and prints what came of it as hashes, to
 * be compared between the bare machine and Nestling. tools/diff-fuzz does that.
 *
 * Arguments: seed=S n=N (entries) start=I (number of the first) step=K (entries to a line)
 *            each (a line for every entry, on the debug port) at=I (only this entry, and all of it; more than once: those)
 */
#include "guest/fuzz/fuzz.h"
#include "guest/fuzz/record.h"

#include "guest/lib/console.h"
#include "guest/lib/multiboot.h"
#include "guest/lib/start.h"

static u64 number(const char *digits)
{
	u64 value = 0;

	for (; *digits >= '0' && *digits <= '9'; digits++)
		value = value * 10 + (u64)(*digits - '0');
	return value;
}

/* The numbers of the arguments "name=..." (name has the '='), up to max of them; gives how many. */
static unsigned arguments(const char *name, u64 *values, unsigned max)
{
	unsigned count = 0;

	for (const char *at = multiboot.args; *at && count < max; at++) {
		const char *n = name, *a = at;
		if (at != multiboot.args && at[-1] != ' ')
			continue;
		while (*n && *n == *a)
			n++, a++;
		if (!*n)
			values[count++] = number(a);
	}
	return count;
}

static u64 argument(const char *name, u64 otherwise)
{
	u64 value = otherwise;

	arguments(name, &value, 1);
	return value;
}

#define AT_MAX 32

struct run {
	u64 seed, n, start, step;
	u64 at[AT_MAX];
	unsigned at_count;
	bool each;
	u64 kinds[OUTCOME_KINDS];
};

static void print_short(const struct entry *e, const struct result *r)
{
	print_debug("entry %lu %c%x %08x\n", e->number, "frx"[r->kind],
		    r -> kind == FAILED ? r -> error : r -> reason & 0xffff, (u32)r -> hash);
}

static void print_long(const struct entry *e, const struct result *r)
{
	static const char *const kinds[OUTCOME_KINDS] = {"failed", "refused", "exited"};

	print("entry %lu: base \"%s\" %s error %u reason 0x%x qualification 0x%lx flags 0x%lx hash %016lx\n",
	      e->number, e->base->name, kinds[r->kind], r->error, r->reason, r->qualification, r->flags,
	      r->hash);
}

static void run_some(struct run *run)
{
	static struct entry e;
	struct result r;

	for (unsigned i = 0; i < run->at_count; i++) {
		mutate(&e, run->seed, run->at[i]);
		result_of(&e, true, true, &r);
		print_long(&e, &r);
		run->kinds[r.kind]++;
	}
}

static void run_all(struct run *run)
{
	static struct entry e;
	struct result r;
	u64 hash = 0, end = run->start + run->n;

	for (u64 i = run->start; i < end; i++) {
		mutate(&e, run->seed, i);
		result_of(&e, run->each, false, &r);
		if (run->each)
			print_short(&e, &r);
		run->kinds[r.kind]++;
		hash = random_mix(hash ^ r.hash);
		if ((i + 1 - run->start) % run->step == 0 || i + 1 == end) {
			print("upto %lu hash %016lx\n", i + 1, hash);
			hash = 0;
		}
	}
}

void guest_main(void)
{
	static struct run run;

	run = (struct run){
		.seed = argument("seed=", 1),
		.n = argument("n=", 1000),
		.start = argument("start=", 0),
		.step = argument("step=", 1000),
		.each = multiboot_argument("each"),
	};
	run.at_count = arguments("at=", run.at, AT_MAX);
	print("VM entries at random: seed=%lu n=%lu start=%lu\n", run.seed, run.n, run.start);
	if (!vmx_present() || !vmx_prepare() || run.step == 0 || run.n == 0) {
		print("FAIL no VMX, or n=0 or step=0\n");
		return;
	}
	vmx_on();
	arena_init();
	bases_init();
	result_init();
	l1_state_init();
	u64 before = rdtsc();
	if (run.at_count)
		run_some(&run);
	else
		run_all(&run);
	print("~ %lu instructions an entry\n", (rdtsc() - before) / run.n);
	exclude_print();
	mask_print();
	print("done: %lu failed, %lu refused, %lu exited\n", run.kinds[FAILED], run.kinds[REFUSED],
	      run.kinds[EXITED]);
}
