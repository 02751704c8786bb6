#include "tools/vmcs-check/caps_text.h"

#include "tools/vmcs-check/text.h"
#include "vmx/msr.h"

#include <stdio.h>

#define EFER_64 (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define DEBUGCTL_USUAL (BITS(15, 6) | DEBUGCTL_BTF | BIT(0))
/* Four general counters and three fixed ones. */
#define PERF_GLOBAL_USUAL (BITS(34, 32) | BITS(3, 0))
/* All that CPUID.14H of this family reports: CR3 filter, CYC and MTC packets, ToPA, two address ranges. */
#define RTIT_CTL_USUAL \
	(BITS(39, 32) | BITS(27, 24) | BITS(22, 19) | BITS(17, 13) | BITS(11, 7) | BITS(3, 0))

/* All capability MSRs, from 0x480. */
static const struct profile {
	const char *name, *about;
	u64 msr[CAPS_MSR_COUNT];
	u8 maxphyaddr, linear_bits;
	u64 debugctl_valid, perf_global_valid, rtit_ctl_valid, lbr_ctl_valid;
	bool rtm, sgx;
} profiles[] = {
	{
		"skylake",
		"a client processor of the Skylake family (06_9EH), as it reports itself",
		{0x00da040000000004,
		 0x0000007f00000016,
		 0xfff9fffe0401e172,
		 0x01ffffff00036dff,
		 0x0003ffff000011ff,
		 0x000000007004c1e7,
		 0x0000000080000021,
		 0x00000000ffffffff,
		 0x0000000000002000,
		 0x00000000003727ff,
		 0x000000000000002e,
		 0x005fbcff00000000,
		 0x00000f0106734141,
		 0x0000007f00000016,
		 0xfff9fffe04006172,
		 0x01ffffff00036dfb,
		 0x0003ffff000011fb,
		 0x0000000000000001,
		 0,
		 0},
		39,
		48,
		DEBUGCTL_USUAL,
		PERF_GLOBAL_USUAL,
		RTIT_CTL_USUAL,
		0,
		false,
		true,
	},
	{
		"any",
		"every control and every bit may be 1: what no processor refuses on that ground",
		{0x00da040000000004, 0xffffffff00000016, 0xffffffff0401e172, 0xffffffff00036dff,
		 0xffffffff000011ff, 0x00000000700fc1ff, 0x0000000080000021, 0x00000000ffffffff,
		 0x0000000000002000, 0xffffffffffffffff, 0x0000000000000060, 0xffffffff00000000,
		 0x00000f0107f341c1, 0xffffffff00000016, 0xffffffff04006172, 0xffffffff00036dfb,
		 0xffffffff000011fb, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff},
		52,
		57,
		~0ull,
		~0ull,
		~0ull,
		~0ull,
		true,
		true,
	},
};

bool processor_by_name(struct processor *p, const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(profiles); i++) {
		const struct profile *from = &profiles[i];

		if (strcmp(from->name, name) != 0)
			continue;
		*p = (struct processor){
			.name = from->name,
			.about = from->about,
			.caps = {.maxphyaddr = from->maxphyaddr, .linear_bits = from->linear_bits},
			.efer_valid = EFER_64,
			.debugctl_valid = from->debugctl_valid,
			.perf_global_valid = from->perf_global_valid,
			.rtit_ctl_valid = from->rtit_ctl_valid,
			.lbr_ctl_valid = from->lbr_ctl_valid,
			.rtm = from->rtm,
			.sgx = from->sgx};
		memcpy(p->caps.msr, from->msr, sizeof(p->caps.msr));
		caps_decode(&p->caps);
		return true;
	}
	return false;
}

bool processor_profile(unsigned index, const char **name, const char **about)
{
	if (index >= ARRAY_LEN(profiles))
		return false;
	*name = profiles[index].name;
	*about = profiles[index].about;
	return true;
}

static const struct {
	const char *name;
	u32 number;
} msr_names[] = {
#define M(name) \
	{ \
#name, MSR_##name \
	}
	M(IA32_VMX_BASIC),
	M(IA32_VMX_PINBASED_CTLS),
	M(IA32_VMX_PROCBASED_CTLS2),
	M(IA32_VMX_PROCBASED_CTLS),
	M(IA32_VMX_EXIT_CTLS),
	M(IA32_VMX_ENTRY_CTLS),
	M(IA32_VMX_MISC),
	M(IA32_VMX_CR0_FIXED0),
	M(IA32_VMX_CR0_FIXED1),
	M(IA32_VMX_CR4_FIXED0),
	M(IA32_VMX_CR4_FIXED1),
	M(IA32_VMX_VMCS_ENUM),
	M(IA32_VMX_EPT_VPID_CAP),
	M(IA32_VMX_TRUE_PINBASED_CTLS),
	M(IA32_VMX_TRUE_PROCBASED_CTLS),
	M(IA32_VMX_TRUE_EXIT_CTLS),
	M(IA32_VMX_TRUE_ENTRY_CTLS),
	M(IA32_VMX_VMFUNC),
	M(IA32_VMX_PROCBASED_CTLS3),
	M(IA32_VMX_EXIT_CTLS2),
#undef M
};

static bool is_capability(u64 number)
{
	return number >= CAPS_MSR_FIRST && number < CAPS_MSR_FIRST + CAPS_MSR_COUNT;
}

/* The number of a capability MSR, by name, or as a number where the line begins, at the start of a word. */
static bool skip_msr(struct text *t, bool first, u64 *number)
{
	struct text next = *t;

	text_skip(&next, "MSR_");
	for (unsigned i = 0; i < ARRAY_LEN(msr_names); i++)
		if (text_skip(&next, msr_names[i].name)) {
			if (next.at < next.end && text_is_word(*next.at))
				return false;
			*number = msr_names[i].number;
			*t = next;
			return true;
		}
	next = *t;
	if (!first || !text_number(&next, 16, number) || !is_capability(*number))
		return false;
	*t = next;
	return true;
}

/* What may stand between the two: ) in the SDM's way of `(0x480)`, and = or :. */
static void skip_between(struct text *t)
{
	text_skip_blanks(t);
	while (t->at < t->end && (*t->at == '=' || *t->at == ':' || *t->at == ')'))
		t->at++;
	text_skip_blanks(t);
}

struct caps_reader {
	struct processor *p;
	struct text_error *error;
	unsigned line, used;
	bool failed;
};

static void caps_fail(struct caps_reader *r, const char *what)
{
	r->error->line = r->line;
	snprintf(r->error->what, sizeof(r->error->what), "%s", what);
	r->failed = true;
}

/* Past a first word with a colon, such as `nestling:`, or where the text stands. */
static const char *second_word(struct text t)
{
	struct text word = t;

	while (word.at < word.end && text_is_word(*word.at))
		word.at++;
	if (!text_skip(&word, ": "))
		return t.at;
	text_skip_blanks(&word);
	return word.at;
}

/* A name may stand anywhere; a number only first, or after such a word. */
static bool read_msr(struct caps_reader *r, struct text t)
{
	bool at_word = true;
	u64 number, value;

	text_skip_blanks(&t);
	const char *first = t.at, *second = second_word(t);
	for (; t.at < t.end; t.at++) {
		if (at_word && skip_msr(&t, t.at == first || t.at == second, &number)) {
			skip_between(&t);
			if (!text_number(&t, 16, &value)) {
				caps_fail(r, "no hexadecimal value of 64 bits after the MSR");
				return true;
			}
			r->p->caps.msr[number - CAPS_MSR_FIRST] = value;
			r->used++;
			return true;
		}
		at_word = !text_is_word(*t.at);
	}
	return false;
}

/* What L0 adds about the processor that L1 sees. */
static void read_facts(struct caps_reader *r, struct text t)
{
	u64 value;

	for (; t.at < t.end; t.at++) {
		struct text next = t;
		u64 *wide = text_skip(&next, "efer_valid: ")        ? &r->p->efer_valid :
			    text_skip(&next, "debugctl_valid: ")    ? &r->p->debugctl_valid :
			    text_skip(&next, "perf_global_valid: ") ? &r->p->perf_global_valid :
			    text_skip(&next, "rtit_ctl_valid: ")    ? &r->p->rtit_ctl_valid :
			    text_skip(&next, "lbr_ctl_valid: ")     ? &r->p->lbr_ctl_valid :
								      NULL;
		bool *flag = wide                      ? NULL :
			     text_skip(&next, "rtm: ") ? &r->p->rtm :
			     text_skip(&next, "sgx: ") ? &r->p->sgx :
							 NULL;

		if (!wide && !flag)
			continue;
		if (!text_number(&next, 16, &value) || (flag && value > 1))
			caps_fail(r, "no hexadecimal value, or not 0 or 1");
		else if (wide)
			*wide = value;
		else
			*flag = value;
		return;
	}
}

/* As in /proc/cpuinfo: address sizes : 39 bits physical, 48 bits virtual. */
static void read_sizes(struct caps_reader *r, struct text t)
{
	u64 physical, linear;

	while (t.at < t.end && !text_skip(&t, "address sizes"))
		t.at++;
	skip_between(&t);
	if (t.at == t.end)
		return;
	if (!text_number(&t, 10, &physical) || !text_skip(&t, " bits physical, ") ||
	    !text_number(&t, 10, &linear) || physical < 32 || physical > 52 ||
	    (linear != 48 && linear != 57)) {
		caps_fail(r, "address sizes: expected 32 to 52 bits physical, 48 or 57 bits virtual");
		return;
	}
	r->p->caps.maxphyaddr = (u8)physical;
	r->p->caps.linear_bits = (u8)linear;
	r->used++;
}

bool processor_read(struct processor *p, struct text_error *error, const char *text, size_t size)
{
	struct caps_reader r = {.p = p, .error = error};
	const char *at = text;

	while (at < text + size && !r.failed) {
		struct text line = text_line(&at, text + size);
		struct text start = line;

		r.line++;
		text_skip_blanks(&start);
		if (start.at < start.end && *start.at == '#')
			continue;
		if (!read_msr(&r, line)) {
			read_sizes(&r, line);
			read_facts(&r, line);
		}
	}
	if (!r.failed && !r.used) {
		r.line = 0;
		caps_fail(&r, "there is no capability MSR in it");
	}
	caps_decode(&p->caps);
	return !r.failed;
}
