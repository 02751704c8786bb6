#include "nested/vmcs12.h"
#include "test.h"
#include "vmx/fields.h"

TEST(field_find_knows_every_field)
{
	for (int i = 0; i < FI_COUNT; i++)
		EXPECT_EQ(field_find(field_info[i].encoding), i);
}

static bool is_listed(u64 encoding)
{
	for (int i = 0; i < FI_COUNT; i++)
		if (field_info[i].encoding == encoding)
			return true;
	return false;
}

TEST(field_find_knows_no_other)
{
	for (u64 encoding = 0; encoding <= 0xffff; encoding++)
		if (!is_listed(encoding))
			EXPECT_EQ(field_find(encoding), (s64)FIELD_NONE);
}

TEST(field_find_looks_at_64_bits)
{
	for (unsigned bit = 16; bit < 64; bit++)
		for (int i = 0; i < FI_COUNT; i++)
			EXPECT_EQ(field_find(field_info[i].encoding | BIT(bit)), (s64)FIELD_NONE);
	EXPECT_EQ(field_find(~0ull), (s64)FIELD_NONE);
}

TEST(field_info_agrees_with_encodings)
{
	for (int i = 0; i < FI_COUNT; i++) {
		const struct field_info *f = &field_info[i];

		EXPECT_EQ(f->width, f->encoding >> 13 & 3);
		EXPECT_EQ(f->group, f->encoding >> 10 & 3);
		EXPECT(f->control < CI_COUNT);
		EXPECT(f->name && *f->name);
	}
}

/* L0 neither reads back nor copies what only an exit writes. */
TEST(field_info_read_only_is_never_merged)
{
	for (int i = 0; i < FI_COUNT; i++)
		if (field_info[i].group == RO)
			EXPECT_EQ(field_info[i].merge, NONE);
}

TEST(field_value_mask_has_the_width)
{
	EXPECT_EQ(field_value_mask(W16), 0xffff);
	EXPECT_EQ(field_value_mask(W32), 0xffffffff);
	EXPECT_EQ(field_value_mask(W64), ~0ull);
	EXPECT_EQ(field_value_mask(WN), ~0ull);
}

TEST(vmcs12_members_are_its_fields)
{
	struct vmcs12 v = {0};

	for (int i = 0; i < FI_COUNT; i++)
		v.f[i] = field_info[i].encoding;
#define F(width, NAME, member, encoding, group, merge, control) EXPECT_EQ(v.member, encoding);
#include "vmx/fields.def"
#undef F
}

TEST(vmcs12_secondary_controls_need_activation)
{
	struct vmcs12 v = {.proc2_controls = PROC2_ENABLE_EPT};

	EXPECT(!v12_proc2(&v, PROC2_ENABLE_EPT));
	v.proc_controls = PROC_ACTIVATE_SECONDARY;
	EXPECT(v12_proc2(&v, PROC2_ENABLE_EPT));
	EXPECT(!v12_proc2(&v, PROC2_ENABLE_VPID));
}
