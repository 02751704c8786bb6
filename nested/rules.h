/*
 * The rules of the chapter "VM Entries" that are no entry check of check.def: decided elsewhere.
 * Generated from rules.def.
 */
#ifndef NESTED_RULES_H
#define NESTED_RULES_H

#include "vmx/controls.h"

enum rule_by { RULE_INSN, RULE_MSR_AREA, RULE_HARDWARE };

enum rule_id {
#define R(id, title, text, by, test) RULE_##id,
#include "rules.def"
#undef R
	RULE_COUNT
};

struct rule_info {
	const char *name, *title, *text;
	u8 by; /* enum rule_by */
	const char *test; /* of tests/host/ */
};

extern const struct rule_info rule_info[RULE_COUNT];

#endif
