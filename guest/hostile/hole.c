#include "guest/hostile/hole.h"

#include "guest/lib/console.h"
#include "guest/lib/memory.h"
#include "guest/lib/multiboot.h"

#define SIZE_1M 0x100000ull
#define SIZE_4G 0x100000000ull

u64 hole_base, hole_end;

/* The lowest start of RAM that is at `from` or above; SIZE_4G: none. */
static u64 next_ram(u64 from)
{
	u64 found = SIZE_4G;

	for (unsigned i = 0; i < multiboot.map_count; i++) {
		const struct memory_range *r = &multiboot.map[i];
		if (r->type == MULTIBOOT_RAM && r->base >= from && r->base < found)
			found = r->base;
	}
	return found;
}

/* Other holes belong to the firmware: they hold something, and must not be written to. */
static bool is_ours(u64 base, u64 end)
{
	return end > base && base % PAGE_SIZE == 0 && *(volatile u64 *)base == ~0ull &&
	       *(volatile u64 *)(end - 8) == ~0ull;
}

bool hole_find(void)
{
	for (unsigned i = 0; i < multiboot.map_count; i++) {
		const struct memory_range *r = &multiboot.map[i];
		u64 end = r->base + r->size, next = next_ram(end);
		if (r->type != MULTIBOOT_RAM || end <= SIZE_1M || next == SIZE_4G || !is_ours(end, next))
			continue;
		hole_base = end;
		hole_end = next;
	}
	return hole_end != 0;
}

bool hole_intact(void)
{
	static const unsigned offsets[] = {0, 0x7f8, 0xff8};

	for (u64 page = hole_base; page < hole_end; page += PAGE_SIZE)
		for (unsigned i = 0; i < ARRAY_LEN(offsets); i++)
			if (*(volatile u64 *)(page + offsets[i]) != ~0ull)
				return false;
	return true;
}
