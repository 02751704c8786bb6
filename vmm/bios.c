#include "vmm/bios.h"

#include "vmm/cr.h"
#include "vmm/l1mem.h"
#include "vmm/lib.h"
#include "vmm/walk.h"

#define INT15_VECTOR_AT 0x54
#define ROM_BASE 0xf0000u
#define ROM_SIZE 0x10000u
#define FREE_RUN 64 /* so many equal bytes, 0 or FFH, hold nothing */
#define SMAP 0x534d4150u
#define MIB 0x100000ul

static bool filler(const u8 *p)
{
	if (*p != 0 && *p != 0xff)
		return false;
	for (unsigned i = 1; i < FREE_RUN; i++)
		if (p[i] != p[0])
			return false;
	return true;
}

/* A place in the ROM where nothing is, within one page. 0: none. */
static u32 find_room(const u8 *rom)
{
	for (u32 at = 0; at + FREE_RUN <= ROM_SIZE; at += FREE_RUN)
		if (filler(rom + at))
			return ROM_BASE + at + FREE_RUN / 2;
	return 0;
}

void bios_hook(struct machine *m)
{
	static const u8 vmcall[] = {0x0f, 0x01, 0xc1};
	const u8 *rom = l1mem_page(m, (l1pa_t){ROM_BASE});
	u32 vector = l1mem_read32(m, (l1pa_t){INT15_VECTOR_AT});
	u32 room = find_room(rom);

	if ((vector >> 16) < 0xc000 || vector == ~0u || !room)
		return; /* no BIOS: UEFI */
	u8 *page = page_alloc_must(m);
	memcpy(page, rom + (room & PAGE_MASK) - ROM_BASE, PAGE_SIZE);
	memcpy(page + (room & (PAGE_SIZE - 1)), vmcall, sizeof(vmcall));
	m->bios.page = room & PAGE_MASK;
	m->bios.shown = l0_pa(m, page);
	m->bios.linear = room;
	m->bios.old_vector = vector;
	vector = (ROM_BASE << 12) | (room - ROM_BASE);
	l1mem_write(m, (l1pa_t){INT15_VECTOR_AT}, &vector, sizeof(vector));
}

static void set16(u64 *reg, u64 value)
{
	*reg = (*reg & ~0xfffful) | (value & 0xffff);
}

static void set32(u64 *reg, u32 value)
{
	*reg = value;
}

/* One entry of the map to ES:DI; EBX is the place in the list. False: no such entry, or a fault. */
static bool e820(struct vcpu *v)
{
	const struct machine *m = v->machine;
	u32 index = (u32)v->gpr[RBX], size = (u32)v->gpr[RCX] < 24 ? 20 : 24;
	struct {
		u64 base, size;
		u32 type, attributes;
	} entry;
	u64 at = vcpu_read(v, VMCS_GUEST_ES_BASE) + (v->gpr[RDI] & 0xffff);

	if (index >= m->map_count || (u32)v->gpr[RDX] != SMAP || (u32)v->gpr[RCX] < 20)
		return false;
	entry.base = m->map[index].base;
	entry.size = m->map[index].size;
	entry.type = m->map[index].type;
	entry.attributes = 1;
	if (!walk_write(v, at, &entry, size))
		return false;
	set32(&v->gpr[RAX], SMAP);
	set32(&v->gpr[RCX], size);
	set32(&v->gpr[RBX], index + 1 < m->map_count ? index + 1 : 0);
	return true;
}

/* Bytes of RAM in one piece from `base` up, at most to 4 GiB. */
static u64 ram_from(const struct machine *m, u64 base)
{
	u64 end = base;
	for (unsigned i = 0; i < m->map_count; i++)
		if (m->map[i].type == MEM_RAM && m->map[i].base <= end &&
		    m->map[i].base + m->map[i].size > end)
			end = m->map[i].base + m->map[i].size;
	return (end < BIT(32) ? end : BIT(32)) - base;
}

/* KiB from 1 to 16 MiB, and 64-KiB blocks above. */
static void e801(struct vcpu *v)
{
	u64 low = ram_from(v->machine, MIB), high = ram_from(v->machine, 16 * MIB);
	u64 kib = (low < 15 * MIB ? low : 15 * MIB) >> 10;

	set16(&v->gpr[RAX], kib);
	set16(&v->gpr[RCX], kib);
	set16(&v->gpr[RBX], high >> 16);
	set16(&v->gpr[RDX], high >> 16);
}

static bool answer(struct vcpu *v, bool *carry)
{
	u32 ax = v->gpr[RAX] & 0xffff;

	*carry = false;
	if (ax == 0xe820) {
		*carry = !e820(v);
	} else if (ax == 0xe801) {
		e801(v);
	} else if (ax >> 8 == 0x88) {
		u64 kib = ram_from(v->machine, MIB) >> 10;
		set16(&v->gpr[RAX], kib < 0xffff ? kib : 0xffff);
	} else {
		return false;
	}
	return true;
}

static void jump(struct vcpu *v, u16 cs, u16 ip)
{
	vcpu_write(v, VMCS_GUEST_CS_SELECTOR, cs);
	vcpu_write(v, VMCS_GUEST_CS_BASE, (u64)cs << 4);
	vcpu_write(v, VMCS_GUEST_RIP, ip);
}

/* IRET to the caller, with CF in the flags that it gets back. */
static void return_to_caller(struct vcpu *v, bool carry)
{
	u64 sp = vcpu_read(v, VMCS_GUEST_RSP), rflags = vcpu_read(v, VMCS_GUEST_RFLAGS);
	u16 frame[3]; /* IP, CS, FLAGS */

	if (!walk_read(v, vcpu_read(v, VMCS_GUEST_SS_BASE) + (sp & 0xffff), frame, sizeof(frame)))
		return;
	rflags = (rflags & ~0xfffful) | (frame[2] & ~RFLAGS_CF) | RFLAGS_FIXED1 | (carry ? RFLAGS_CF : 0);
	vcpu_write(v, VMCS_GUEST_RFLAGS, rflags);
	vcpu_write(v, VMCS_GUEST_RSP, (sp & ~0xfffful) | ((sp + 6) & 0xffff));
	jump(v, frame[1], frame[0]);
}

bool bios_vmcall(struct vcpu *v)
{
	const struct machine *m = v->machine;
	u64 at = vcpu_read(v, VMCS_GUEST_CS_BASE) + vcpu_read(v, VMCS_GUEST_RIP);
	bool carry;

	if (!m->bios.page || at != m->bios.linear || (l1_cr0(v) & CR0_PE))
		return false;
	if (answer(v, &carry))
		return_to_caller(v, carry);
	else
		jump(v, (u16)(m->bios.old_vector >> 16), (u16)m->bios.old_vector);
	return true;
}
