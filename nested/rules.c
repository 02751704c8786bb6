#include "nested/rules.h"

const struct rule_info rule_info[RULE_COUNT] = {
#define R(id, title, text, by, test) [RULE_##id] = {#id, title, text, RULE_##by, #test},
#include "rules.def"
#undef R
};
