#include "entry.h"

#include <string.h>

TEST(check_rows_are_complete)
{
	for (int i = CHECK_PASSED + 1; i < CHECK_COUNT; i++) {
		EXPECT(check_info[i].holds != NULL);
		EXPECT(check_info[i].name && *check_info[i].name);
		EXPECT(check_info[i].title && *check_info[i].title);
		EXPECT(check_info[i].text && *check_info[i].text);
		EXPECT(check_info[i].failure <= FAIL_GUEST_LINK);
	}
}

/* Each half of the rules, in the order of the table. */
TEST(check_classes_are_in_order)
{
	for (int i = CHECK_PASSED + 2; i < CHECK_COUNT; i++) {
		bool guest = check_info[i].failure >= FAIL_GUEST;

		EXPECT(guest || check_info[i].failure >= check_info[i - 1].failure);
		EXPECT(guest || check_info[i - 1].failure < FAIL_GUEST);
	}
}

TEST(check_reports_controls_before_host_and_guest)
{
	struct entry e = {.id = CHECK_cr3_target_count};

	entry_64(&e);
	e.v.guest_rflags = 0;
	EXPECT_EQ(check_controls_and_host(&e.in), CHECK_PASSED);
	EXPECT_EQ(check_guest(&e.in), CHECK_guest_rflags_fixed);
	e.v.host_cs_selector = 0;
	EXPECT_EQ(check_controls_and_host(&e.in), CHECK_host_cs_null);
	e.v.cr3_target_count = 5;
	EXPECT_EQ(check_controls_and_host(&e.in), CHECK_cr3_target_count);
	EXPECT_EQ(check_guest(&e.in), CHECK_guest_rflags_fixed);
}

/* A list is its set in the order of the table, and runs just its rows. */
TEST(check_listed_runs_the_rows_of_the_set)
{
	struct entry e = {.id = CHECK_guest_rflags_fixed};
	struct check_set set = {{0}};
	struct check_list list;

	entry_64(&e);
	e.v.guest_rflags = 0;
	e.v.cr3_target_count = 5;
	EXPECT(check_list_make(&list, &set));
	EXPECT_EQ(check_listed(&e.in, &list), CHECK_PASSED);
	set.w[CHECK_guest_rflags_fixed / 64] |= BIT(CHECK_guest_rflags_fixed % 64);
	EXPECT(check_list_make(&list, &set));
	EXPECT_EQ(check_listed(&e.in, &list), CHECK_guest_rflags_fixed);
	set.w[CHECK_cr3_target_count / 64] |= BIT(CHECK_cr3_target_count % 64);
	set.w[CHECK_host_cs_null / 64] |= BIT(CHECK_host_cs_null % 64);
	EXPECT(check_list_make(&list, &set));
	EXPECT_EQ(list.count, 3u);
	EXPECT_EQ(check_listed(&e.in, &list), CHECK_cr3_target_count);
	e.v.cr3_target_count = 4;
	EXPECT_EQ(check_listed(&e.in, &list), CHECK_guest_rflags_fixed);
	memset(&set, 0xff, sizeof(set));
	EXPECT(!check_list_make(&list, &set));
}

/* Nothing that L1 can write makes a predicate misbehave (the sanitizers watch). */
TEST(check_takes_any_vmcs12)
{
	struct entry e = {.id = CHECK_PASSED};
	u64 random = 0x9e3779b97f4a7c15;

	entry_64(&e);
	for (unsigned round = 0; round < 2000; round++) {
		for (int i = 0; i < FI_COUNT; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			e.v.f[i] = (random ^ random >> 29) &
				   field_value_mask((enum field_width)field_info[i].width);
		}
		EXPECT(check_controls_and_host(&e.in) < CHECK_COUNT);
		for (int i = CHECK_PASSED + 1; i < CHECK_COUNT; i++)
			(void)check_info[i].holds(&e.in);
	}
	memset(&e.v, 0xff, sizeof(e.v));
	EXPECT(check_controls_and_host(&e.in) != CHECK_PASSED);
}
