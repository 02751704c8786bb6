/*
 * VM entry's checks on the guest's segment registers. The rules are in check.def.
 * SDM: "Checks on Guest Segment Registers".
 */
#include "nested/check_rules.h"

#define SELECTOR_RPL(selector) ((selector)&3)
#define SELECTOR_TI 4u

/* Types of code and data segments (S = 1) and of system segments. */
#define TYPE_ACCESSED 1u
#define TYPE_READABLE 2u /* of code; writable of data */
#define TYPE_CONFORMING 4u /* of code; expand-down of data */
#define TYPE_CODE 8u
#define TYPE_DATA_RW_ACCESSED 3u
#define TYPE_LDT 2u
#define TYPE_BUSY_TSS16 3u
#define TYPE_BUSY_TSS 11u

#define AR_RESERVED ((u32)BITS(11, 8))
#define AR_HIGH ((u32)BITS(31, 17))
#define AR_V86 0xf3u

static u64 seg_selector(const struct check_in *in, enum segment s)
{
	return in->v->f[FI_GUEST_ES_SELECTOR + s];
}

static u64 seg_base(const struct check_in *in, enum segment s)
{
	return in->v->f[FI_GUEST_ES_BASE + s];
}

static u64 seg_limit(const struct check_in *in, enum segment s)
{
	return in->v->f[FI_GUEST_ES_LIMIT + s];
}

static u32 seg_ar(const struct check_in *in, enum segment s)
{
	return (u32)in->v->f[FI_GUEST_ES_AR + s];
}

#define IN_ORDER(part) \
	_Static_assert(FI_GUEST_CS_##part - FI_GUEST_ES_##part == SEG_CS && \
			       FI_GUEST_SS_##part - FI_GUEST_ES_##part == SEG_SS && \
			       FI_GUEST_DS_##part - FI_GUEST_ES_##part == SEG_DS && \
			       FI_GUEST_FS_##part - FI_GUEST_ES_##part == SEG_FS && \
			       FI_GUEST_GS_##part - FI_GUEST_ES_##part == SEG_GS && \
			       FI_GUEST_LDTR_##part - FI_GUEST_ES_##part == SEG_LDTR && \
			       FI_GUEST_TR_##part - FI_GUEST_ES_##part == SEG_TR, \
		       "the fields are in the order of enum segment")
IN_ORDER(SELECTOR);
IN_ORDER(BASE);
IN_ORDER(LIMIT);
IN_ORDER(AR);

static u32 seg_type(const struct check_in *in, enum segment s)
{
	return seg_ar(in, s) & AR_TYPE;
}

static u32 seg_dpl(const struct check_in *in, enum segment s)
{
	return AR_DPL(seg_ar(in, s));
}

static bool v86(const struct check_in *in)
{
	return in->v->guest_rflags & RFLAGS_VM;
}

/*
 * Whether the rules for access rights apply: in virtual-8086 mode there are other ones, and an unusable
 * register has none. CS and TR have them, usable or not.
 */
static bool seg_counts(const struct check_in *in, enum segment s)
{
	bool always = s == SEG_CS || s == SEG_TR;
	bool system = s == SEG_LDTR || s == SEG_TR;

	return (always || !(seg_ar(in, s) & AR_UNUSABLE)) && (system || !v86(in));
}

static bool is_code(u32 type)
{
	return type & TYPE_CODE;
}

static bool is_data_or_nonconforming(u32 type)
{
	return !is_code(type) || !(type & TYPE_CONFORMING);
}

/* Rules that several registers share */

static bool seg_v86_base(const struct check_in *in, enum segment s)
{
	return implies(v86(in), seg_base(in, s) == seg_selector(in, s) << 4);
}

static bool seg_v86_limit(const struct check_in *in, enum segment s)
{
	return implies(v86(in), seg_limit(in, s) == 0xffff);
}

static bool seg_v86_ar(const struct check_in *in, enum segment s)
{
	return implies(v86(in), seg_ar(in, s) == AR_V86);
}

static bool seg_usable_base(const struct check_in *in, enum segment s)
{
	return implies(!(seg_ar(in, s) & AR_UNUSABLE), has_32_bits(seg_base(in, s)));
}

static bool seg_data_type(const struct check_in *in, enum segment s)
{
	u32 type = seg_type(in, s);

	return implies(seg_counts(in, s),
		       (type & TYPE_ACCESSED) && implies(is_code(type), type & TYPE_READABLE));
}

static bool seg_data_dpl(const struct check_in *in, enum segment s)
{
	return implies(seg_counts(in, s) && !unrestricted(in) &&
			       is_data_or_nonconforming(seg_type(in, s)),
		       seg_dpl(in, s) >= SELECTOR_RPL(seg_selector(in, s)));
}

static bool seg_s(const struct check_in *in, enum segment s)
{
	return implies(seg_counts(in, s), seg_ar(in, s) & AR_S);
}

static bool seg_not_s(const struct check_in *in, enum segment s)
{
	return implies(seg_counts(in, s), !(seg_ar(in, s) & AR_S));
}

static bool seg_p(const struct check_in *in, enum segment s)
{
	return implies(seg_counts(in, s), seg_ar(in, s) & AR_P);
}

static bool seg_reserved(const struct check_in *in, enum segment s)
{
	return implies(seg_counts(in, s), !(seg_ar(in, s) & AR_RESERVED));
}

/* A limit with a bit of 11:0 clear needs G = 0, one with a bit of 31:20 set needs G = 1. */
static bool seg_g(const struct check_in *in, enum segment s)
{
	u64 limit = seg_limit(in, s);
	bool g = seg_ar(in, s) & AR_G;

	return implies(seg_counts(in, s),
		       implies(g, (limit & 0xfff) == 0xfff) && implies(!g, limit >> 20 == 0));
}

static bool seg_high(const struct check_in *in, enum segment s)
{
	return implies(seg_counts(in, s), !(seg_ar(in, s) & AR_HIGH));
}

#define ROW(name, SEGMENT, rule, shared) \
	bool chk_guest_##name##_##rule(const struct check_in *in) \
	{ \
		return shared(in, SEGMENT); \
	}
#define ROWS_ALL(name, SEGMENT) \
	ROW(name, SEGMENT, p, seg_p) \
	ROW(name, SEGMENT, reserved, seg_reserved) \
	ROW(name, SEGMENT, g, seg_g) \
	ROW(name, SEGMENT, high, seg_high)
#define ROWS_V86(name, SEGMENT) \
	ROW(name, SEGMENT, v86_base, seg_v86_base) \
	ROW(name, SEGMENT, v86_limit, seg_v86_limit) \
	ROW(name, SEGMENT, v86_ar, seg_v86_ar) \
	ROW(name, SEGMENT, s, seg_s) \
	ROWS_ALL(name, SEGMENT)
#define ROWS_DATA(name, SEGMENT) \
	ROW(name, SEGMENT, type, seg_data_type) \
	ROW(name, SEGMENT, dpl, seg_data_dpl) \
	ROWS_V86(name, SEGMENT)
#define ROWS_SYSTEM(name, SEGMENT) \
	ROW(name, SEGMENT, s, seg_not_s) \
	ROWS_ALL(name, SEGMENT)

ROWS_V86(cs, SEG_CS)
ROWS_V86(ss, SEG_SS)
ROWS_DATA(ds, SEG_DS)
ROWS_DATA(es, SEG_ES)
ROWS_DATA(fs, SEG_FS)
ROWS_DATA(gs, SEG_GS)
ROWS_SYSTEM(ldtr, SEG_LDTR)
ROWS_SYSTEM(tr, SEG_TR)

ROW(ss, SEG_SS, base, seg_usable_base)
ROW(ds, SEG_DS, base, seg_usable_base)
ROW(es, SEG_ES, base, seg_usable_base)

/* Selectors */

bool chk_guest_tr_ti(const struct check_in *in)
{
	return !(seg_selector(in, SEG_TR) & SELECTOR_TI);
}

bool chk_guest_ldtr_ti(const struct check_in *in)
{
	return implies(seg_counts(in, SEG_LDTR), !(seg_selector(in, SEG_LDTR) & SELECTOR_TI));
}

bool chk_guest_ss_rpl(const struct check_in *in)
{
	return implies(!v86(in) && !unrestricted(in),
		       SELECTOR_RPL(seg_selector(in, SEG_SS)) == SELECTOR_RPL(seg_selector(in, SEG_CS)));
}

/* Base addresses */

bool chk_guest_tr_base(const struct check_in *in)
{
	return is_canonical(in, seg_base(in, SEG_TR));
}

bool chk_guest_fs_base(const struct check_in *in)
{
	return is_canonical(in, seg_base(in, SEG_FS));
}

bool chk_guest_gs_base(const struct check_in *in)
{
	return is_canonical(in, seg_base(in, SEG_GS));
}

bool chk_guest_ldtr_base(const struct check_in *in)
{
	return implies(seg_counts(in, SEG_LDTR), is_canonical(in, seg_base(in, SEG_LDTR)));
}

bool chk_guest_cs_base(const struct check_in *in)
{
	return has_32_bits(seg_base(in, SEG_CS));
}

/* Access rights of CS and SS */

bool chk_guest_cs_type(const struct check_in *in)
{
	u32 type = seg_type(in, SEG_CS);

	return implies(seg_counts(in, SEG_CS),
		       (is_code(type) && (type & TYPE_ACCESSED)) ||
			       (unrestricted(in) && type == TYPE_DATA_RW_ACCESSED));
}

bool chk_guest_ss_type(const struct check_in *in)
{
	u32 type = seg_type(in, SEG_SS);

	return implies(seg_counts(in, SEG_SS), (type & ~TYPE_CONFORMING) == TYPE_DATA_RW_ACCESSED);
}

bool chk_guest_cs_dpl_data(const struct check_in *in)
{
	return implies(seg_counts(in, SEG_CS) && seg_type(in, SEG_CS) == TYPE_DATA_RW_ACCESSED,
		       seg_dpl(in, SEG_CS) == 0);
}

bool chk_guest_cs_dpl_nonconforming(const struct check_in *in)
{
	u32 type = seg_type(in, SEG_CS);

	return implies(seg_counts(in, SEG_CS) && is_code(type) && !(type & TYPE_CONFORMING),
		       seg_dpl(in, SEG_CS) == seg_dpl(in, SEG_SS));
}

bool chk_guest_cs_dpl_conforming(const struct check_in *in)
{
	u32 type = seg_type(in, SEG_CS);

	return implies(seg_counts(in, SEG_CS) && is_code(type) && (type & TYPE_CONFORMING),
		       seg_dpl(in, SEG_CS) <= seg_dpl(in, SEG_SS));
}

/* The rules for SS.DPL apply to an unusable SS too: it is the CPL. */
bool chk_guest_ss_dpl_rpl(const struct check_in *in)
{
	return implies(!v86(in) && !unrestricted(in),
		       seg_dpl(in, SEG_SS) == SELECTOR_RPL(seg_selector(in, SEG_SS)));
}

bool chk_guest_ss_dpl_zero(const struct check_in *in)
{
	bool real_mode = !(in->v->guest_cr0 & CR0_PE);

	return implies(!v86(in) && (real_mode || seg_type(in, SEG_CS) == TYPE_DATA_RW_ACCESSED),
		       seg_dpl(in, SEG_SS) == 0);
}

bool chk_guest_cs_db(const struct check_in *in)
{
	u32 ar = seg_ar(in, SEG_CS);

	return implies(!v86(in) && guest_ia32e(in) && (ar & AR_L), !(ar & AR_DB));
}

/* TR and LDTR */

bool chk_guest_tr_type(const struct check_in *in)
{
	u32 type = seg_type(in, SEG_TR);

	return type == TYPE_BUSY_TSS || (type == TYPE_BUSY_TSS16 && !guest_ia32e(in));
}

bool chk_guest_tr_unusable(const struct check_in *in)
{
	return !(seg_ar(in, SEG_TR) & AR_UNUSABLE);
}

bool chk_guest_ldtr_type(const struct check_in *in)
{
	return implies(seg_counts(in, SEG_LDTR), seg_type(in, SEG_LDTR) == TYPE_LDT);
}
