/*
 * What an exit of L2, or its first touch of a page, costs as things grow: lines `point CURVE X
 * INSTRUCTIONS`, where X counts what grows.
 */
#include "guest/bench/bench.h"
#include "guest/lib/asm.h"
#include "guest/lib/console.h"
#include "guest/lib/ept.h"
#include "guest/lib/multiboot.h"

#define SIZE_2M 0x200000ull
#define MIB 0x100000ull
#define ROUNDS 500
#define MANY 1000 /* vmcs12s */
#define MANY_EPTS 100
#define SPLIT_SIZE (64 * MIB) /* that EPT12 maps by 4 KiB pages */
#define FRESH 512 /* pages that are touched to see what one costs: a whole table */

static const struct plan calling = {l2_vmcall, EXIT_REASON_VMCALL, WITH_EPT};
static const struct plan touching = {l2_touch, EXIT_REASON_VMCALL, WITH_EPT};

static struct vm many[MANY];

static void point(const char *curve, u64 x, u64 ticks, u64 n)
{
	print("point %s %lu %lu\n", curve, x, (ticks + n / 2) / n);
}

/* 1, 2, 5, 10, 20, 50 ... */
static u64 next_step(u64 x)
{
	u64 first = x;
	while (first >= 10)
		first /= 10;
	return first == 2 ? x / 2 * 5 : x * 2;
}

/* The instructions of n exits, of the first k virtual machines in turn. */
static u64 exits_in_turn(u64 k, u64 n)
{
	u64 bad = 0, start = rdtsc();

	for (u64 i = 0; i < n; i++) {
		struct vm *m = &many[i % k];
		fast_vmptrld((const u64 *)&m->region);
		bad |= vm_round(m, true);
	}
	start = rdtsc() - start;
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return start;
}

/* Virtual machines in turn; each with an EPT12 of its own, or all with the same. */
static void curve_in_turn(const char *name, u64 last, bool own_ept)
{
	u64 made = 0;

	for (u64 k = 1; k <= last; k = next_step(k)) {
		for (; made < k; made++) {
			if (own_ept || made == 0)
				vm_create(&many[made], &calling);
			else
				vm_create_on(&many[made], &calling, many[0].eptp);
			vm_launch(&many[made]);
		}
		exits_in_turn(k, k);
		u64 n = k > ROUNDS ? k : ROUNDS;
		point(name, k, exits_in_turn(k, n), n);
	}
}

/* L2 touches n pages from here on; gives the instructions. */
static u64 touch_pages(u64 from, u64 n)
{
	vm.gpr[RDI] = from;
	vm.gpr[RSI] = n;
	vm.gpr[RCX] = PAGE_SIZE;
	u64 bad = vm_round(&vm, true);
	if (bad)
		figure_bad("exit reason, or its difference", bad);
	return vm.gpr[RAX];
}

/* L2 touches a page that it has, and exits. */
static u64 exits_touching(u64 page)
{
	u64 start = rdtsc();

	for (unsigned i = 0; i < ROUNDS; i++)
		touch_pages(page, 1);
	return rdtsc() - start;
}

/* EPT12 has 4 KiB entries for the first split_size bytes from `area` on, before L2 ever runs. */
static void touch_create(u64 area, u64 split_size)
{
	vm_create(&vm, &touching);
	for (u64 at = area; at < area + split_size; at += SIZE_2M)
		ept_entry(vm.eptp, at);
	vm.gpr[RDI] = area;
	vm_launch(&vm);
}

/* An exit against the memory that L2 uses, in MiB, which EPT12 maps by 2 MiB pages. */
static void curve_l2_memory(u64 area, u64 size)
{
	touch_create(area, 0);
	for (u64 used = 0, mib = 1; mib * MIB <= size; mib = next_step(mib)) {
		touch_pages(area + used, (mib * MIB - used) / PAGE_SIZE);
		used = mib * MIB;
		point("exit_l2_memory_mib", mib, exits_touching(area), ROUNDS);
	}
}

/* An exit against the 4 KiB entries of EPT12 that L2 has used. */
static void curve_ept12_entries(u64 area)
{
	touch_create(area, SPLIT_SIZE);
	for (u64 used = 0, n = 1; n * PAGE_SIZE <= SPLIT_SIZE; n = next_step(n)) {
		touch_pages(area + used * PAGE_SIZE, n - used);
		used = n;
		point("exit_ept12_entries", n, exits_touching(area), ROUNDS);
	}
}

/* The first touch of a page against the number of those that are mapped already. */
static void curve_first_touch(const char *name, u64 area, u64 size, bool split)
{
	touch_create(area, split ? size : 0);
	for (u64 used = 0, n = 2 * FRESH; (n + FRESH) * PAGE_SIZE <= size; n *= 2) {
		touch_pages(area + used * PAGE_SIZE, n - used);
		point(name, n, touch_pages(area + n * PAGE_SIZE, FRESH), FRESH);
		used = n + FRESH;
	}
}

void scale_main(void)
{
	curve_in_turn("exit_vmcs12s", MANY, false);
	curve_in_turn("exit_ept12s", MANY_EPTS, true);
	u64 size = (area_left() - SIZE_2M) & ~(SIZE_2M - 1);
	u64 area = area_alloc(size, SIZE_2M);
	curve_l2_memory(area, size);
	curve_ept12_entries(area);
	curve_first_touch("first_touch_pages", area, SPLIT_SIZE, true);
	curve_first_touch("first_touch_2m_pages", area, size, false);
	print("end\n");
}

/* One point of the curve that several machines make. */
void scale_memory_main(void)
{
	u64 memory = 0;

	for (unsigned i = 0; i < multiboot.map_count; i++)
		if (multiboot.map[i].type == MULTIBOOT_RAM)
			memory += multiboot.map[i].size;
	vm_create(&many[0], &calling);
	vm_launch(&many[0]);
	exits_in_turn(1, ROUNDS);
	point("exit_l1_memory_mib", memory >> 20, exits_in_turn(1, ROUNDS), ROUNDS);
	print("end\n");
}
