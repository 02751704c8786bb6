#include "guest/fuzz/fuzz.h"

#include "guest/lib/memory.h"
#include "vmx/msr.h"

#define ATTEMPTS 64

/* ---- which field */

/* How often a field is chosen, beside 1 for every other one; 0: never. */
static const struct weight {
	enum field_index first, last;
	u8 weight;
} weights[] = {
	{FI_HOST_RSP, FI_HOST_RSP, 0}, /* no rule is about it, and L1 could not go on */
	{FI_PIN_CONTROLS, FI_PROC_CONTROLS, 8},
	{FI_EXIT_CONTROLS, FI_EXIT_CONTROLS, 8},
	{FI_ENTRY_CONTROLS, FI_ENTRY_CONTROLS, 8},
	{FI_PROC2_CONTROLS, FI_PROC2_CONTROLS, 10},
	{FI_ENTRY_INTERRUPTION_INFO, FI_ENTRY_INTERRUPTION_INFO, 16},
	{FI_ENTRY_EXCEPTION_ERROR_CODE, FI_ENTRY_INSTRUCTION_LENGTH, 4},
	{FI_TPR_THRESHOLD, FI_TPR_THRESHOLD, 4},
	{FI_CR3_TARGET_COUNT, FI_CR3_TARGET_COUNT, 2},
	{FI_EXIT_MSR_STORE_ADDR, FI_ENTRY_MSR_LOAD_ADDR, 3},
	{FI_EXIT_MSR_STORE_COUNT, FI_EXIT_MSR_LOAD_COUNT, 3},
	{FI_ENTRY_MSR_LOAD_COUNT, FI_ENTRY_MSR_LOAD_COUNT, 4},
	{FI_EPT_POINTER, FI_EPT_POINTER, 4},
	{FI_VMCS_LINK_POINTER, FI_VMCS_LINK_POINTER, 6},
	{FI_GUEST_IA32_DEBUGCTL, FI_GUEST_IA32_EFER, 4},
	{FI_GUEST_PDPTE0, FI_GUEST_PDPTE3, 2},
	{FI_GUEST_ES_SELECTOR, FI_GUEST_TR_SELECTOR, 3},
	{FI_GUEST_ES_LIMIT, FI_GUEST_IDTR_LIMIT, 3},
	{FI_GUEST_ES_AR, FI_GUEST_TR_AR, 7},
	{FI_GUEST_INTERRUPTIBILITY, FI_GUEST_ACTIVITY_STATE, 10},
	{FI_GUEST_CR0, FI_GUEST_CR4, 8},
	{FI_GUEST_ES_BASE, FI_GUEST_IDTR_BASE, 3},
	{FI_GUEST_DR7, FI_GUEST_DR7, 3},
	{FI_GUEST_RIP, FI_GUEST_RIP, 4},
	{FI_GUEST_RFLAGS, FI_GUEST_PENDING_DEBUG, 10},
	{FI_HOST_CR0, FI_HOST_CR4, 3},
};

#define CHOICES_MAX 1024
static u8 choices[CHOICES_MAX]; /* of enum field_index, each as often as it weighs */
static unsigned choice_count;

static unsigned weight_of(unsigned field)
{
	for (unsigned i = 0; i < ARRAY_LEN(weights); i++)
		if (field >= weights[i].first && field <= weights[i].last)
			return weights[i].weight;
	return 1;
}

static void choices_init(void)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		unsigned weight = field_known[i] && field_info[i].group != RO ? weight_of(i) : 0;
		while (weight-- && choice_count < CHOICES_MAX)
			choices[choice_count++] = (u8)i;
	}
}

/* ---- which value */

static u64 width_limit(void)
{
	static u64 limit;

	if (!limit)
		limit = BIT(cpuid(0x80000008).eax & 0xff);
	return limit;
}

/* Values at which one rule or another changes its mind. */
static u64 boundary(struct random *r)
{
	static const u64 values[] = {
		0,
		1,
		~0ull,
		0xf,
		0x10,
		0x1f,
		0x20,
		0xff,
		0x100,
		0xfff,
		0x1000,
		0xffff,
		0x10000,
		0xfffff,
		0x100000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0x00007fffffffffff,
		0x0000800000000000,
		0xffff7fffffffffff,
		0xffff800000000000,
		0x00ffffffffffffff,
		0x0100000000000000,
		0xfeffffffffffffff,
		0x8000000000000000,
	};
	unsigned i = random_below(r, ARRAY_LEN(values) + 4);

	switch (i - ARRAY_LEN(values)) {
	case 0:
		return width_limit();
	case 1:
		return width_limit() - PAGE_SIZE;
	case 2:
		return width_limit() - 16;
	case 3:
		return width_limit() - 1;
	default:
		return values[i];
	}
}

static u64 bits_of(struct random *r, const u8 *bits, unsigned count)
{
	return BIT(bits[random_below(r, count)]);
}

static u64 interruption_info(struct random *r)
{
	static const u8 vectors[] = {0,  1,  2,  3,  4,  6,  8,  9,  10, 11, 12,
				     13, 14, 16, 17, 18, 20, 21, 31, 32, 255};
	u64 info = INTR_VALID | random_below(r, 8) << 8;

	info |= random_chance(r, 4) ? random_below(r, 256) : vectors[random_below(r, ARRAY_LEN(vectors))];
	if (random_chance(r, 2))
		info |= INTR_ERROR_CODE_VALID;
	if (random_chance(r, 8))
		info |= BIT(12 + random_below(r, 19));
	return info;
}

static u64 access_rights(struct random *r, u64 old)
{
	static const u16 values[] = {0x93, 0x9b,   0xf3,   0x8b,   0x83,   0x82, 0x91, 0x99, 0x9f, 0x97,
				     0x13, 0xa09b, 0xc09b, 0xc093, 0xcff3, 0xb3, 0xd3, 0x8f, 0x81};

	switch (random_below(r, 4)) {
	case 0:
		return values[random_below(r, ARRAY_LEN(values))];
	case 1:
		return old ^ AR_UNUSABLE;
	case 2:
		return (old & ~(u64)AR_TYPE) | random_below(r, 16);
	default:
		return old ^ BIT(random_below(r, 18));
	}
}

static u64 rflags(struct random *r, u64 old)
{
	static const u8 bits[] = {1, 8, 9, 9, 8, 17, 3, 5, 15, 21, 22, 63, 0, 14, 16, 18, 19, 20};
	return old ^ bits_of(r, bits, ARRAY_LEN(bits));
}

static u64 cr0(struct random *r, u64 old)
{
	static const u8 bits[] = {0, 31, 5, 16, 29, 30, 1, 3, 18, 4, 6, 32, 63};
	return old ^ bits_of(r, bits, ARRAY_LEN(bits));
}

static u64 efer(struct random *r, u64 old)
{
	static const u8 bits[] = {0, 8, 10, 11, 1, 12, 13, 14, 15, 63};
	u64 value = old ^ bits_of(r, bits, ARRAY_LEN(bits));
	return random_chance(r, 3) ? value ^ bits_of(r, bits, ARRAY_LEN(bits)) : value;
}

static u64 pat(struct random *r)
{
	static const u8 types[] = {0, 1, 4, 5, 6, 7, 0, 1, 4, 5,    6,
				   7, 0, 6, 6, 6, 6, 2, 3, 8, 0x40, 0x80};
	u64 value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | types[random_below(r, random_chance(r, 8) ? ARRAY_LEN(types) : 17)];
	return value;
}

static u64 pending_debug(struct random *r, u64 old)
{
	static const u8 bits[] = {14, 14, 14, 12, 0, 1, 2, 3, 4, 11, 13, 15, 16, 17, 63};
	u64 value = old ^ bits_of(r, bits, ARRAY_LEN(bits));
	return random_chance(r, 2) ? value ^ bits_of(r, bits, ARRAY_LEN(bits)) : value;
}

static u64 link_pointer(struct random *r, const struct base *b)
{
	const u64 values[] = {
		~0ull,
		arena.link_good,
		arena.link_shadow,
		arena.link_revision,
		(u64)b->region,
		arena.scratch,
		arena.link_good | BIT(random_below(r, 12)),
		arena.link_good | width_limit(),
		arena.link_good | BIT(63),
	};
	return values[random_below(r, ARRAY_LEN(values))];
}

/* Good pointers with another memory type, walk length or flag; and a good one to nothing. */
static u64 ept_pointer(struct random *r)
{
	u64 eptp = random_chance(r, 5) ? arena.eptp_empty : arena.eptp;

	switch (random_below(r, 5)) {
	case 0:
		return (eptp & ~7ull) | random_below(r, 8);
	case 1:
		return (eptp & ~(7ull << 3)) | (u64)random_below(r, 8) << 3;
	case 2:
		return eptp ^ BIT(6);
	case 3:
		return eptp ^ BIT(random_below(r, 12));
	default:
		return eptp | width_limit() << random_below(r, 8);
	}
}

/* 0 for most fields: they have no values of their own. */
static bool special(struct random *r, const struct base *b, unsigned field, u64 old, u64 *value)
{
	if (field >= FI_GUEST_ES_AR && field <= FI_GUEST_TR_AR)
		return *value = access_rights(r, old), true;
	if (field >= FI_GUEST_PDPTE0 && field <= FI_GUEST_PDPTE3)
		return *value = old ^ BIT(random_below(r, 12)), true;
	switch (field) {
	case FI_ENTRY_INTERRUPTION_INFO:
		return *value = interruption_info(r), true;
	case FI_ENTRY_INSTRUCTION_LENGTH:
		return *value = random_below(r, 18), true;
	case FI_GUEST_RFLAGS:
		return *value = rflags(r, old), true;
	case FI_HOST_CR0:
	case FI_GUEST_CR0:
		return *value = cr0(r, old), true;
	case FI_HOST_CR4:
	case FI_GUEST_CR4:
		return *value = old ^ BIT(random_below(r, 26)), true;
	case FI_HOST_IA32_EFER:
	case FI_GUEST_IA32_EFER:
		return *value = efer(r, old), true;
	case FI_HOST_IA32_PAT:
	case FI_GUEST_IA32_PAT:
		return *value = pat(r), true;
	case FI_GUEST_ACTIVITY_STATE:
		return *value = random_below(r, 5), true;
	case FI_GUEST_INTERRUPTIBILITY:
		return *value = old ^ BIT(random_below(r, 6)), true;
	case FI_GUEST_PENDING_DEBUG:
		return *value = pending_debug(r, old), true;
	case FI_VMCS_LINK_POINTER:
		return *value = link_pointer(r, b), true;
	case FI_EPT_POINTER:
		return *value = ept_pointer(r), true;
	case FI_TPR_THRESHOLD:
		return *value = random_below(r, 18), true;
	case FI_EXIT_MSR_STORE_COUNT:
	case FI_EXIT_MSR_LOAD_COUNT:
	case FI_ENTRY_MSR_LOAD_COUNT:
		return *value = random_below(r, MSR_SLOTS + 2), true;
	default:
		return false;
	}
}

static unsigned width_bits(unsigned field)
{
	static const u8 bits[] = {[W16] = 16, [W32] = 32, [W64] = 64, [WN] = 64};
	return bits[field_info[field].width];
}

static u64 any_other_field(struct random *r, const struct base *b)
{
	return b->image.f[choices[random_below(r, choice_count)]];
}

static u64 new_value(struct random *r, const struct base *b, unsigned field)
{
	u64 old = b->image.f[field], value;

	if (random_chance(r, 2) && special(r, b, field, old, &value))
		return value;
	switch (random_below(r, 8)) {
	case 0:
	case 1:
	case 2:
		return old ^ BIT(random_below(r, width_bits(field)));
	case 3:
		return old ^ BIT(random_below(r, width_bits(field))) ^
		       BIT(random_below(r, width_bits(field)));
	case 4:
		return boundary(r);
	case 5:
		return any_other_field(r, b);
	case 6:
		return old + 1 - 2 * random_below(r, 2);
	default:
		return random_next(r);
	}
}

/* ---- memory that an entry reads */

/* Not IA32_SMM_MONITOR_CTL: the simulated machine lacks it, and takes writes of MSRs that it lacks. */
static const u32 odd_msrs[] = {
	MSR_IA32_FS_BASE,         MSR_IA32_GS_BASE,   MSR_X2APIC_FIRST,
	MSR_X2APIC_LAST,          MSR_IA32_VMX_BASIC, MSR_IA32_EFER,
	MSR_IA32_SYSENTER_ESP,    0xc0000082,         MSR_IA32_PAT,
	MSR_IA32_FEATURE_CONTROL,
};

static void knob_msr(struct random *r, struct mutation *m)
{
	m->knob = KNOB_ENTRY_MSR;
	m->slot = random_below(r, MSR_SLOTS);
	m->value = odd_msrs[random_below(r, ARRAY_LEN(odd_msrs))];
	if (random_chance(r, 6))
		m->value |= BIT(32 + random_below(r, 32));
	m->more = m->value == MSR_IA32_EFER && random_chance(r, 2) ?
			  EFER_LME | EFER_LMA | random_below(r, 2) :
		  m->value == MSR_IA32_PAT ? pat(r) :
					     boundary(r);
}

static void knob(struct random *r, const struct base *b, struct mutation *m)
{
	m->field = -1;
	if (b->image.f[FI_ENTRY_MSR_LOAD_COUNT]) {
		knob_msr(r, m);
	} else if (b->image.f[FI_GUEST_CR3] == arena.cr3_pae) {
		m->knob = KNOB_PDPTE;
		m->slot = random_below(r, 4);
		m->value = arena.pae_pdpt[m->slot] ^ BIT(random_below(r, 64));
	} else {
		m->knob = KNOB_VTPR;
		m->value = random_below(r, 256);
	}
}

static void make(struct random *r, struct entry *e)
{
	struct base *b = e->base;

	copy_quads(&e->image, &b->image, FI_COUNT);
	e->count = 1 + random_below(r, MUTATIONS_MAX);
	for (unsigned i = 0; i < e->count; i++) {
		struct mutation *m = &e->mutation[i];
		*m = (struct mutation){.field = choices[random_below(r, choice_count)]};
		if (random_chance(r, 16)) {
			knob(r, b, m);
			continue;
		}
		m->value = new_value(r, b, (unsigned)m->field) &
			   field_value_mask((enum field_width)field_info[m->field].width);
		e->image.f[m->field] = m->value;
	}
}

void mutate(struct entry *e, u64 seed, u64 number)
{
	struct random r = random_start(seed, number),
		      of_base = random_start(~seed, number / ENTRIES_OF_BASE);

	if (!choice_count)
		choices_init();
	e->number = number;
	e->base = &bases[random_below(&of_base, base_count)];
	e->clear_first = random_chance(&r, 64);
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		make(&r, e);
		if (exclude_passes(e))
			return;
	}
	copy_quads(&e->image, &e->base->image, FI_COUNT); /* the base as it is */
	e->count = 0;
}
