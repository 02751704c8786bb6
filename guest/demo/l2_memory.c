#include "guest/demo/l2_memory.h"

#include "guest/lib/ept.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"

#define SIZE_2M 0x200000ull
#define SIZE_4M 0x400000ull
#define STACK_TOP 0xff0
#define GATE_INTERRUPT (0x8e00ull << 32)

/* ---- EPT12 */

static void make_ept(struct guest *g)
{
	g->eptp = ept_create();
	g->ept_test = ept_entry(g->eptp, L2_EPT_TEST);
	g->ept_test_data = page_alloc();
	ept_map(g->eptp, L2_EPT_TEST, g->ept_test_data);
}

/* ---- L2's page tables */

static u64 paging_32(struct guest *g)
{
	u32 *directory = l2_page_directory_32(), *table = page_alloc();

	table[0] = (u32)((u64)g->page_test_data | PTE_W | PTE_P);
	directory[L2_PAGE_TEST / SIZE_4M] = (u32)((u64)table | PTE_W | PTE_P);
	g->page_test = (u64 *)table;
	return (u64)directory;
}

/* Page directories for 4 GiB; those of PAE and 64-bit paging agree, their pointers' flags do not. */
static u64 *paging_pointers(struct guest *g, u64 flags)
{
	u64 *pointers = page_alloc(), *table = page_alloc();

	table[0] = (u64)g->page_test_data | PTE_W | PTE_P;
	g->page_test = table;
	for (u64 i = 0; i < 4; i++) {
		u64 *directory = page_alloc();
		pointers[i] = (u64)directory | flags;
		for (u64 k = 0; k < 512; k++)
			directory[k] = (i * 512 + k) * SIZE_2M | PTE_PS | PTE_W | PTE_P;
		if (i == L2_PAGE_TEST >> 30)
			directory[0] = (u64)table | PTE_W | PTE_P;
	}
	return pointers;
}

static u64 paging_64(struct guest *g)
{
	u64 *pml4 = page_alloc();

	pml4[0] = (u64)paging_pointers(g, PTE_W | PTE_P) | PTE_W | PTE_P;
	return (u64)pml4;
}

static void make_page_tables(struct guest *g)
{
	g->page_test_data = page_alloc();
	g->cr3 = g->kind == PAGED_32 ? paging_32(g) :
		 g->kind == PAE_32   ? (u64)paging_pointers(g, PTE_P) :
				       paging_64(g);
}

/* ---- L2's interrupt table */

struct handler {
	u8 vector;
	enum payload code;
};

/* A fault of real mode has no error code. */
static const struct handler handlers[] = {
	{VEC_UD, PAYLOAD_on_fault},
	{VEC_GP, PAYLOAD_on_fault_with_error},
	{VEC_PF, PAYLOAD_on_page_fault},
	{L2_VECTOR_IRQ, PAYLOAD_on_interrupt},
};
static const struct handler real_handlers[] = {
	{VEC_UD, PAYLOAD_on_fault},
	{VEC_GP, PAYLOAD_on_fault},
	{L2_VECTOR_IRQ, PAYLOAD_on_interrupt},
};

static void write_gate(const struct guest *g, void *table, unsigned vector, u64 offset)
{
	u64 low = (offset & 0xffff) | (offset & 0xffff0000) << 32 | GATE_INTERRUPT;

	if (g->kind == REAL_MODE) {
		((u32 *)table)[vector] = (u32)offset; /* segment 0 */
	} else if (g->kind == LONG_64) {
		((u64 *)table)[2 * vector] = low | SEL_CODE64 << 16;
		((u64 *)table)[2 * vector + 1] = offset >> 32;
	} else {
		((u64 *)table)[vector] = low | SEL_CODE32 << 16;
	}
}

static void write_gates(const struct guest *g, void *table, const struct handler *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		write_gate(g, table, list[i].vector, guest_code(g, list[i].code));
}

/* Real mode reaches only the first MiB: EPT12 puts our pages there. */
static void make_real_mode(struct guest *g)
{
	void *idt = page_alloc();

	write_gates(g, idt, real_handlers, ARRAY_LEN(real_handlers));
	ept_map(g->eptp, L2_REAL_IDT, idt);
	ept_map(g->eptp, L2_REAL_CODE, payload16_page);
	ept_map(g->eptp, L2_REAL_STACK, page_alloc());
	g->idt = L2_REAL_IDT;
	g->stack = L2_REAL_STACK + STACK_TOP;
}

static void make_protected_mode(struct guest *g)
{
	void *idt = page_alloc();

	make_page_tables(g);
	write_gates(g, idt, handlers, ARRAY_LEN(handlers));
	g->idt = (u64)idt;
	g->stack = (u64)page_alloc() + STACK_TOP;
}

void l2_memory_create(struct guest *g)
{
	if (g->ept)
		make_ept(g);
	if (g->kind == REAL_MODE)
		make_real_mode(g);
	else
		make_protected_mode(g);
	g->bitmap_a = page_alloc();
	g->bitmap_b = page_alloc();
}
