#include "guest/fuzz/fuzz.h"

#include "guest/lib/asm.h"
#include "guest/lib/ept.h"
#include "guest/lib/memory.h"
#include "vmx/msr.h"

/* The pages of an L2: what its own address translation and event delivery read, and a stack. */
enum arena_page {
	PAGE_PML4,
	PAGE_PDPT,
	PAGE_PD,
	PAGE_PT,
	PAGE_PDPT_PAE,
	PAGE_PD_32,
	PAGE_PT_32,
	PAGE_CODE,
	PAGE_IDT_64,
	PAGE_IDT_32,
	PAGE_IVT,
	PAGE_GDT,
	PAGE_TSS,
	PAGE_STACK,
	ARENA_PAGES = 16, /* in one 2 MiB page, whatever its address */
};

#define HLT_INSN 0xf4
#define GATE_64 0x8e00
#define SIZE_2M 0x200000ul
#define TABLE_FLAGS (PTE_P | PTE_W | PTE_U | PTE_A)
#define PAGE_FLAGS (TABLE_FLAGS | PTE_D)

static u8 pages[ARENA_PAGES][PAGE_SIZE] __attribute__((aligned(65536)));
static u8 scratch[2][PAGE_SIZE] __attribute__((aligned(4096)));
static struct msr_slot msrs[3][MSR_SLOTS] __attribute__((aligned(4096)));

struct arena arena;

static u64 page(enum arena_page n)
{
	return (u64)pages[n];
}

bool arena_has(u64 address)
{
	return address - page(0) < sizeof(pages);
}

/* Linear addresses are physical ones. Accessed and dirty flags are set: a walk writes nothing. */
static void make_page_tables(void)
{
	u64 base = page(0);
	u64 *pdpt_pae = (u64 *)page(PAGE_PDPT_PAE);
	u32 *pd32 = (u32 *)page(PAGE_PD_32), *pt32 = (u32 *)page(PAGE_PT_32);

	((u64 *)page(PAGE_PML4))[0] = page(PAGE_PDPT) | TABLE_FLAGS;
	((u64 *)page(PAGE_PDPT))[base >> 30] = page(PAGE_PD) | TABLE_FLAGS;
	((u64 *)page(PAGE_PD))[base >> 21 & 511] = page(PAGE_PT) | TABLE_FLAGS;
	for (unsigned i = 0; i < 4; i++)
		pdpt_pae[i] = page(PAGE_PD) | PTE_P;
	pd32[base >> 22] = (u32)(page(PAGE_PT_32) | TABLE_FLAGS);
	for (u64 i = 0; i < ARENA_PAGES; i++) {
		u64 address = base + i * PAGE_SIZE;
		((u64 *)page(PAGE_PT))[address >> 12 & 511] = address | PAGE_FLAGS;
		pt32[address >> 12 & 1023] = (u32)(address | PAGE_FLAGS);
	}
}

static void make_descriptors(void)
{
	u64 *gdt = (u64 *)page(PAGE_GDT), tss = page(PAGE_TSS);
	u32 *tss32 = (u32 *)page(PAGE_TSS);

	gdt[ARENA_SEL_CODE64 / 8] = 0x00af9b000000ffff;
	gdt[ARENA_SEL_DATA / 8] = 0x00cf93000000ffff;
	gdt[ARENA_SEL_CODE32 / 8] = 0x00cf9b000000ffff;
	gdt[ARENA_SEL_TSS / 8] = 0x67 | (tss & BITS(23, 0)) << 16 | 0x8bull << 40 |
				 (tss & BITS(31, 24)) << 32;
	/* The ring 0 stack: ESP0 and SS0 of a 32-bit TSS, at 4 and 8. */
	tss32[1] = (u32)(page(PAGE_STACK) + PAGE_SIZE);
	tss32[2] = ARENA_SEL_DATA;
}

/* Every vector has its handler: its own byte of the code page, a HLT as all are. */
static void make_idts(void)
{
	u64 *idt64 = (u64 *)page(PAGE_IDT_64), *idt32 = (u64 *)page(PAGE_IDT_32);
	u32 *ivt = (u32 *)page(PAGE_IVT);

	for (u64 i = 0; i < 256; i++) {
		u64 handler = page(PAGE_CODE) + i;
		u64 gate = (handler & 0xffff) | (handler & 0xffff0000) << 32 | (u64)GATE_64 << 32;
		idt64[2 * i] = gate | ARENA_SEL_CODE64 << 16;
		idt32[i] = gate | ARENA_SEL_CODE32 << 16;
		ivt[i] = (u32)(page(PAGE_CODE) >> 4 << 16 | i);
	}
}

/* The L2's pages and no others, so that nothing it does reaches L1. */
static u64 make_ept(void)
{
	u64 *pml4 = page_alloc(), *pdpt = page_alloc(), *pd = page_alloc(), *pt = page_alloc();
	u64 base = page(0);

	pml4[0] = (u64)pdpt | EPT_RWX;
	pdpt[base >> 30] = (u64)pd | EPT_RWX;
	pd[base >> 21 & 511] = (u64)pt | EPT_RWX;
	for (u64 i = 0; i < ARENA_PAGES; i++)
		pt[((base >> 12) + i) & 511] = (base + i * PAGE_SIZE) | EPT_WB | EPT_R | EPT_X |
					       (i == PAGE_STACK ? EPT_W : 0);
	return (u64)pml4 | MT_WB | EPTP_LEVELS(4);
}

static const struct msr_slot good_msrs[MSR_SLOTS] = {
	{MSR_IA32_SYSENTER_CS, 0, 0x1234},     {MSR_IA32_KERNEL_GS_BASE, 0, 0xffff800000001000},
	{0xc0000082, 0, 0x00007ffffffff000}, /* IA32_LSTAR */
	{0xc0000081, 0, 0x0123456789abcdef}, /* IA32_STAR */
	{MSR_IA32_PAT, 0, 0x0007040600070406}, {0xc0000084, 0, 0x47700}, /* IA32_FMASK */
	{MSR_IA32_SYSENTER_EIP, 0, 0x1000},    {0xc0000083, 0, 0xfffffffffffff000}, /* IA32_CSTAR */
};

void arena_reset(void)
{
	copy_quads(msrs[0], good_msrs, sizeof(good_msrs) / 8);
	copy_quads(msrs[1], good_msrs, sizeof(good_msrs) / 8);
	copy_quads(msrs[2], good_msrs, sizeof(good_msrs) / 8);
	for (unsigned i = 0; i < 4; i++)
		arena.pae_pdpt[i] = page(PAGE_PD) | PTE_P;
	zero_quads((u64 *)page(PAGE_STACK), PAGE_SIZE / 8);
	zero_quads((u64 *)scratch[0], PAGE_SIZE / 8);
}

void arena_init(void)
{
	make_page_tables();
	make_descriptors();
	make_idts();
	memory_set(pages[PAGE_CODE], HLT_INSN, PAGE_SIZE);
	arena = (struct arena){
		.eptp = make_ept(),
		.eptp_empty = (u64)page_alloc() | MT_WB | EPTP_LEVELS(4),
		.cr3_64 = page(PAGE_PML4),
		.cr3_pae = page(PAGE_PDPT_PAE),
		.cr3_32 = page(PAGE_PD_32),
		.code = page(PAGE_CODE),
		.stack_top = page(PAGE_STACK) + PAGE_SIZE,
		.tss = page(PAGE_TSS),
		.gdt = page(PAGE_GDT),
		.idt_64 = page(PAGE_IDT_64),
		.idt_32 = page(PAGE_IDT_32),
		.ivt = page(PAGE_IVT),
		.scratch = (u64)scratch,
		.vtpr = (u32 *)&scratch[0][0x80],
		.entry_msrs = msrs[0],
		.exit_msrs = msrs[1],
		.store_msrs = msrs[2],
		.link_good = (u64)vmcs_alloc(),
		.link_shadow = (u64)vmcs_alloc(),
		.link_revision = (u64)vmcs_alloc(),
		.pae_pdpt = (u64 *)page(PAGE_PDPT_PAE),
	};
	*(u32 *)arena.link_shadow |= BIT(31);
	*(u32 *)arena.link_revision ^= 1;
	arena_reset();
}
