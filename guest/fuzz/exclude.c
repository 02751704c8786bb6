#include "guest/fuzz/exclude.h"

#include "guest/lib/console.h"

static bool none_meets(struct rule *rules, unsigned count, const struct entry *e)
{
	for (unsigned i = 0; i < count; i++) {
		if (rules[i].meets(e)) {
			rules[i].count++;
			return false;
		}
	}
	return true;
}

bool exclude_passes(const struct entry *e)
{
	return none_meets(harmful, harmful_count, e) && none_meets(defects, defect_count, e);
}

static void print_rules(const struct rule *rules, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (rules[i].count)
			print("~ made again %lu: %s (%s)\n", rules[i].count, rules[i].name, rules[i].why);
}

void exclude_print(void)
{
	print_rules(harmful, harmful_count);
	print_rules(defects, defect_count);
}
