#include "controls.h"

enum { HIDE, OFFER };

const struct control_info control_info[CI_COUNT] = {
	[CI_ALWAYS] = {0, 0, true, "always"},
#define C(word, bit, NAME, offer, text) [CI_##word##_##NAME] = {word, bit, offer, text},
#include "controls.def"
#undef C
};
