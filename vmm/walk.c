#include "vmm/walk.h"

#include "vmm/ept02.h"
#include "vmm/l1mem.h"
#include "vmx/cpu.h"

#define NO_PAGE (~0ul)

/* What decides a walk, read once: as the paging hardware uses it, not as L1 sees it. */
struct walk {
	u64 cr0, cr3, cr4, efer;
	bool write;
	bool user; /* an access by CPL 3 */
	bool fetched; /* an instruction that the processor has read: its rights are not looked at */
};

/* The entries that a translation went through (of 4 bytes in 32-bit paging). */
struct path {
	l1pa_t at[5];
	u64 value[5];
	unsigned depth;
	bool wide;
	u64 rights, used; /* all that each of them grants, and has set */
};

/* False where EPT12 maps no table there: such an entry is not present. */
static bool read_entry(struct vcpu *v, struct path *p, u64 address)
{
	l1pa_t *at = &p->at[p->depth];
	u64 *value = &p->value[p->depth++];

	at->v = address;
	if (v->nested.in_l2 && !ept02_translate(v, address, at))
		return false;
	*value = p->wide ? l1mem_read64(v->machine, *at) : l1mem_read32(v->machine, *at);
	return *value & PTE_P;
}

/* Accessed flags everywhere, and the dirty flag in the last one written through. */
static void set_bits(struct vcpu *v, struct path *p, bool write)
{
	for (unsigned i = 0; i < p->depth; i++) {
		u64 used = i + 1 == p->depth && write ? PTE_A | PTE_D : PTE_A;
		if (!(used & ~p->value[i]))
			continue;
		p->value[i] |= used;
		l1mem_write(v->machine, p->at[i], &p->value[i], p->wide ? 8 : 4);
	}
}

/* Reserved at every level. */
static u64 reserved_always(const struct vcpu *v, const struct walk *w)
{
	u64 reserved = 0;

	if (!(w->cr4 & CR4_PAE))
		return 0;
	if (v->machine->hw.maxphyaddr < 52)
		reserved |= BITS(51, v->machine->hw.maxphyaddr);
	if (!(w->efer & EFER_NXE))
		reserved |= PTE_NX;
	if (!(w->efer & EFER_LMA))
		reserved |= BITS(62, 52);
	return reserved;
}

/* In an entry at this level that has PS set. */
static u64 reserved_if_large(bool wide, int level)
{
	if (level >= 3)
		return PTE_PS;
	if (level == 2)
		return BITS(29, 13);
	return wide ? BITS(20, 13) : BIT(21); /* 4 MiB pages: PSE-36 up to 40 bits */
}

/* Goes down to the leaf: its level, or -1 with the error code of the page fault. SDM: volume 3A, "Paging". */
static int descend(struct vcpu *v, const struct walk *w, u64 linear, struct path *p, u32 *error)
{
	bool wide = w->cr4 & CR4_PAE, lma = w->efer & EFER_LMA, ps = wide || (w->cr4 & CR4_PSE);
	int level = !lma ? 1 : w->cr4 & CR4_LA57 ? 4 : 3;
	unsigned bits = wide ? 9 : 10, scale = wide ? 3 : 2;
	u64 tables = wide ? BITS(51, 12) : 0xfffff000, table = w->cr3 & tables;
	u64 reserved = reserved_always(v, w);

	p->wide = wide;
	p->depth = 0;
	p->rights = p->used = ~0ul;
	*error = (w->write ? PFEC_W : 0) | (w->user ? PFEC_U : 0);
	if (wide && !lma) {
		u64 pdpte = vcpu_read(v, VMCS_GUEST_PDPTE0 + 2 * (linear >> 30 & 3));
		if (!(pdpte & PTE_P))
			return -1;
		table = pdpte & tables;
	}
	for (unsigned shift = 12 + bits * (unsigned)level;; shift -= bits, level--) {
		u64 index = linear >> shift & ((1u << bits) - 1);
		if (!read_entry(v, p, table + (index << scale)))
			return -1;
		u64 value = p->value[p->depth - 1];
		bool large = level > 0 && (value & PTE_PS) && (level > 1 || ps);
		if (value & (large ? reserved | reserved_if_large(wide, level) : reserved)) {
			*error |= PFEC_P | PFEC_RSVD;
			return -1;
		}
		p->rights &= value;
		p->used &= value;
		if (large || level == 0)
			return level;
		table = value & tables;
	}
}

/* Reads and writes. SDM: volume 3A, "Determination of Access Rights". */
static bool allowed(const struct vcpu *v, const struct walk *w, u64 rights)
{
	if (w->user)
		return (rights & PTE_U) && (!w->write || (rights & PTE_W));
	if (w->write && !(rights & PTE_W) && (w->cr0 & CR0_WP))
		return false;
	return !(w->cr4 & CR4_SMAP) || !(rights & PTE_U) || (vcpu_read(v, VMCS_GUEST_RFLAGS) & RFLAGS_AC);
}

/* The same page, registers and entries, in which no flag had to be set. */
static bool is_last_walk(const struct vcpu *v, u64 linear)
{
	const struct last_walk *l = &v->last_walk;

	if (l->linear != (linear & PAGE_MASK) || v->nested.in_l2 ||
	    l->cr3 != vcpu_read(v, VMCS_GUEST_CR3) || l->cr0 != vcpu_read(v, VMCS_GUEST_CR0) ||
	    l->cr4 != vcpu_read(v, VMCS_GUEST_CR4) || l->efer != vcpu_read(v, VMCS_GUEST_IA32_EFER))
		return false;
	for (unsigned i = 0, depth = l->depth; i < depth; i++)
		if (*l->entry[i] != l->value[i])
			return false;
	return true;
}

/* A read of L1's that no more than its page tables decides. */
static void remember(struct vcpu *v, const struct walk *w, u64 linear, u64 physical, const struct path *p)
{
	struct last_walk *l = &v->last_walk;

	l->linear = NO_PAGE;
	if (w->write || w->fetched || v->nested.in_l2 || !p->wide || !(p->used & PTE_A) ||
	    ((w->cr4 & CR4_SMAP) && (p->rights & PTE_U)))
		return;
	for (unsigned i = 0; i < p->depth; i++) {
		const u8 *page = l1mem_page(v->machine, (l1pa_t){p->at[i].v & PAGE_MASK});
		if (!page)
			return;
		l->entry[i] = (const u64 *)(page + (p->at[i].v & ~PAGE_MASK));
		l->value[i] = p->value[i];
	}
	l->depth = p->depth;
	l->cr0 = w->cr0;
	l->cr3 = w->cr3;
	l->cr4 = w->cr4;
	l->efer = w->efer;
	l->page = l1mem_page(v->machine, (l1pa_t){physical & PAGE_MASK});
	l->linear = l->page ? linear & PAGE_MASK : NO_PAGE;
}

/*
 * The walk itself: the physical address, or false with the error code of the page fault. Sets the
 * accessed and dirty flags on success.
 */
static bool translate(struct vcpu *v, const struct walk *w, u64 linear, u64 *physical, u32 *error)
{
	struct path p;
	int level = descend(v, w, linear, &p, error);

	if (level < 0)
		return false;
	u64 leaf = p.value[p.depth - 1], size = 1ul << (12 + (p.wide ? 9 : 10) * (unsigned)level);
	*physical = (leaf & BITS(51, 12) & ~(size - 1)) | (linear & (size - 1));
	if (!p.wide && level == 1)
		*physical |= (leaf >> 13 & 0xff) << 32;
	if (w->fetched)
		return true;
	if (!allowed(v, w, p.rights)) {
		*error |= PFEC_P;
		return false;
	}
	if (!(p.used & PTE_A) || (w->write && !(leaf & PTE_D)))
		set_bits(v, &p, w->write);
	else
		remember(v, w, linear, *physical, &p);
	return true;
}

static bool translate_page(struct vcpu *v, const struct walk *w, u64 linear, u64 *page)
{
	u32 error;

	*page = linear;
	if (!(w->cr0 & CR0_PG) || translate(v, w, linear, page, &error))
		return true;
	cpu_write_cr2(linear);
	vcpu_fault(v, VEC_PF, error);
	return false;
}

/* Every page of the operand is translated before any byte moves. */
static NOINLINE bool translate_all(struct vcpu *v, u64 linear, size_t size, bool write, bool user,
				   u64 page[2])
{
	struct walk w = {.cr0 = vcpu_read(v, VMCS_GUEST_CR0),
			 .cr3 = vcpu_read(v, VMCS_GUEST_CR3),
			 .cr4 = vcpu_read(v, VMCS_GUEST_CR4),
			 .efer = vcpu_read(v, VMCS_GUEST_IA32_EFER),
			 .write = write,
			 .user = user};
	u64 last = linear + size - 1;

	if (!translate_page(v, &w, linear, &page[0]))
		return false;
	if ((last & PAGE_MASK) == (linear & PAGE_MASK))
		return true;
	last &= w.efer & EFER_LMA ? PAGE_MASK : PAGE_MASK & 0xffffffff;
	return translate_page(v, &w, last, &page[1]);
}

static size_t first_part(u64 linear, size_t size)
{
	size_t room = (size_t)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	return size < room ? size : room;
}

static NOINLINE bool read_anew(struct vcpu *v, u64 linear, void *to, size_t size)
{
	u64 page[2];
	size_t first = first_part(linear, size);

	if (!translate_all(v, linear, size, false, false, page))
		return false;
	l1mem_read(v->machine, (l1pa_t){page[0]}, to, first);
	if (first < size)
		l1mem_read(v->machine, (l1pa_t){page[1]}, (u8 *)to + first, size - first);
	return true;
}

bool walk_read(struct vcpu *v, u64 linear, void *to, size_t size)
{
	u64 *words = to, offset = linear & ~PAGE_MASK;

	if (offset + size > PAGE_SIZE || (size != 8 && size != 16) || !is_last_walk(v, linear))
		return read_anew(v, linear, to, size);
	const u64 *from = (const u64 *)(v->last_walk.page + offset);
	words[0] = from[0];
	if (size == 16)
		words[1] = from[1];
	return true;
}

static bool write_as(struct vcpu *v, bool user, u64 linear, const void *from, size_t size)
{
	u64 page[2] = {0, 0};
	size_t first = first_part(linear, size);

	if (!translate_all(v, linear, size, true, user, page))
		return false;
	l1mem_write(v->machine, (l1pa_t){page[0]}, from, first);
	if (first < size)
		l1mem_write(v->machine, (l1pa_t){page[1]}, (const u8 *)from + first, size - first);
	return true;
}

bool walk_write(struct vcpu *v, u64 linear, const void *from, size_t size)
{
	return write_as(v, false, linear, from, size);
}

bool walk_write_user(struct vcpu *v, u64 linear, const void *from, size_t size)
{
	return write_as(v, true, linear, from, size);
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
