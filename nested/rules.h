/*
 * The rules of the chapter "VM Entries" that are no entry check of check.def: decided elsewhere, or of
 * controls that L1 is not offered. Generated from rules.def.
 */
#ifndef NESTED_RULES_H
#define NESTED_RULES_H

#include "vmx/controls.h"

enum rule_by { RULE_INSN, RULE_MSR_AREA, RULE_HARDWARE };

enum rule_id {
#define R(id, title, text, by, test) RULE_##id,
#define N(id, title, text, word, bit, control)
#include "rules.def"
#undef R
#undef N
	RULE_COUNT
};

struct rule_info {
	const char *name, *title, *text;
	u8 by; /* enum rule_by */
	const char *test; /* of tests/host/ */
};

/* Rules of controls that are not offered. */
struct rule_absent {
	const char *name, *title, *text;
	u8 word; /* enum control_word */
	u8 bit;
	const char *control;
};

enum {
#define R(id, title, text, by, test)
#define N(id, title, text, word, bit, control) RULE_ABSENT_##id,
#include "rules.def"
#undef R
#undef N
	RULE_ABSENT_COUNT
};

extern const struct rule_info rule_info[RULE_COUNT];
extern const struct rule_absent rule_absent[RULE_ABSENT_COUNT];

#endif
