#include "tools/vmcs-check/judge.h"

bool judge_has_inputs(const struct dump *dump, const struct check_info *row)
{
	for (unsigned i = 0; i < row->input_count; i++)
		if (!dump->known[row->inputs[i]])
			return false;
	return true;
}

static u64 *value_of(struct vmcs12 *v, struct check_in *in, unsigned input)
{
	if (input < FI_COUNT)
		return &v->f[input];
	if (input >= IN_PDPTE0 && input <= IN_PDPTE3)
		return &in->pdpte[input - IN_PDPTE0];
	return input == IN_CURRENT_VMCS ? &in->current_vmcs.v : NULL;
}

static void fill(struct vmcs12 *v, struct check_in *in, unsigned input, u64 value)
{
	u64 *place = value_of(v, in, input);

	if (place)
		*place = input < FI_COUNT ?
				 value & field_value_mask((enum field_width)field_info[input].width) :
				 value;
	else if (input == IN_VTPR)
		in->vtpr = value & 0xff;
	else if (input == IN_LINK_REVISION)
		in->link_revision = (u32)value;
	else
		in->l1_ia32e = value & 1;
}

#define PROBES 1000u

static u64 next_random(u64 *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 32;
}

/* A value that some rule takes for good or for bad: a usual one, or one with a single bit changed. */
static u64 probe(const struct check_in *in, u64 *random)
{
	const u64 usual[] = {
		0,
		~0ull,
		0x93,
		0xa09b,
		0xc093,
		0x8b,
		0xf3,
		0xffff,
		0xffffffff,
		RFLAGS_FIXED1 | RFLAGS_TF | RFLAGS_IF,
		EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
		CR0_PE | CR0_NE | CR0_PG,
		CR4_PAE | CR4_VMXE,
		INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_GP,
		BITS(in->caps->maxphyaddr - 1, 4), /* the last entry that an MSR area can have */
	};
	u64 value = usual[next_random(random) % ARRAY_LEN(usual)];

	return next_random(random) % 2 ? value : value ^ BIT(next_random(random) % 64);
}

/*
 * What the dump lacks may still not matter: in most modes some fields count for nothing. So the row is
 * asked with many values in place of what is missing, among which any rule that does look there finds a
 * bad one. It is never called broken: the only good value may not be among them.
 */
static enum verdict judge_unknown(const struct dump *dump, const struct check_info *row)
{
	struct vmcs12 v = dump->v;
	struct check_in in = dump->in;
	u64 random = 1;

	in.v = &v;
	for (unsigned i = 0; i < PROBES; i++) {
		for (unsigned k = 0; k < row->input_count; k++)
			if (!dump->known[row->inputs[k]])
				fill(&v, &in, row->inputs[k], probe(&in, &random));
		if (!row->holds(&in))
			return SKIPPED;
	}
	return HOLDS;
}

/* A control that is 0 settles the matter (check.def). */
static bool control_is_0(const struct dump *dump, enum control_index control)
{
	const struct control_info *c = &control_info[control];
	unsigned word = control_field[c->word];

	return control != CI_ALWAYS && dump->known[word] && !(dump->v.f[word] >> c->bit & 1);
}

void judge(enum verdict verdicts[CHECK_COUNT], struct dump *dump, const struct processor *processor)
{
	dump->in.v = &dump->v;
	dump->in.caps = &processor->caps;
	dump->in.efer_valid = processor->efer_valid;
	dump->in.debugctl_valid = processor->debugctl_valid;
	dump->in.perf_global_valid = processor->perf_global_valid;
	dump->in.rtit_ctl_valid = processor->rtit_ctl_valid;
	dump->in.lbr_ctl_valid = processor->lbr_ctl_valid;
	dump->in.rtm = processor->rtm;
	dump->in.sgx = processor->sgx;
	verdicts[CHECK_PASSED] = HOLDS;
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++) {
		const struct check_info *row = &check_info[id];

		if (control_is_0(dump, (enum control_index)row->control))
			verdicts[id] = HOLDS;
		else if (judge_has_inputs(dump, row))
			verdicts[id] = row->holds(&dump->in) ? HOLDS : BROKEN;
		else
			verdicts[id] = judge_unknown(dump, row);
	}
}
