/*
 * The VMX controls, generated from controls.def: WORD_NAME is the mask of a control in its 32-bit
 * word, CI_WORD_NAME its index in control_info[].
 */
#ifndef VMX_CONTROLS_H
#define VMX_CONTROLS_H

#include "types.h"

/* PROC3 and EXIT2 are the tertiary processor-based and the secondary VM-exit controls. Of PROC3 bits 31:0. */
enum control_word { PIN, PROC, PROC2, EXIT, ENTRY, PROC3, EXIT2, CONTROL_WORDS };

enum {
#define C(word, bit, NAME, offer, text) word##_##NAME = 1u << (bit),
#include "controls.def"
#undef C
};

enum control_index {
	CI_ALWAYS,
#define C(word, bit, NAME, offer, text) CI_##word##_##NAME,
#include "controls.def"
#undef C
	CI_COUNT
};

struct control_info {
	u8 word; /* enum control_word */
	u8 bit;
	bool offered; /* to L1, where the processor has it */
	const char *name;
};

extern const struct control_info control_info[CI_COUNT];

#endif
