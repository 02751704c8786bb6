#include "nested/check_report.h"

const char *check_input_name(unsigned input)
{
	static const char *const names[CHECK_INPUTS - FI_COUNT] = {
		[IN_VTPR - FI_COUNT] = "VTPR",
		[IN_LINK_REVISION - FI_COUNT] = "LINK_REVISION",
		[IN_PDPTE0 - FI_COUNT] = "MEMORY_PDPTE0",
		[IN_PDPTE1 - FI_COUNT] = "MEMORY_PDPTE1",
		[IN_PDPTE2 - FI_COUNT] = "MEMORY_PDPTE2",
		[IN_PDPTE3 - FI_COUNT] = "MEMORY_PDPTE3",
		[IN_CURRENT_VMCS - FI_COUNT] = "CURRENT_VMCS",
		[IN_L1_IA32E - FI_COUNT] = "L1_IA32E",
	};

	return input < FI_COUNT ? field_info[input].name : names[input - FI_COUNT];
}

u64 check_input_value(const struct check_in *in, unsigned input)
{
	switch (input) {
	case IN_VTPR:
		return in->vtpr;
	case IN_LINK_REVISION:
		return in->link_revision;
	case IN_PDPTE0 ... IN_PDPTE3:
		return in->pdpte[input - IN_PDPTE0];
	case IN_CURRENT_VMCS:
		return in->current_vmcs.v;
	case IN_L1_IA32E:
		return in->l1_ia32e;
	default:
		return in->v->f[input];
	}
}

/* A search: `v` is a copy of vmcs12 in which `field` is changed; `in` looks at it. */
struct search {
	const struct check_in *old;
	const struct check_index *index;
	struct vmcs12 v;
	struct check_in in;
	enum check_id id;
	enum field_index field;
	struct check_fix best;
	bool best_harms; /* it breaks another row */
	int best_bits; /* that it changes */
};

/* Only rows that look at the field can fail by its change. */
static bool harms(const struct search *s)
{
	const struct check_set *rows = &s->index->of[s->field].rows;

	for (unsigned w = 0; w < CHECK_WORDS; w++)
		for (u64 left = rows->w[w]; left; left &= left - 1) {
			const struct check_info *row =
				&check_info[64 * w + (unsigned)__builtin_ctzl(left)];

			if (!row->holds(&s->in) && row->holds(s->old))
				return true;
		}
	return false;
}

static int bits_of(u64 value)
{
	int count = 0;

	for (; value; value &= value - 1)
		count++;
	return count;
}

static bool is_better(const struct search *s, int bits, bool harm)
{
	if (!s->best.found || harm != s->best_harms)
		return !s->best.found || !harm;
	return bits < s->best_bits;
}

static void try_value(struct search *s, u64 value)
{
	const u64 old = s->old->v->f[s->field];
	int bits = bits_of(value ^ old);

	if (bits == 0 || (value & ~field_value_mask((enum field_width)field_info[s->field].width)))
		return;
	if (s->best.found && !s->best_harms && bits >= s->best_bits)
		return;
	s->v.f[s->field] = value;
	if (check_info[s->id].holds(&s->in)) {
		bool harm = harms(s);

		if (is_better(s, bits, harm)) {
			s->best = (struct check_fix){true, s->field, value};
			s->best_harms = harm;
			s->best_bits = bits;
		}
	}
	s->v.f[s->field] = old;
}

static void try_control_word(struct search *s, u64 old)
{
	for (unsigned word = 0; word < CONTROL_WORDS; word++)
		if (control_field[word] == s->field)
			try_value(s, (old | s->in.caps->ctl[word].must_be_1) &
					     s->in.caps->ctl[word].may_be_1);
}

/* What a field of several bits is put right by: cut to what there is room for, aligned, extended. */
static void try_masks(struct search *s, u64 old)
{
	const struct caps *caps = s->in.caps;
	const u64 keep[] = {
		BITS(caps->maxphyaddr - 1, 0),
		BITS(caps->maxphyaddr - 1, 12),
		PAGE_MASK,
		~BITS(5, 0),
		~BITS(3, 0),
		~BITS(2, 0),
		BITS(31, 0),
		BITS(30, 0) & ~BITS(30, 12), /* event information: reserved bits, and valid */
		BIT(31) | BITS(11, 0),
		BITS(16, 0) & ~BITS(11, 8), /* access rights: reserved bits */
		BITS(16, 0),
		BITS(15, 0),
		BITS(7, 0),
		BITS(4, 0),
		BITS(3, 0),
		~BITS(11, 8),
		~BITS(11, 7),
		BIT(16) | BIT(12),
		BITS(14, 14) | BIT(12) | BITS(3, 0),
		BITS(21, 0) & ~(BIT(15) | BIT(5) | BIT(3)),
		caps->cr0_fixed1,
		caps->cr4_fixed1,
		s->in.efer_valid,
		s->in.debugctl_valid,
		caps->msr[17], /* IA32_VMX_VMFUNC */
		s->in.perf_global_valid,
		s->in.rtit_ctl_valid,
		s->in.lbr_ctl_valid,
		caps->maxphyaddr < 64 ? BITS(caps->maxphyaddr - 1, 9) | BITS(4, 3) | BIT(0) :
					0, /* PDPTE */
		0,
	};

	for (unsigned i = 0; i < ARRAY_LEN(keep); i++)
		try_value(s, old & keep[i]);
}

static void try_registers(struct search *s, u64 old)
{
	const struct caps *caps = s->in.caps;
	unsigned spare = 64 - caps->linear_bits;

	try_value(s, (old | caps->cr0_fixed0) & caps->cr0_fixed1);
	try_value(s, (old | caps->cr4_fixed0) & caps->cr4_fixed1);
	try_value(s, (u64)((s64)(old << spare) >> spare)); /* canonical, by the highest bit that counts */
	try_value(s, old & (~0ull >> (spare + 1)));
	try_value(s, old >> (caps->linear_bits - 1) ? old | ~0ull << (caps->linear_bits - 1) : old);
	try_value(s, old | ~0ull << caps->linear_bits);
}

/* PAT: bytes that are no memory type become write-back. */
static u64 mend_pat(u64 old)
{
	u64 pat = old;

	for (unsigned byte = 0; byte < 8; byte++) {
		u64 type = old >> 8 * byte & 0xff;

		if (type > 7 || type == 2 || type == 3)
			pat = (pat & ~(0xffull << 8 * byte)) | (u64)MT_WB << 8 * byte;
	}
	return pat;
}

/* Values that are the only legal ones somewhere. */
static void try_constants(struct search *s)
{
	const struct vmcs12 *v = s->old->v;
	const u64 values[] = {
		~0ull,
		0xffff, /* the limit of a segment in virtual-8086 mode */
		0xf3, /* access rights there */
		0x93,
		0x9b,
		0x8b,
		0x82,
		s->in.vtpr >> 4 & 15, /* TPR threshold */
		VMX_MISC_CR3_TARGETS(s->in.caps->misc),
		AR_UNUSABLE,
	};

	for (unsigned i = 0; i < ARRAY_LEN(values); i++)
		try_value(s, values[i]);
	for (unsigned i = 0; i <= SEG_GS; i++) /* bases in virtual-8086 mode */
		if (s->field == FI_GUEST_ES_BASE + i)
			try_value(s, v->f[FI_GUEST_ES_SELECTOR + i] << 4);
	for (unsigned i = 0; i < 32; i++) /* small numbers: vectors, lengths, counts */
		try_value(s, i);
}

static bool is_found(const struct search *s)
{
	return s->best.found && !s->best_harms;
}

/* Nothing is nearer than one bit. */
static void try_bits(struct search *s, u64 old)
{
	for (unsigned bit = 0; bit < 64 && !is_found(s); bit++)
		try_value(s, old ^ BIT(bit));
}

/* Pairs of the bits that make up a type, a privilege level, a vector. */
static void try_pairs(struct search *s, u64 old)
{
	for (unsigned high = 1; high < 17; high++)
		for (unsigned low = 0; low < high; low++)
			try_value(s, old ^ BIT(high) ^ BIT(low));
}

static void try_field(struct search *s)
{
	const u64 old = s->old->v->f[s->field];

	try_bits(s, old);
	if (is_found(s))
		return;
	try_pairs(s, old);
	try_control_word(s, old);
	try_masks(s, old);
	try_registers(s, old);
	try_value(s, mend_pat(old));
	try_constants(s);
}

struct check_fix check_nearest(const struct check_in *in, enum check_id id,
			       const struct check_index *index)
{
	const struct check_info *row = &check_info[id];
	struct search s = {.old = in, .index = index, .v = *in->v, .in = *in, .id = id};

	s.in.v = &s.v;
	for (unsigned i = 0; i < row->input_count; i++) {
		if (row->inputs[i] >= FI_COUNT)
			continue;
		s.field = (enum field_index)row->inputs[i];
		try_field(&s);
		if (is_found(&s))
			break;
	}
	return s.best;
}
