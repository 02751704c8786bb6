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

void exclude_print_rule(const char *what, const struct rule *rule)
{
	if (rule->count)
		print("~ %s %lu: %s (%s)\n", what, rule->count, rule->name, rule->why);
}

void exclude_print(void)
{
	for (unsigned i = 0; i < harmful_count; i++)
		exclude_print_rule("made again", &harmful[i]);
	for (unsigned i = 0; i < defect_count; i++)
		exclude_print_rule("made again", &defects[i]);
}
