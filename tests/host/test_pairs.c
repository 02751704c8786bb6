/*
 * Two rules broken at once. The SDM leaves open which of several failures of controls and host state is
 * reported, and which of the guest's; but those of the first kind come before the second. Runs after the
 * tests of the rules, whose entries it takes two by two.
 */
#include "entry.h"

/* The first entry, with all that the second has changed. */
static void combine(struct entry *e, const struct entry *second, const struct entry *base)
{
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (second->v.f[i] != base->v.f[i])
			e->v.f[i] = second->v.f[i];
	for (unsigned word = 0; word < CONTROL_WORDS; word++)
		e->caps.ctl[word].may_be_1 |= second->caps.ctl[word].may_be_1;
	if (second->in.vtpr != base->in.vtpr)
		e->in.vtpr = second->in.vtpr;
	if (second->in.link_revision != base->in.link_revision)
		e->in.link_revision = second->in.link_revision;
	for (unsigned i = 0; i < ARRAY_LEN(e->in.pdpte); i++)
		if (second->in.pdpte[i] != base->in.pdpte[i])
			e->in.pdpte[i] = second->in.pdpte[i];
	e->in.v = &e->v;
	e->in.caps = &e->caps;
}

static bool any_broken(const struct entry *e, enum check_failure first, enum check_failure last)
{
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
		if (check_info[id].failure >= first && check_info[id].failure <= last &&
		    !check_info[id].holds(&e->in))
			return true;
	return false;
}

static void expect_allowed(const struct entry *e, enum check_id a, enum check_id b)
{
	enum check_id early = check_controls_and_host(&e->in), late = check_guest(&e->in);
	bool early_right = any_broken(e, FAIL_CTL, FAIL_HOST) == (early != CHECK_PASSED);
	bool late_right = any_broken(e, FAIL_GUEST, FAIL_GUEST_LINK) == (late != CHECK_PASSED);

	if (early != CHECK_PASSED)
		early_right &= check_info[early].failure <= FAIL_HOST && !check_info[early].holds(&e->in);
	if (late != CHECK_PASSED)
		late_right &= check_info[late].failure >= FAIL_GUEST && !check_info[late].holds(&e->in);
	if (!early_right || !late_right)
		test_fail(__FILE__, __LINE__, "%s and %s: %s, %s", check_info[a].name, check_info[b].name,
			  check_info[early].name, check_info[late].name);
}

/* Of a run of all tests; with a part of them, of the rules that have been tested. */
TEST(pairs_of_violations)
{
	static struct entry base, e;
	unsigned samples = 0, pairs = 0;

	entry_64(&base);
	for (int a = CHECK_PASSED + 1; a < CHECK_COUNT; a++) {
		samples += entry_samples[a].id != CHECK_PASSED;
		for (int b = CHECK_PASSED + 1; b < CHECK_COUNT; b++) {
			if (a == b || entry_samples[a].id == CHECK_PASSED ||
			    entry_samples[b].id == CHECK_PASSED)
				continue;
			e = entry_samples[a];
			combine(&e, &entry_samples[b], &base);
			expect_allowed(&e, (enum check_id)a, (enum check_id)b);
			pairs++;
		}
	}
	for (int id = CHECK_PASSED + 1; samples > CHECK_COUNT / 2 && id < CHECK_COUNT; id++)
		if (entry_samples[id].id == CHECK_PASSED)
			test_fail(__FILE__, __LINE__, "no test has broken %s", check_info[id].name);
	EXPECT(samples == 0 || samples == CHECK_COUNT - 1);
	EXPECT_EQ(pairs, samples * (samples - 1));
}
