#include "guest/lib/ept.h"

#include "guest/lib/memory.h"

#define SIZE_2M 0x200000ull
#define DIRECTORIES 4 /* of 1 GiB each */
#define ENTRY_ADDRESS BITS(51, 12)

u64 ept_create(void)
{
	u64 *pml4 = page_alloc(), *pdpt = page_alloc();

	pml4[0] = (u64)pdpt | EPT_RWX;
	for (u64 i = 0; i < DIRECTORIES; i++) {
		u64 *directory = page_alloc();
		pdpt[i] = (u64)directory | EPT_RWX;
		for (u64 k = 0; k < 512; k++)
			directory[k] = (i * 512 + k) * SIZE_2M | EPT_LARGE | EPT_WB | EPT_RWX;
	}
	return (u64)pml4 | MT_WB | EPTP_LEVELS(4);
}

static u64 split_2m(u64 entry)
{
	u64 *table = page_alloc();
	u64 flags = entry & ~ENTRY_ADDRESS & ~EPT_LARGE;

	for (u64 i = 0; i < 512; i++)
		table[i] = (entry & ENTRY_ADDRESS) + i * PAGE_SIZE + flags;
	return (u64)table | EPT_RWX;
}

u64 *ept_entry(u64 eptp, u64 physical)
{
	u64 *pdpt = (u64 *)(*(u64 *)(eptp & ENTRY_ADDRESS) & ENTRY_ADDRESS);
	u64 *directory = (u64 *)(pdpt[physical >> 30] & ENTRY_ADDRESS);
	u64 *entry = &directory[physical >> 21 & 511];

	if (*entry & EPT_LARGE)
		*entry = split_2m(*entry);
	return (u64 *)(*entry & ENTRY_ADDRESS) + (physical >> 12 & 511);
}

void ept_map(u64 eptp, u64 physical, const void *page)
{
	*ept_entry(eptp, physical) = (u64)page | EPT_WB | EPT_RWX;
}
