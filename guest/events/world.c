#include "guest/events/world.h"

#include "guest/lib/console.h"
#include "guest/lib/ept.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "vmx/msr.h"

#define SIZE_2M 0x200000ull
#define BASE_PROTECTED 0x70000000ull /* no memory of the machine */
#define BASE_REAL 0x2000ull
#define LEAF (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define BRANCH (PTE_P | PTE_W | PTE_U | PTE_A)
#define EPT_A BIT(8)
#define EPT_D BIT(9)
#define GATE_TRAP 0xefull /* present, DPL 3 */
#define GDT_ENTRIES 16
#define TSS_LIMIT 0x67
#define AR_USER_CODE64 0xa0fb
#define AR_USER_DATA 0xc0f3

static bool exists[FI_COUNT];
static unsigned field_count;

bool world_has(enum field_index field)
{
	return exists[field];
}

static void find_fields(void)
{
	u64 value = 0;

	for (unsigned i = 0; i < FI_COUNT; i++) {
		struct trap t = vmread(field_info[i].encoding, &value);
		exists[i] = t.vector == NO_EXCEPTION && !(t.rflags & (RFLAGS_CF | RFLAGS_ZF));
		field_count += exists[i];
	}
}

/* ---- addresses */

u64 world_page(const struct world *w, enum page page)
{
	return w->base + page * PAGE_SIZE;
}

static u64 piece_address(const struct world *w, enum piece piece, unsigned end)
{
	u64 at = w->kind == REAL_MODE ? events16[piece][end] - (u64)events16_pieces :
		 w->kind == LONG_64   ? events64[piece][end] - (u64)events64_pieces :
					events32[piece][end] - (u64)events32_pieces;
	return world_page(w, PIECES) + at;
}

u64 world_piece(const struct world *w, enum piece piece)
{
	return piece_address(w, piece, 0);
}

u64 world_piece_end(const struct world *w, enum piece piece)
{
	return piece_address(w, piece, 1);
}

u64 world_stub(const struct world *w, unsigned vector)
{
	return world_page(w, STUBS) + vector * STUB_SIZE;
}

unsigned world_gate_size(const struct world *w)
{
	return w->kind == LONG_64 ? 16 : w->kind == REAL_MODE ? 4 : 8;
}

u64 world_gate(const struct world *w, unsigned vector)
{
	return w->idt + vector * world_gate_size(w);
}

u8 *world_gate_here(const struct world *w, unsigned vector)
{
	u64 at = world_gate(w, vector) - w->base;
	return w->page[at / PAGE_SIZE] + at % PAGE_SIZE;
}

/* ---- L2's tables */

static void write_gate(const struct world *w, unsigned vector)
{
	u64 offset = world_stub(w, vector);
	u64 low = (offset & 0xffff) | (offset & 0xffff0000) << 32 | GATE_TRAP << 40;
	bool ist = vector == VEC_DF || vector == VEC_PF;
	u8 *gate = world_gate_here(w, vector);

	if (w->kind == REAL_MODE) {
		*(u32 *)gate = (u32)offset; /* segment 0 */
	} else if (w->kind == LONG_64) {
		((u64 *)gate)[0] = low | SEL_CODE64 << 16 | (u64)ist << 32;
		((u64 *)gate)[1] = offset >> 32;
	} else {
		*(u64 *)gate = low | SEL_CODE32 << 16;
	}
}

static void write_idt(const struct world *w)
{
	for (unsigned i = 0; i < 256; i++)
		write_gate(w, i);
}

static void write_gdt(const struct world *w)
{
	u64 *gdt = (u64 *)w->page[GDT], tss = world_page(w, TSS);

	memory_copy(gdt, (const void *)read_gdtr().base, SEL_TSS);
	gdt[SEL_TSS / 8] = TSS_LIMIT | (tss & BITS(23, 0)) << 16 | 0x8bull << 40 |
			   (tss & BITS(31, 24)) << 32;
	gdt[SEL_NOT_PRESENT / 8] = 0x00cf13000000ffff;
	gdt[SEL_TASK / 8] = gdt[SEL_TSS / 8] & ~(2ull << 40);
	gdt[SEL_CODE_NOT_PRESENT / 8] = w->kind == LONG_64 ? 0x00af1b000000ffff : 0x00cf1b000000ffff;
}

static void write_tss(const struct world *w)
{
	u8 *tss = w->page[TSS];
	u64 top = world_page(w, STACK) + STACK_TOP, top2 = world_page(w, STACK2) + STACK_TOP;

	if (w->kind == LONG_64) {
		*(u64 *)(tss + 0x04) = top; /* RSP0 */
		*(u64 *)(tss + 0x24) = top2; /* IST1 */
		*(u64 *)(tss + 0x2c) = top; /* IST2 */
	} else {
		*(u16 *)tss = SEL_DATA; /* the link to a task: a bad one */
		*(u32 *)(tss + 4) = (u32)top;
		*(u32 *)(tss + 8) = SEL_DATA;
	}
}

static void write_code(const struct world *w)
{
	const char *stubs = w->kind == REAL_MODE ? events16_stubs :
			    w->kind == LONG_64   ? events64_stubs :
						   events32_stubs;
	const char *pieces = w->kind == REAL_MODE ? events16_pieces :
			     w->kind == LONG_64   ? events64_pieces :
						    events32_pieces;
	memory_copy(w->page[STUBS], stubs, PAGE_SIZE);
	memory_copy(w->page[PIECES], pieces, PAGE_SIZE);
}

/* The entries of the pages, in L2's page table and in EPT12. */
static void write_entries(const struct world *w)
{
	for (unsigned i = 0; i < PAGES; i++) {
		u64 physical = w->ept ? world_page(w, i) : (u64)w->page[i];
		if (w->kind != REAL_MODE)
			*w->pte[i] = i == HOLE ? 0 : physical | LEAF;
		if (w->ept)
			*w->epte[i] = (u64)w->page[i] | EPT_WB | EPT_RWX | EPT_A | EPT_D;
	}
}

/* ---- once */

/* 4 GiB by 2 MiB pages, but for the pages of the world: they have a table of 4 KiB pages. */
static u64 *page_directories(const struct world *w, u64 flags)
{
	u64 *pointers = page_alloc();
	u64 table = w->ept ? world_page(w, TABLE) : (u64)w->page[TABLE];

	for (u64 i = 0; i < 4; i++) {
		u64 *directory = page_alloc();
		pointers[i] = (u64)directory | flags;
		for (u64 k = 0; k < 512; k++)
			directory[k] = (i * 512 + k) * SIZE_2M | PTE_PS | LEAF;
		if (i == w->base >> 30)
			directory[w->base >> 21 & 511] = table | BRANCH;
	}
	return pointers;
}

static void create_page_tables(struct world *w)
{
	u64 *pml4 = page_alloc();

	if (w->kind == REAL_MODE)
		return;
	if (w->kind == PAE_32) {
		w->cr3 = (u64)page_directories(w, PTE_P);
	} else {
		pml4[0] = (u64)page_directories(w, BRANCH) | BRANCH;
		w->cr3 = (u64)pml4;
	}
	for (unsigned i = 0; i < PAGES; i++)
		w->pte[i] = (u64 *)w->page[TABLE] + (world_page(w, i) >> 12 & 511);
}

static u64 *ept_directory(u64 eptp, u64 at)
{
	u64 *pdpt = (u64 *)(*(u64 *)(eptp & PAGE_MASK) & PAGE_MASK);

	return (u64 *)(pdpt[at >> 30] & PAGE_MASK);
}

/* Accessed and dirty are set everywhere, for the rows that use those flags. */
static void create_ept(struct world *w)
{
	u64 *pml4;

	w->eptp = ept_create();
	pml4 = (u64 *)(w->eptp & PAGE_MASK);
	for (u64 at = 0; at < 4ull << 30; at += SIZE_2M) {
		ept_directory(w->eptp, at)[at >> 21 & 511] |= EPT_A | EPT_D;
		((u64 *)(*pml4 & PAGE_MASK))[at >> 30] |= EPT_A;
	}
	for (unsigned i = 0; i < PAGES; i++)
		w->epte[i] = ept_entry(w->eptp, world_page(w, i));
	ept_directory(w->eptp, w->base)[w->base >> 21 & 511] |= EPT_A;
	*pml4 |= EPT_A;
}

static void vmcs_ring3(void)
{
	VMCS_SET({VMCS_GUEST_CS_SELECTOR, SEL_USER_CODE}, {VMCS_GUEST_CS_AR, AR_USER_CODE64},
		 {VMCS_GUEST_SS_SELECTOR, SEL_USER_DATA}, {VMCS_GUEST_SS_AR, AR_USER_DATA},
		 {VMCS_GUEST_DS_SELECTOR, SEL_USER_DATA}, {VMCS_GUEST_DS_AR, AR_USER_DATA},
		 {VMCS_GUEST_ES_SELECTOR, SEL_USER_DATA}, {VMCS_GUEST_ES_AR, AR_USER_DATA},
		 {VMCS_GUEST_FS_SELECTOR, 0}, {VMCS_GUEST_FS_AR, AR_UNUSABLE},
		 {VMCS_GUEST_GS_SELECTOR, 0}, {VMCS_GUEST_GS_AR, AR_UNUSABLE});
}

static void create_vmcs(struct world *w)
{
	w->region = vmcs_alloc();
	vmcs_load(w->region);
	if (!field_count)
		find_fields();
	for (unsigned i = 0; i < FI_COUNT; i++) /* a processor may leave anything in a new region */
		if (exists[i] && field_info[i].group != RO)
			vmwrite(field_info[i].encoding, 0);
	vmcs_set_host();
	l2_set_controls(w->kind, w->eptp);
	l2_set_registers(w->kind, w->cr3, w->ept);
	if (w->ring3)
		vmcs_ring3();
	VMCS_SET({VMCS_GUEST_IDTR_BASE, w->idt}, {VMCS_GUEST_IDTR_LIMIT, 256 * world_gate_size(w) - 1},
		 {VMCS_GUEST_GDTR_BASE, world_page(w, GDT)}, {VMCS_GUEST_GDTR_LIMIT, GDT_ENTRIES * 8 - 1},
		 {VMCS_GUEST_TR_SELECTOR, SEL_TSS}, {VMCS_GUEST_TR_BASE, world_page(w, TSS)},
		 {VMCS_GUEST_RIP, world_piece(w, PIECE_home)},
		 {VMCS_GUEST_RSP,
		  world_page(w, w->ring3 ? STACK2 : STACK) + (w->ring3 ? 0x800 : STACK_TOP)});
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (exists[i])
			w->start[i] = vmcs_get(field_info[i].encoding);
	memory_copy(w->now, w->start, sizeof(w->now));
}

const char *world_lacks(enum kind kind, bool ept)
{
	if (ept && !vmx_allows(PROC2, PROC2_ENABLE_EPT))
		return "EPT";
	return kind == REAL_MODE && !vmx_allows(PROC2, PROC2_UNRESTRICTED_GUEST) ? "unrestricted guest" :
										   NULL;
}

void world_create(struct world *w, const char *name, enum kind kind, bool ept, bool ring3)
{
	*w = (struct world){.name = name, .kind = kind, .ept = ept, .ring3 = ring3};
	w->base = kind == REAL_MODE ? BASE_REAL : BASE_PROTECTED;
	w->idt = world_page(w, IDT_HIGH) - 16 * world_gate_size(w);
	for (unsigned i = 0; i < PAGES; i++)
		w->page[i] = page_alloc();
	if (ept)
		create_ept(w);
	create_page_tables(w);
	write_code(w);
	create_vmcs(w);
}

/* ---- each row */

void world_set(struct world *w, enum field_index field, u64 value)
{
	w->now[field] = value;
	vmcs_set(field_info[field].encoding, value);
}

void world_tables(struct world *w)
{
	write_idt(w);
	write_gdt(w);
	write_tss(w);
	write_entries(w);
}

void world_reset(struct world *w)
{
	u64 pointer = (u64)w->region;

	vmptrld(&pointer);
	world_tables(w);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (exists[i] && field_info[i].group != RO && w->now[i] != w->start[i])
			world_set(w, i, w->start[i]);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		w->gpr[i] = 0;
}

void world_invalidate(const struct world *w)
{
	u64 ept[2] = {w->now[FI_EPT_POINTER], 0}, all[2] = {0, 0};

	if (w->ept)
		invept(INVEPT_SINGLE_CONTEXT, ept);
	if (vmx_allows(PROC2, PROC2_ENABLE_VPID))
		invvpid(INVVPID_ALL, all);
}

void world_control(struct world *w, enum control_word word, u32 controls)
{
	enum field_index field = (enum field_index)control_field[word];

	if (word == PROC2)
		world_control(w, PROC, PROC_ACTIVATE_SECONDARY);
	world_set(w, field, w->now[field] | controls);
}

void world_read(struct world *w)
{
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (exists[i])
			w->now[i] = vmcs_get(field_info[i].encoding);
}

u64 world_enter(struct world *w)
{
	u64 failed = vm_enter_raw(w->gpr, w->launched);

	world_read(w);
	if (!failed && !(w->now[FI_EXIT_REASON] & EXIT_REASON_ENTRY_FAILURE))
		w->launched = true;
	return failed;
}
