#include "entry.h"

#define CONFORMING 4u

static u64 *part(struct entry *e, enum field_index es, enum segment s)
{
	return &e->v.f[es + s];
}

static u64 *selector(struct entry *e, enum segment s)
{
	return part(e, FI_GUEST_ES_SELECTOR, s);
}

static u64 *base(struct entry *e, enum segment s)
{
	return part(e, FI_GUEST_ES_BASE, s);
}

static u64 *limit(struct entry *e, enum segment s)
{
	return part(e, FI_GUEST_ES_LIMIT, s);
}

static u64 *ar(struct entry *e, enum segment s)
{
	return part(e, FI_GUEST_ES_AR, s);
}

static void set_type(struct entry *e, enum segment s, u32 type)
{
	*ar(e, s) = (*ar(e, s) & ~(u64)AR_TYPE) | type;
}

static void set_dpl(struct entry *e, enum segment s, u64 dpl)
{
	*ar(e, s) = (*ar(e, s) & ~BITS(6, 5)) | dpl << 5;
}

static void set_rpl(struct entry *e, enum segment s, u64 rpl)
{
	*selector(e, s) = (*selector(e, s) & ~3ull) | rpl;
}

/* Privilege level 3 for all that is tied to it. */
static void user(struct entry *e)
{
	set_rpl(e, SEG_CS, 3);
	set_dpl(e, SEG_CS, 3);
	set_rpl(e, SEG_SS, 3);
	set_dpl(e, SEG_SS, 3);
	PASSES(e);
}

/* An unrestricted guest in protected mode. */
static void entry_unrestricted(struct entry *e)
{
	entry_real(e);
	e->v.guest_cr0 |= CR0_PE;
	PASSES(e);
}

static bool may_be_unusable(enum segment s)
{
	return s != SEG_CS && s != SEG_TR;
}

/* What is wrong now does not matter in an unusable register, if it can be one. */
static void passes_if_unusable(struct entry *e, enum segment s)
{
	*ar(e, s) |= AR_UNUSABLE;
	if (may_be_unusable(s))
		PASSES(e);
	else
		EXPECT(!check_info[e->id].holds(&e->in));
	*ar(e, s) &= ~(u64)AR_UNUSABLE;
}

static void make_usable_ldt(struct entry *e)
{
	*selector(e, SEG_LDTR) = 0x20;
	*base(e, SEG_LDTR) = 0x9000;
	*limit(e, SEG_LDTR) = 0xfff;
	*ar(e, SEG_LDTR) = 0x82;
	PASSES(e);
}

/* Families of rules: the same one for several registers */

static void family_v86_base(struct entry *e, enum segment s)
{
	*base(e, s) += 0x10;
	PASSES(e);
	entry_v86(e);
	PASSES(e);
	*base(e, s) += 0x10;
	FIRES(e);
	*base(e, s) = (*selector(e, s) << 4) | 1;
	FIRES(e);
	*selector(e, s) = 0xffff;
	*base(e, s) = 0xffff0;
	PASSES(e);
}

static void family_v86_limit(struct entry *e, enum segment s)
{
	entry_v86(e);
	*limit(e, s) = 0xfffe;
	FIRES(e);
	*limit(e, s) = 0x10000;
	FIRES(e);
	*limit(e, s) = 0xffff;
	PASSES(e);
}

static void family_v86_ar(struct entry *e, enum segment s)
{
	entry_v86(e);
	for (unsigned bit = 0; bit < 32; bit++) {
		*ar(e, s) = 0xf3 ^ BIT(bit);
		FIRES(e);
	}
	*ar(e, s) = 0xf3;
	PASSES(e);
}

static void family_base32(struct entry *e, enum segment s)
{
	*base(e, s) = BIT(32);
	FIRES(e);
	*base(e, s) = BIT(63);
	FIRES(e);
	passes_if_unusable(e, s);
	*base(e, s) = BIT(32) - 1;
	PASSES(e);
}

static void family_data_type(struct entry *e, enum segment s)
{
	for (u32 type = 0; type < 16; type++) {
		bool accessed = type & 1, code = type & 8, readable = type & 2;

		set_type(e, s, type);
		if (accessed && (!code || readable))
			PASSES(e);
		else
			FIRES(e);
	}
	set_type(e, s, 9);
	passes_if_unusable(e, s);
}

static void family_data_dpl(struct entry *e, enum segment s)
{
	set_rpl(e, s, 1);
	FIRES(e);
	passes_if_unusable(e, s);
	set_type(e, s, 11);
	FIRES(e);
	set_type(e, s, 15); /* conforming code */
	PASSES(e);
	set_type(e, s, 3);
	set_dpl(e, s, 1);
	PASSES(e);
	set_rpl(e, s, 3);
	FIRES(e);
	set_dpl(e, s, 3);
	PASSES(e);
	entry_unrestricted(e);
	set_rpl(e, s, 3);
	PASSES(e);
}

static void family_s(struct entry *e, enum segment s)
{
	*ar(e, s) ^= AR_S;
	FIRES(e);
	passes_if_unusable(e, s);
	*ar(e, s) ^= AR_S;
	PASSES(e);
}

static void family_p(struct entry *e, enum segment s)
{
	*ar(e, s) &= ~(u64)AR_P;
	FIRES(e);
	passes_if_unusable(e, s);
	*ar(e, s) |= AR_P;
	PASSES(e);
}

static void family_reserved(struct entry *e, enum segment s)
{
	for (unsigned bit = 8; bit <= 11; bit++) {
		*ar(e, s) |= BIT(bit);
		FIRES(e);
		passes_if_unusable(e, s);
		*ar(e, s) &= ~BIT(bit);
		PASSES(e);
	}
}

static void family_g(struct entry *e, enum segment s)
{
	*ar(e, s) |= AR_G;
	for (unsigned bit = 0; bit < 12; bit++) {
		*limit(e, s) = 0xffffffff ^ BIT(bit);
		FIRES(e);
	}
	passes_if_unusable(e, s);
	*limit(e, s) = 0xfff;
	PASSES(e);
	*ar(e, s) &= ~(u64)AR_G;
	PASSES(e);
	for (unsigned bit = 20; bit < 32; bit++) {
		*limit(e, s) = BIT(bit);
		FIRES(e);
	}
	passes_if_unusable(e, s);
	*limit(e, s) = 0xfffff;
	PASSES(e);
	*limit(e, s) = 0;
	PASSES(e);
}

static void family_high(struct entry *e, enum segment s)
{
	for (unsigned bit = 17; bit < 32; bit++) {
		*ar(e, s) |= BIT(bit);
		FIRES(e);
		passes_if_unusable(e, s);
		*ar(e, s) &= ~BIT(bit);
		PASSES(e);
	}
}

#define FAMILY_TEST(name, SEGMENT, rule, family) \
	CHECK_TEST(guest_##name##_##rule) \
	{ \
		if (SEGMENT == SEG_LDTR) \
			make_usable_ldt(e); \
		family(e, SEGMENT); \
	}
#define ALL_TESTS(name, SEGMENT) \
	FAMILY_TEST(name, SEGMENT, s, family_s) \
	FAMILY_TEST(name, SEGMENT, p, family_p) \
	FAMILY_TEST(name, SEGMENT, reserved, family_reserved) \
	FAMILY_TEST(name, SEGMENT, g, family_g) \
	FAMILY_TEST(name, SEGMENT, high, family_high)
#define V86_TESTS(name, SEGMENT) \
	FAMILY_TEST(name, SEGMENT, v86_base, family_v86_base) \
	FAMILY_TEST(name, SEGMENT, v86_limit, family_v86_limit) \
	FAMILY_TEST(name, SEGMENT, v86_ar, family_v86_ar) \
	ALL_TESTS(name, SEGMENT)
#define DATA_TESTS(name, SEGMENT) \
	FAMILY_TEST(name, SEGMENT, type, family_data_type) \
	FAMILY_TEST(name, SEGMENT, dpl, family_data_dpl) \
	V86_TESTS(name, SEGMENT)

V86_TESTS(cs, SEG_CS)
V86_TESTS(ss, SEG_SS)
DATA_TESTS(ds, SEG_DS)
DATA_TESTS(es, SEG_ES)
DATA_TESTS(fs, SEG_FS)
DATA_TESTS(gs, SEG_GS)
ALL_TESTS(ldtr, SEG_LDTR)
ALL_TESTS(tr, SEG_TR)

FAMILY_TEST(ss, SEG_SS, base, family_base32)
FAMILY_TEST(ds, SEG_DS, base, family_base32)
FAMILY_TEST(es, SEG_ES, base, family_base32)
FAMILY_TEST(cs, SEG_CS, base, family_base32)

/* Selectors */

CHECK_TEST(guest_tr_ti)
{
	*selector(e, SEG_TR) |= 4;
	FIRES(e);
	*selector(e, SEG_TR) ^= 4 | 3;
	PASSES(e);
}

CHECK_TEST(guest_ldtr_ti)
{
	*selector(e, SEG_LDTR) = 4;
	PASSES(e);
	make_usable_ldt(e);
	*selector(e, SEG_LDTR) |= 4;
	FIRES(e);
	passes_if_unusable(e, SEG_LDTR);
	*selector(e, SEG_LDTR) ^= 4 | 3;
	PASSES(e);
}

CHECK_TEST(guest_ss_rpl)
{
	set_rpl(e, SEG_CS, 1);
	FIRES(e);
	*ar(e, SEG_SS) |= AR_UNUSABLE;
	FIRES(e);
	set_rpl(e, SEG_CS, 0);
	PASSES(e);
	entry_unrestricted(e);
	set_rpl(e, SEG_CS, 1);
	PASSES(e);
	entry_v86(e);
	*selector(e, SEG_CS) = 0x1231;
	*base(e, SEG_CS) = 0x12310;
	*selector(e, SEG_SS) = 0x1232;
	*base(e, SEG_SS) = 0x12320;
	PASSES(e);
}

/* Base addresses */

CHECK_TEST(guest_tr_base)
{
	canonical_address(e, base(e, SEG_TR));
}

CHECK_TEST(guest_fs_base)
{
	canonical_address(e, base(e, SEG_FS));
	*ar(e, SEG_FS) |= AR_UNUSABLE;
	FIRES(e);
}

CHECK_TEST(guest_gs_base)
{
	canonical_address(e, base(e, SEG_GS));
	*ar(e, SEG_GS) |= AR_UNUSABLE;
	FIRES(e);
}

CHECK_TEST(guest_ldtr_base)
{
	make_usable_ldt(e);
	canonical_address(e, base(e, SEG_LDTR));
	passes_if_unusable(e, SEG_LDTR);
}

/* Access rights of CS and SS */

CHECK_TEST(guest_cs_type)
{
	for (u32 type = 0; type < 16; type++) {
		set_type(e, SEG_CS, type);
		if ((type & 8) && (type & 1))
			PASSES(e);
		else
			FIRES(e);
	}
	entry_unrestricted(e);
	for (u32 type = 0; type < 16; type++) {
		set_type(e, SEG_CS, type);
		if (type == 3 || ((type & 8) && (type & 1)))
			PASSES(e);
		else
			FIRES(e);
	}
}

CHECK_TEST(guest_ss_type)
{
	for (u32 type = 0; type < 16; type++) {
		set_type(e, SEG_SS, type);
		if (type == 3 || type == 7)
			PASSES(e);
		else
			FIRES(e);
	}
	passes_if_unusable(e, SEG_SS);
}

CHECK_TEST(guest_cs_dpl_data)
{
	entry_unrestricted(e);
	set_type(e, SEG_CS, 3);
	set_dpl(e, SEG_CS, 1);
	FIRES(e);
	set_dpl(e, SEG_CS, 3);
	FIRES(e);
	set_dpl(e, SEG_CS, 0);
	PASSES(e);
}

CHECK_TEST(guest_cs_dpl_nonconforming)
{
	set_dpl(e, SEG_CS, 3);
	FIRES(e);
	set_type(e, SEG_CS, 9);
	FIRES(e);
	set_dpl(e, SEG_CS, 0);
	PASSES(e);
	user(e);
	set_dpl(e, SEG_CS, 2);
	FIRES(e);
	set_type(e, SEG_CS, 9 | CONFORMING);
	PASSES(e);
}

CHECK_TEST(guest_cs_dpl_conforming)
{
	set_type(e, SEG_CS, 9 | CONFORMING);
	PASSES(e);
	set_dpl(e, SEG_CS, 1);
	FIRES(e);
	set_type(e, SEG_CS, 11 | CONFORMING);
	FIRES(e);
	user(e);
	set_dpl(e, SEG_CS, 0);
	PASSES(e);
}

CHECK_TEST(guest_ss_dpl_rpl)
{
	set_dpl(e, SEG_CS, 3);
	set_dpl(e, SEG_SS, 3);
	FIRES(e);
	*ar(e, SEG_SS) |= AR_UNUSABLE;
	FIRES(e);
	user(e);
	entry_unrestricted(e);
	set_dpl(e, SEG_CS, 3);
	set_dpl(e, SEG_SS, 3);
	PASSES(e);
}

CHECK_TEST(guest_ss_dpl_zero)
{
	entry_unrestricted(e);
	set_dpl(e, SEG_CS, 1);
	set_dpl(e, SEG_SS, 1);
	PASSES(e);
	e->v.guest_cr0 &= ~CR0_PE;
	FIRES(e);
	e->v.guest_cr0 |= CR0_PE;
	set_type(e, SEG_CS, 3);
	set_dpl(e, SEG_CS, 0);
	FIRES(e);
	*ar(e, SEG_SS) |= AR_UNUSABLE;
	FIRES(e);
	set_dpl(e, SEG_SS, 0);
	PASSES(e);
}

CHECK_TEST(guest_cs_db)
{
	*ar(e, SEG_CS) |= AR_DB;
	FIRES(e);
	*ar(e, SEG_CS) &= ~(u64)AR_L;
	PASSES(e);
	entry_32(e);
	*ar(e, SEG_CS) |= AR_L | AR_DB;
	PASSES(e);
}

/* TR and LDTR */

CHECK_TEST(guest_tr_type)
{
	for (u32 type = 0; type < 16; type++) {
		set_type(e, SEG_TR, type);
		if (type == 11)
			PASSES(e);
		else
			FIRES(e);
	}
	entry_v86(e);
	for (u32 type = 0; type < 16; type++) {
		set_type(e, SEG_TR, type);
		if (type == 3 || type == 11)
			PASSES(e);
		else
			FIRES(e);
	}
}

CHECK_TEST(guest_tr_unusable)
{
	*ar(e, SEG_TR) |= AR_UNUSABLE;
	FIRES(e);
	*ar(e, SEG_TR) &= ~(u64)AR_UNUSABLE;
	PASSES(e);
}

CHECK_TEST(guest_ldtr_type)
{
	make_usable_ldt(e);
	for (u32 type = 0; type < 16; type++) {
		set_type(e, SEG_LDTR, type);
		if (type == 2)
			PASSES(e);
		else
			FIRES(e);
	}
	passes_if_unusable(e, SEG_LDTR);
	/* In virtual-8086 mode too. */
	entry_v86(e);
	make_usable_ldt(e);
	set_type(e, SEG_LDTR, 3);
	FIRES(e);
}

/* The rules for access rights of protected mode do not apply in virtual-8086 mode, nor the other way. */
TEST(segments_of_v86_and_real_mode)
{
	struct entry e = {.id = CHECK_PASSED};

	entry_v86(&e);
	PASSES(&e);
	entry_real(&e);
	PASSES(&e);
	entry_32(&e);
	PASSES(&e);
	entry_pae(&e);
	PASSES(&e);
	entry_host32(&e);
	PASSES(&e);
}
