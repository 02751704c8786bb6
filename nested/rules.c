#include "nested/rules.h"

const struct rule_info rule_info[RULE_COUNT] = {
#define R(id, title, text, by, test) [RULE_##id] = {#id, title, text, RULE_##by, #test},
#define N(id, title, text, word, bit, control)
#include "rules.def"
#undef R
#undef N
};

const struct rule_absent rule_absent[RULE_ABSENT_COUNT] = {
#define R(id, title, text, by, test)
#define N(id, title, text, word, bit, control) \
	[RULE_ABSENT_##id] = {#id, title, text, word, bit, control},
#include "rules.def"
#undef R
#undef N
};
