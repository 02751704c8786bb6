#include "fields.h"

#define F(width, NAME, member, encoding, group, merge, control) \
	_Static_assert(((encoding) >> 13 & 3) == width, #NAME ": width and encoding disagree"); \
	_Static_assert(((encoding) >> 10 & 3) == group, #NAME ": group and encoding disagree"); \
	_Static_assert(((encoding) & ~0x6ffe) == 0, #NAME ": reserved bits of the encoding");
#include "fields.def"
#undef F

const struct field_info field_info[FI_COUNT] = {
#define F(width, NAME, member, encoding, group, merge, control) \
	[FI_##NAME] = {#NAME, encoding, width, group, merge, CI_##control},
#include "fields.def"
#undef F
};

const u8 control_field[CONTROL_WORDS] = {
	[PIN] = FI_PIN_CONTROLS,     [PROC] = FI_PROC_CONTROLS,   [PROC2] = FI_PROC2_CONTROLS,
	[EXIT] = FI_EXIT_CONTROLS,   [ENTRY] = FI_ENTRY_CONTROLS, [PROC3] = FI_PROC3_CONTROLS,
	[EXIT2] = FI_EXIT2_CONTROLS,
};

/*
 * An encoding without its access-type bit is width (14:13), group (11:10) and index (9:1). The table
 * is indexed by group, width and the low 6 bits of the index: no field has a higher one.
 */
#define FIELD_SLOTS (16 * 64)
#define SLOT(encoding) \
	((((encoding) >> 13 & 3) << 8) | (((encoding) >> 10 & 3) << 6) | ((encoding) >> 1 & 63))

static const u8 field_slot[FIELD_SLOTS] = {
#define F(width, NAME, member, encoding, group, merge, control) [SLOT(encoding)] = FI_##NAME + 1,
#include "fields.def"
#undef F
};
_Static_assert(FI_COUNT < 255, "field_slot holds a byte");

int field_find(u64 encoding)
{
	if (encoding & ~0x6c7eul)
		return FIELD_NONE;
	return (int)field_slot[SLOT(encoding)] - 1;
}
