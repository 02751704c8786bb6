/*
 * L2's memory, and its ports: L2 runs a loop by itself and counts.
 */
#include "guest/bench/bench.h"
#include "guest/lib/asm.h"
#include "guest/lib/ept.h"

#define SIZE_2M 0x200000ull
#define TOUCH_SIZE (20ull << 20)
#define TOUCH_PAGES 64 /* that are touched in turn after INVEPT */

static u64 touch_at;

static u64 touch_area(void)
{
	static u64 area;
	if (!area)
		area = area_alloc(TOUCH_SIZE, SIZE_2M);
	return area;
}

static void launch_touching(u64 page)
{
	vm.gpr[RDI] = page;
	vm.gpr[RSI] = 1;
	vm_launch(&vm);
}

/* L2's first page is touched here: what comes then is steady. */
void prepare_touch_2m(const struct figure *f)
{
	vm_create(&vm, &f->plan);
	launch_touching(touch_area());
	touch_at = touch_area() + SIZE_2M;
}

void prepare_touch(const struct figure *f)
{
	u64 area = touch_area();

	vm_create(&vm, &f->plan);
	for (u64 at = area; at < area + TOUCH_SIZE; at += SIZE_2M)
		ept_entry(vm.eptp, at); /* splits it */
	launch_touching(area);
	touch_at = area + SIZE_2M;
}

void prepare_touch_one(const struct figure *f)
{
	vm_create(&vm, &f->plan);
	launch_touching(touch_area());
	for (u64 i = 0; i < TOUCH_PAGES; i++) {
		vm.gpr[RDI] = touch_area() + i * PAGE_SIZE;
		vm_round(&vm, true);
	}
}

/* L2 runs once, and says in RAX how long its loop took. */
u64 run_in_l2(const struct figure *f, unsigned n)
{
	(void)f;
	vm.gpr[RSI] = n;
	u64 bad = vm_round(&vm, true);
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return vm.gpr[RAX];
}

static u64 touch_by(const struct figure *f, unsigned n, u64 stride)
{
	vm.gpr[RDI] = touch_at;
	vm.gpr[RCX] = stride;
	touch_at += n * stride;
	if (touch_at > touch_area() + TOUCH_SIZE)
		figure_bad("more pages than there are", touch_at);
	return run_in_l2(f, n);
}

u64 run_touch(const struct figure *f, unsigned n)
{
	return touch_by(f, n, PAGE_SIZE);
}

/* No page's neighbour is ever touched. */
u64 run_touch_sparse(const struct figure *f, unsigned n)
{
	return touch_by(f, n, 16 * PAGE_SIZE);
}

/* INVEPT, an entry, one page that L2 had before, and the exit. */
u64 run_touch_after_invept(const struct figure *f, unsigned n)
{
	struct invept_descriptor d = {vm.eptp, 0};
	u64 bad = 0, start = rdtsc();

	(void)f;
	for (unsigned i = 0; i < n; i++) {
		fast_invept(INVEPT_SINGLE_CONTEXT, &d);
		vm.gpr[RDI] = touch_area() + i % TOUCH_PAGES * PAGE_SIZE;
		bad |= vm_round(&vm, true);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}
