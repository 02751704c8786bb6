#include "guest/ept/play.h"
#include "guest/lib/check.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"
#include "guest/lib/multiboot.h"
#include "vmx/msr.h"

#define FAR_START 0x4000000ull /* 64 MiB */

extern const char l2_access[];

const char *const access_name[ACCESSES] = {"read", "write", "execute"};
const u64 access_right[ACCESSES] = {EPT_R, EPT_W, EPT_X};
u64 play_seen, play_written;

static struct l2 l2;
static const u64 offset_of[ACCESSES] = {8, 16, 0};
static u8 stack[PAGE_SIZE] __attribute__((aligned(16)));
static u64 far_next = FAR_START, pages;

void *far_alloc(u64 size, u64 alignment)
{
	u64 at = (far_next + alignment - 1) & ~(alignment - 1), end = 0;

	for (unsigned i = 0; i < multiboot.map_count; i++) {
		const struct memory_range *r = &multiboot.map[i];
		if (r->type == MULTIBOOT_RAM && r->base <= at && r->base + r->size > at)
			end = r->base + r->size;
	}
	if (at + size > end) {
		print("FAIL this needs more memory\n");
		power_off();
	}
	far_next = at + size;
	return memory_set((void *)at, 0, size);
}

u64 page_value(unsigned i)
{
	return 0x9e3779b97f4a7c15ull * (i + 1);
}

u64 page_of(unsigned i)
{
	if (!pages) {
		pages = (u64)far_alloc(PAGES * PAGE_SIZE, SIZE_2M);
		for (unsigned k = 0; k < PAGES; k++) {
			*(u8 *)(pages + k * PAGE_SIZE) = 0xc3;
			*(u64 *)(pages + k * PAGE_SIZE + 8) = page_value(k);
		}
	}
	return pages + i * PAGE_SIZE;
}

bool play_has(u64 caps)
{
	return vmx_allows(PROC2, PROC2_ENABLE_EPT) && (rdmsr(MSR_IA32_VMX_EPT_VPID_CAP) & caps) == caps;
}

static void *table_alloc(void)
{
	return far_alloc(PAGE_SIZE, PAGE_SIZE);
}

void play_create(struct play *p)
{
	static u64 own[PLAY_INDEX]; /* the directories of L2's own memory */

	if (!own[0]) {
		u64 *pml4 = (u64 *)(ept_create() & ENTRY_ADDRESS), *pdpt = (u64 *)(*pml4 & ENTRY_ADDRESS);
		for (unsigned i = 0; i < PLAY_INDEX; i++)
			own[i] = pdpt[i];
	}
	p->table = table_alloc();
	p->directory = table_alloc();
	p->pdpt = table_alloc();
	p->pml4 = table_alloc();
	p->directory[0] = (u64)p->table | EPT_RWX;
	for (unsigned i = 0; i < PLAY_INDEX; i++)
		p->pdpt[i] = own[i];
	p->pdpt[PLAY_INDEX] = (u64)p->directory | EPT_RWX;
	p->pml4[0] = (u64)p->pdpt | EPT_RWX;
	p->eptp = (u64)p->pml4 | MT_WB | EPTP_LEVELS(4);
}

void play_create_beside(struct play *p, const struct play *other)
{
	*p = *other;
	p->pdpt = memory_copy(table_alloc(), other->pdpt, PAGE_SIZE);
	p->pml4 = table_alloc();
	p->pml4[0] = (u64)p->pdpt | EPT_RWX;
	p->eptp = (u64)p->pml4 | (other->eptp & ~ENTRY_ADDRESS);
}

static void launch(u64 eptp)
{
	l2 = (struct l2){.region = l2.region ? l2.region : vmcs_alloc()};
	vmcs_load(l2.region);
	vmcs_set_host();
	l2_set_controls(LONG_64, eptp);
	l2_set_registers(LONG_64, read_cr3(), eptp);
	vmcs_set(VMCS_GUEST_RSP, (u64)stack + sizeof(stack));
}

void play_launch(const struct play *p)
{
	launch(p->eptp);
}

void play_launch_without(void)
{
	launch(0);
}

const struct vm_exit *play_run(const char *code, u64 rcx, u64 rdi, u64 rsi, u64 r8)
{
	l2.gpr[RCX] = rcx;
	l2.gpr[RDI] = rdi;
	l2.gpr[RSI] = rsi;
	l2.gpr[R8] = r8;
	vmcs_set(VMCS_GUEST_RIP, (u64)code);
	return vm_enter(&l2);
}

const struct vm_exit *play_resume(void)
{
	vm_skip_instruction(&l2);
	return vm_enter(&l2);
}

void play_switch(const struct play *p)
{
	vmcs_set(VMCS_EPT_POINTER, p->eptp);
}

const struct vm_exit *play_access(enum access access, u64 address)
{
	l2.gpr[RAX] = access;
	l2.gpr[RDI] = address;
	l2.gpr[RSI] = play_written;
	VMCS_SET({VMCS_GUEST_RIP, (u64)l2_access}, {VMCS_GUEST_RSP, (u64)stack + sizeof(stack)});
	const struct vm_exit *e = vm_enter(&l2);
	if (access == READ)
		play_seen = l2.gpr[RDX];
	return e;
}

void play_works(struct series *s, const char *item, enum access access, u64 address)
{
	const struct vm_exit *e = play_access(access, address);
	char text[CHECK_TEXT];

	format(text, CHECK_TEXT, "%s: %s", item, access_name[access]);
	series_value(s, text, 0, e->failed);
	series_value(s, text, EXIT_REASON_VMCALL, e->reason);
}

void play_reads(struct series *s, const char *item, u64 address, u64 value)
{
	play_works(s, item, READ, address);
	series_value(s, item, value, play_seen);
}

/* SDM: "Exit Qualification for EPT Violations": of bits 8:0 all are defined here. */
void play_violates(struct series *s, const char *item, enum access access, u64 address, u64 rights)
{
	const struct vm_exit *e = play_access(access, address);
	u64 at = address + offset_of[access];
	char text[CHECK_TEXT];

	format(text, CHECK_TEXT, "%s: %s", item, access_name[access]);
	series_value(s, text, EXIT_REASON_EPT_VIOLATION, e->reason);
	series_value(s, text, access_right[access] | rights << 3 | BIT(7) | BIT(8),
		     e->qualification & BITS(8, 0));
	series_value(s, text, at, e->physical);
	series_value(s, text, at, e->linear);
	series_value(s, text, 0, e->vectoring & INTR_VALID);
}

void play_misconfigured(struct series *s, const char *item, enum access access, u64 address)
{
	const struct vm_exit *e = play_access(access, address);

	series_value(s, item, EXIT_REASON_EPT_MISCONFIGURATION, e->reason);
	if (e->reason == EXIT_REASON_EPT_MISCONFIGURATION)
		series_value(s, item, address + offset_of[access], e->physical);
}

struct descriptor {
	u64 eptp, reserved;
};

void play_invept(const struct play *p)
{
	struct descriptor d = {p->eptp, 0};
	invept(INVEPT_SINGLE_CONTEXT, &d);
}

void play_invept_all(void)
{
	struct descriptor d = {0, 0};
	invept(INVEPT_GLOBAL, &d);
}
