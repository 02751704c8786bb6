#include "vmm/task_pure.h"

#define TYPE_CODE 8u
#define TYPE_CONFORMING 4u /* of code; of data: expand-down */
#define TYPE_READABLE 2u /* of code; of data: writable */
#define TYPE_LDT 2u
#define TYPE_TSS16 1u
#define TYPE_TSS32 9u
#define TYPE_BUSY 2u
#define EFLAGS_DEFINED 0x3f7fd5u

/* SDM: figures "32-Bit Task-State Segment (TSS)" and "16-Bit TSS Format". */
struct layout {
	unsigned unit; /* bytes of each */
	unsigned state, selectors; /* EIP, EFLAGS, general registers; ES and on */
	unsigned saved, ldt; /* how many segment registers, and where LDTR's selector is */
};
static const struct layout layouts[2] = {{2, 14, 34, 4, 42}, {4, 32, 72, 6, 96}};
#define TSS32_CR3 28
#define TSS32_TRAP 100

static void put(u8 *at, unsigned size, u32 value)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (u8)(value >> 8 * i);
}

static u32 get(const u8 *at, unsigned size)
{
	u32 value = 0;
	for (unsigned i = 0; i < size; i++)
		value |= (u32)at[i] << 8 * i;
	return value;
}

void task_save(u8 *tss, bool wide, const struct task *t)
{
	const struct layout *l = &layouts[wide];
	u8 *at = tss + l->state;

	put(at, l->unit, t->eip);
	put(at + l->unit, l->unit, t->eflags);
	for (unsigned i = 0; i < 8; i++)
		put(at + (2 + i) * l->unit, l->unit, t->gpr[i]);
	for (unsigned i = 0; i < l->saved; i++)
		put(tss + l->selectors + i * l->unit, 2, t->selector[i]);
}

void task_load(const u8 *tss, bool wide, struct task *t)
{
	const struct layout *l = &layouts[wide];
	const u8 *at = tss + l->state;

	*t = (struct task){.eip = get(at, l->unit)};
	t->eflags = (get(at + l->unit, l->unit) & EFLAGS_DEFINED) | (u32)RFLAGS_FIXED1;
	for (unsigned i = 0; i < 8; i++)
		t->gpr[i] = get(at + (2 + i) * l->unit, l->unit) | (wide ? 0 : 0xffff0000);
	for (unsigned i = 0; i < l->saved; i++)
		t->selector[i] = (u16)get(tss + l->selectors + i * l->unit, 2);
	t->selector[SEG_LDTR] = (u16)get(tss + l->ldt, 2);
	if (wide) {
		t->cr3 = get(tss + TSS32_CR3, 4);
		t->trap = tss[TSS32_TRAP] & 1;
	}
}

struct descriptor descriptor_decode(u64 raw)
{
	struct descriptor d = {
		.base = (u32)(raw >> 16 & 0xffffff) | (u32)(raw >> 56) << 24,
		.limit = (u32)(raw & 0xffff) | (u32)(raw >> 32 & 0xf0000),
		.ar = (u32)(raw >> 40) & 0xf0ff,
	};
	if (d.ar & AR_G)
		d.limit = d.limit << 12 | 0xfff;
	return d;
}

bool descriptor_is_tss(const struct descriptor *d, bool busy)
{
	u32 type = d->ar & (AR_TYPE | AR_S) & ~TYPE_BUSY;
	return (type == TYPE_TSS16 || type == TYPE_TSS32) && !!(d->ar & TYPE_BUSY) == busy;
}

bool descriptor_is_wide_tss(const struct descriptor *d)
{
	return (d->ar & AR_TYPE & ~TYPE_BUSY) == TYPE_TSS32;
}

static int check_ldt(u16 selector, const struct descriptor *d)
{
	bool ok = !(selector & 4) && (d->ar & (AR_TYPE | AR_S | AR_P)) == (TYPE_LDT | AR_P);
	return ok ? TASK_NO_FAULT : VEC_TS;
}

static int check_code(const struct descriptor *d, unsigned cpl)
{
	if (!(d->ar & AR_S) || !(d->ar & TYPE_CODE))
		return VEC_TS;
	if (d->ar & TYPE_CONFORMING ? AR_DPL(d->ar) > cpl : AR_DPL(d->ar) != cpl)
		return VEC_TS;
	return d->ar & AR_P ? TASK_NO_FAULT : VEC_NP;
}

static int check_stack(u16 selector, const struct descriptor *d, unsigned cpl)
{
	if (!(d->ar & AR_S) || (d->ar & TYPE_CODE) || !(d->ar & TYPE_READABLE))
		return VEC_TS;
	if (!(d->ar & AR_P))
		return VEC_SS;
	return AR_DPL(d->ar) == cpl && (selector & 3u) == cpl ? TASK_NO_FAULT : VEC_TS;
}

static int check_data(u16 selector, const struct descriptor *d, unsigned cpl)
{
	bool code = d->ar & TYPE_CODE;

	if (!(d->ar & AR_S) || (code && !(d->ar & TYPE_READABLE)))
		return VEC_TS;
	if (!(code && (d->ar & TYPE_CONFORMING)) &&
	    (AR_DPL(d->ar) < cpl || AR_DPL(d->ar) < (selector & 3u)))
		return VEC_TS;
	return d->ar & AR_P ? TASK_NO_FAULT : VEC_NP;
}

int task_check_segment(enum segment s, u16 selector, const struct descriptor *d, unsigned cpl)
{
	if ((selector & 0xfffc) == 0)
		return s == SEG_CS || s == SEG_SS ? VEC_TS : TASK_NO_FAULT;
	switch (s) {
	case SEG_LDTR:
		return check_ldt(selector, d);
	case SEG_CS:
		return check_code(d, cpl);
	case SEG_SS:
		return check_stack(selector, d, cpl);
	default:
		return check_data(selector, d, cpl);
	}
}

struct descriptor task_v86_segment(u16 selector)
{
	return (struct descriptor){.base = (u32)selector << 4, .limit = 0xffff, .ar = 0xf3};
}

bool task_push(const struct descriptor *ss, u32 *esp, unsigned size, u32 *offset)
{
	u32 mask = ss->ar & AR_DB ? 0xffffffff : 0xffff;
	u32 first = (*esp - size) & mask, last = first + size - 1;
	bool down = ss->ar & TYPE_CONFORMING;

	*esp = (*esp & ~mask) | first;
	*offset = first;
	if (last < first || last > mask)
		return false;
	return down ? first > ss->limit : last <= ss->limit;
}

static bool is_contributory(unsigned vector)
{
	return vector == VEC_DE || (vector >= VEC_TS && vector <= VEC_GP) || vector == VEC_CP;
}

static bool is_page_fault(unsigned vector)
{
	return vector == VEC_PF || vector == VEC_VE;
}

int task_combine(u32 first_info, enum vector second)
{
	unsigned first = first_info & INTR_VECTOR;

	if (!(first_info & INTR_VALID) || INTR_TYPE(first_info) != INTR_HW_EXCEPTION)
		return (int)second;
	if (first == VEC_DF && (is_contributory(second) || is_page_fault(second)))
		return TASK_TRIPLE_FAULT;
	if ((is_contributory(first) && is_contributory(second)) ||
	    (is_page_fault(first) && (is_contributory(second) || is_page_fault(second))))
		return VEC_DF;
	return (int)second;
}
