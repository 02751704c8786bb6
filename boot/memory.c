#include "boot/memory.h"

#include "vmm/console.h"
#include "vmm/lib.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"
#include "vmx/x86.h"

#define LARGE 0x200000ul
#define GIB 0x40000000ul
#define FOUR_GIB 0x100000000ul
#define L0_SIZE_MIN (8 * 1024 * 1024ul)
#define L0_SIZE_MAX (64 * 1024 * 1024ul)
#define L1_MEMORY_MIN (16 * 1024 * 1024ul)

extern u8 l0_text[], l0_rodata[], l0_data[], l0_symbols[], l0_end[];
extern u8 stack_boot_guard[], stack_nmi_guard[], stack_df_guard[], stack_mc_guard[];
extern void boot_move(u64 to, u64 from, u64 size, u64 cr3);

static u64 ram_total(const struct boot_info *boot)
{
	u64 total = 0;
	for (unsigned i = 0; i < boot->map_count; i++)
		if (boot->map[i].type == MEM_RAM)
			total += boot->map[i].size;
	return total;
}

static bool overlaps(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* GRUB's modules and the image that runs now must not be overwritten by the move. */
static bool taken(const struct boot_info *boot, u64 base, u64 size, u64 *below)
{
	if (overlaps(base, size, L0_LOAD, L0_IMAGE_MAX)) {
		*below = L0_LOAD;
		return true;
	}
	for (unsigned i = 0; i < boot->module_count; i++) {
		const struct boot_module *m = &boot->module[i];
		if (overlaps(base, size, m->base, m->size)) {
			*below = m->base;
			return true;
		}
	}
	return false;
}

/* The highest 2 MiB-aligned place of this size in one range of RAM; 0 where there is none. */
static u64 place_in(const struct boot_info *boot, const struct mem_range *range, u64 size)
{
	u64 end = range->base + range->size < FOUR_GIB ? range->base + range->size : FOUR_GIB;
	while (range->type == MEM_RAM && end >= size) {
		u64 base = (end - size) & ~(LARGE - 1), below;
		if (base < range->base || base < LARGE)
			return 0;
		if (!taken(boot, base, size, &below))
			return base;
		end = below;
	}
	return 0;
}

static void choose(struct machine *m)
{
	u64 total = ram_total(m->boot);
	u64 size = (L0_SIZE_MIN + total / 256 + LARGE - 1) & ~(LARGE - 1);

	m->l0_size = size < L0_SIZE_MAX ? size : L0_SIZE_MAX;
	if (total < m->l0_size + L1_MEMORY_MIN)
		refuse("%lu MiB of memory is too little: L0 needs %lu MiB and L1 at least %lu; add memory",
		       total >> 20, m->l0_size >> 20, L1_MEMORY_MIN >> 20);
	for (unsigned i = m->boot->map_count; i-- > 0 && !m->l0_base;)
		m->l0_base = place_in(m->boot, &m->boot->map[i], m->l0_size);
	if (!m->l0_base)
		refuse("no %lu MiB of memory in one piece below 4 GiB: add memory, or load fewer modules",
		       m->l0_size >> 20);
}

/* L1's map: ours less what L0 takes, which nothing lists. */
static void make_l1_map(struct machine *m)
{
	u64 l0_end_pa = m->l0_base + m->l0_size;
	for (unsigned i = 0; i < m->boot->map_count; i++) {
		struct mem_range r = m->boot->map[i];
		if (r.size == 0)
			continue;
		if (!overlaps(r.base, r.size, m->l0_base, m->l0_size)) {
			m->map[m->map_count++] = r;
			continue;
		}
		if (r.base < m->l0_base)
			m->map[m->map_count++] = (struct mem_range){r.base, m->l0_base - r.base, r.type};
		if (r.base + r.size > l0_end_pa)
			m->map[m->map_count++] =
				(struct mem_range){l0_end_pa, r.base + r.size - l0_end_pa, r.type};
	}
}

/* Before the move the pool is reached through the boot page tables' direct map. */
static u64 *table_of(u64 pa)
{
	return (u64 *)(DIRECT_BASE + pa);
}

static u64 take_table(struct machine *m)
{
	u64 pa = l0_pa(m, m->pool.next).v;
	ASSERT(m->pool.next < m->pool.end, "page tables do not fit the pool");
	m->pool.next += PAGE_SIZE;
	memset(table_of(pa), 0, PAGE_SIZE);
	return pa;
}

/* One leaf of 4 KiB (level 0), 2 MiB (1) or 1 GiB (2). */
static void map_page(struct machine *m, u64 root, u64 va, u64 pa, unsigned level, u64 flags)
{
	u64 table = root;
	for (unsigned l = 3; l > level; l--) {
		u64 *entry = &table_of(table)[va >> (12 + 9 * l) & 511];
		if (!(*entry & PTE_P))
			*entry = take_table(m) | PTE_P | PTE_W;
		table = *entry & BITS(51, 12);
	}
	table_of(table)[va >> (12 + 9 * level) & 511] = pa | flags | PTE_P | (level ? PTE_PS : 0);
}

static u64 image_flags(const u8 *page)
{
	if (page < l0_rodata)
		return 0;
	if (page < l0_data || page >= l0_symbols)
		return PTE_NX;
	return PTE_NX | PTE_W;
}

static bool guard(const u8 *page)
{
	return page == stack_boot_guard || page == stack_nmi_guard || page == stack_df_guard ||
	       page == stack_mc_guard;
}

static void map_l0(struct machine *m, u64 root)
{
	for (u64 offset = 0; offset < m->l0_size; offset += PAGE_SIZE) {
		u8 *va = (u8 *)L0_BASE + offset;
		u64 flags = va < l0_end ? image_flags(va) : PTE_NX | PTE_W;
		if (va < l0_text || guard(va)) /* the boot code has done its work */
			continue;
		map_page(m, root, (u64)va, m->l0_base + offset, 0, flags | PTE_G);
	}
}

static void map_direct(struct machine *m, u64 root)
{
	bool gib_pages = cpu_cpuid(0x80000001, 0).edx & BIT(26);
	u64 flags = PTE_W | PTE_NX | PTE_G;

	for (u64 pa = 0; pa < m->direct_end;) {
		bool large = gib_pages && (pa & (GIB - 1)) == 0 &&
			     !overlaps(pa, GIB, m->l0_base, m->l0_size);
		if (large)
			map_page(m, root, DIRECT_BASE + pa, pa, 2, flags);
		else if (!l0_owns(m, pa))
			map_page(m, root, DIRECT_BASE + pa, pa, 1, flags);
		pa += large ? GIB : LARGE;
	}
}

static u64 end_of_ram(const struct boot_info *boot)
{
	u64 end = FOUR_GIB;
	for (unsigned i = 0; i < boot->map_count; i++)
		if (boot->map[i].type == MEM_RAM && boot->map[i].base + boot->map[i].size > end)
			end = boot->map[i].base + boot->map[i].size;
	return (end + LARGE - 1) & ~(LARGE - 1);
}

void memory_init(struct machine *m)
{
	u64 image = (u64)l0_end - L0_BASE;

	ASSERT(image <= L0_IMAGE_MAX, "the image has grown to %#lx bytes", image);
	choose(m);
	make_l1_map(m);
	m->direct_end = end_of_ram(m->boot);
	m->pool.next = l0_end;
	m->pool.end = (u8 *)L0_BASE + m->l0_size;
	u64 root = take_table(m);
	map_l0(m, root);
	map_direct(m, root);
	cpu_write_cr4(cpu_read_cr4() | CR4_PGE);
	boot_move(DIRECT_BASE + m->l0_base, L0_BASE, image, root);
}
