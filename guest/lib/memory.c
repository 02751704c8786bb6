#include "guest/lib/memory.h"

#include "guest/lib/asm.h"
#include "guest/lib/console.h"

#define PAGES 1024
#define ENTRY_ADDRESS BITS(51, 12)

static u8 pages[PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned pages_used;

void *page_alloc(void)
{
	if (pages_used == PAGES) {
		print("FAIL no pages left\n");
		power_off();
	}
	return memory_set(pages[pages_used++], 0, PAGE_SIZE);
}

/* The entry for `linear` in the level of this shift, made with the tables above it that are missing. */
static u64 *entry_at(u64 linear, unsigned last)
{
	u64 *table = (u64 *)(read_cr3() & ENTRY_ADDRESS);

	for (unsigned shift = 39; shift > last; shift -= 9) {
		u64 *entry = &table[linear >> shift & 511];
		if (!(*entry & PTE_P))
			*entry = (u64)page_alloc() | PTE_P | PTE_W | PTE_U;
		table = (u64 *)(*entry & ENTRY_ADDRESS);
	}
	return &table[linear >> last & 511];
}

static u64 *entry_find(u64 linear)
{
	return entry_at(linear, 12);
}

void page_set_table(u64 linear, u64 physical)
{
	*entry_at(linear, 21) = (physical & ENTRY_ADDRESS) | PTE_P | PTE_W;
	write_cr3(read_cr3());
}

void page_map(u64 linear, u64 physical, u64 flags)
{
	*entry_find(linear) = (physical & ENTRY_ADDRESS) | flags;
	invlpg(linear);
}

void page_flags(u64 linear, u64 flags)
{
	u64 *entry = entry_find(linear);
	*entry = (*entry & ENTRY_ADDRESS) | flags;
	invlpg(linear);
}

u64 page_get_flags(u64 linear)
{
	return *entry_find(linear) & ~ENTRY_ADDRESS;
}

void *memory_set(void *to, int value, size_t n)
{
	u8 *p = to;
	while (n--)
		*p++ = (u8)value;
	return to;
}

void *memory_copy(void *to, const void *from, size_t n)
{
	u8 *p = to;
	const u8 *q = from;
	while (n--)
		*p++ = *q++;
	return to;
}

bool memory_equal(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;
	while (n--)
		if (*p++ != *q++)
			return false;
	return true;
}

/* The compiler calls these for struct copies and initialisers. */
void *memset(void *to, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *memset(void *to, int value, size_t n)
{
	return memory_set(to, value, n);
}

void *memcpy(void *to, const void *from, size_t n)
{
	return memory_copy(to, from, n);
}
