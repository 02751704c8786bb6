#include "vmm/walk.h"

#include "vmm/ept02.h"
#include "vmm/l1mem.h"
#include "vmx/cpu.h"

/* What decides a walk, read once: as the paging hardware uses it, not as L1 sees it. */
struct walk {
	u64 cr0, cr3, cr4, efer, rflags;
	bool write;
	bool fetched; /* an instruction that the processor has read: its rights are not looked at */
};

/* One level's entry: where it is, and its value (entries of 4 bytes in 32-bit paging). */
struct entry {
	l1pa_t at;
	u64 value;
	bool wide;
};

static struct entry read_entry(const struct vcpu *v, u64 table, u64 index, bool wide)
{
	struct entry e = {.at.v = table + index * (wide ? 8 : 4), .wide = wide};
	if (v->nested.in_l2 && !ept02_translate(v, e.at.v, &e.at))
		return e;
	e.value = wide ? l1mem_read64(v->machine, e.at) : l1mem_read32(v->machine, e.at);
	return e;
}

static void set_bits(const struct vcpu *v, struct entry *e, u64 bits)
{
	e->value |= bits;
	l1mem_write(v->machine, e->at, &e->value, e->wide ? 8 : 4);
}

/* Reserved at every level. */
static u64 reserved_always(const struct vcpu *v, const struct walk *w, bool wide)
{
	u64 reserved = 0;

	if (!wide)
		return 0;
	if (v->machine->hw.maxphyaddr < 52)
		reserved |= BITS(51, v->machine->hw.maxphyaddr);
	if (!(w->efer & EFER_NXE))
		reserved |= PTE_NX;
	if (!(w->efer & EFER_LMA))
		reserved |= BITS(62, 52);
	return reserved;
}

static u64 reserved_at(bool wide, unsigned level, bool leaf)
{
	if (level >= 3)
		return PTE_PS;
	if (!leaf || level == 0)
		return 0;
	if (level == 2)
		return BITS(29, 13);
	return wide ? BITS(20, 13) : BIT(21); /* 4 MiB pages: PSE-36 up to 40 bits */
}

/*
 * The walk itself: the physical address, or false with the error code of the page fault. Sets the
 * accessed and dirty flags on success.
 */
static bool translate(struct vcpu *v, const struct walk *w, u64 linear, u64 *physical, u32 *error)
{
	bool wide = w->cr4 & CR4_PAE, lma = w->efer & EFER_LMA;
	int level = !wide ? 1 : !lma ? 1 : w->cr4 & CR4_LA57 ? 4 : 3;
	unsigned bits = wide ? 9 : 10;
	struct entry path[5];
	unsigned depth = 0;
	u64 table = wide ? w->cr3 & BITS(51, 12) : w->cr3 & 0xfffff000;
	u64 rights = PTE_W | PTE_U, reserved = reserved_always(v, w, wide);

	*error = w->write ? PFEC_W : 0;
	if (wide && !lma) {
		u64 pdpte = vcpu_read(v, VMCS_GUEST_PDPTE0 + 2 * (linear >> 30 & 3));
		if (!(pdpte & PTE_P))
			return false;
		table = pdpte & BITS(51, 12);
	}
	for (;; level--) {
		unsigned shift = 12 + bits * (unsigned)level;
		struct entry e = read_entry(v, table, linear >> shift & ((1u << bits) - 1), wide);
		bool can_be_large = level == 1 ? wide || (w->cr4 & CR4_PSE) : level == 2;
		bool leaf = level == 0 || (can_be_large && (e.value & PTE_PS));
		if (!(e.value & PTE_P))
			return false;
		if (e.value & (reserved | reserved_at(wide, (unsigned)level, leaf))) {
			*error |= PFEC_P | PFEC_RSVD;
			return false;
		}
		path[depth++] = e;
		rights &= e.value;
		if (leaf) {
			u64 size = 1ul << shift, base = e.value & BITS(51, 12) & ~(size - 1);
			if (!wide && level == 1)
				base |= (e.value >> 13 & 0xff) << 32;
			*physical = base | (linear & (size - 1));
			break;
		}
		table = e.value & (wide ? BITS(51, 12) : 0xfffff000);
	}
	if (w->fetched)
		return true;
	bool smap = (w->cr4 & CR4_SMAP) && (rights & PTE_U) && !(w->rflags & RFLAGS_AC);
	if ((w->write && !(rights & PTE_W) && (w->cr0 & CR0_WP)) || smap) {
		*error |= PFEC_P;
		return false;
	}
	for (unsigned i = 0; i < depth; i++) {
		u64 used = i + 1 == depth && w->write ? PTE_A | PTE_D : PTE_A;
		if (used & ~path[i].value)
			set_bits(v, &path[i], used);
	}
	return true;
}

/* Every page of the operand is translated before any byte moves. */
static bool translate_all(struct vcpu *v, u64 linear, size_t size, bool write, u64 page[2])
{
	struct walk w = {vcpu_read(v, VMCS_GUEST_CR0),
			 vcpu_read(v, VMCS_GUEST_CR3),
			 vcpu_read(v, VMCS_GUEST_CR4),
			 vcpu_read(v, VMCS_GUEST_IA32_EFER),
			 vcpu_read(v, VMCS_GUEST_RFLAGS),
			 write,
			 false};
	u64 last = linear + size - 1;

	if (!(w.efer & EFER_LMA))
		last &= 0xffffffff;
	for (unsigned i = 0; i < 2; i++) {
		u64 at = i == 0 ? linear : last & PAGE_MASK;
		u32 error;
		if (i == 1 && (last & PAGE_MASK) == (linear & PAGE_MASK))
			return true;
		if (!(w.cr0 & CR0_PG)) {
			page[i] = at;
		} else if (!translate(v, &w, at, &page[i], &error)) {
			cpu_write_cr2(at);
			vcpu_fault(v, VEC_PF, error);
			return false;
		}
	}
	return true;
}

static size_t first_part(u64 linear, size_t size)
{
	size_t room = (size_t)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	return size < room ? size : room;
}

bool walk_read(struct vcpu *v, u64 linear, void *to, size_t size)
{
	u64 page[2] = {0, 0};
	size_t first = first_part(linear, size);

	if (!translate_all(v, linear, size, false, page))
		return false;
	l1mem_read(v->machine, (l1pa_t){page[0]}, to, first);
	if (first < size)
		l1mem_read(v->machine, (l1pa_t){page[1]}, (u8 *)to + first, size - first);
	return true;
}

bool walk_write(struct vcpu *v, u64 linear, const void *from, size_t size)
{
	u64 page[2] = {0, 0};
	size_t first = first_part(linear, size);

	if (!translate_all(v, linear, size, true, page))
		return false;
	l1mem_write(v->machine, (l1pa_t){page[0]}, from, first);
	if (first < size)
		l1mem_write(v->machine, (l1pa_t){page[1]}, (const u8 *)from + first, size - first);
	return true;
}

/* What the paging hardware uses now, whichever guest it is. */
static bool find_code(struct vcpu *v, u64 linear, l1pa_t *at)
{
	struct walk w = {.cr0 = vcpu_read(v, VMCS_GUEST_CR0),
			 .cr3 = vcpu_read(v, VMCS_GUEST_CR3),
			 .cr4 = vcpu_read(v, VMCS_GUEST_CR4),
			 .efer = vcpu_read(v, VMCS_GUEST_IA32_EFER),
			 .fetched = true};
	u64 physical = linear;
	u32 error;

	if ((w.cr0 & CR0_PG) && !translate(v, &w, linear, &physical, &error))
		return false;
	return ept02_translate(v, physical, at);
}

unsigned walk_fetch(struct vcpu *v, u8 *to, unsigned size)
{
	bool long_mode = vcpu_read(v, VMCS_GUEST_CS_AR) & AR_L;
	u64 linear = vcpu_read(v, VMCS_GUEST_RIP) + (long_mode ? 0 : vcpu_read(v, VMCS_GUEST_CS_BASE));
	unsigned done = 0;

	while (done < size) {
		u64 here = long_mode ? linear + done : (u32)(linear + done);
		unsigned n = (unsigned)first_part(here, size - done);
		l1pa_t at;
		if (!find_code(v, here, &at))
			break;
		l1mem_read(v->machine, at, to + done, n);
		done += n;
	}
	return done;
}
