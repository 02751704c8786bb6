/*
 * The VMCS fields, generated from fields.def.
 *
 * enum vmcs_field (VMCS_NAME) is the architectural encoding; enum field_index (FI_NAME) a dense index
 * from 0, in the order of the table. SDM: "Field Encoding in VMCS".
 */
#ifndef VMX_FIELDS_H
#define VMX_FIELDS_H

#include "controls.h"
#include "types.h"

enum field_width { W16, W64, W32, WN };
enum field_group { CTL, RO, GUEST, HOST };
enum field_merge { COPY, MERGE, XLATE, OWN, NONE };

enum vmcs_field {
#define F(width, NAME, member, encoding, group, merge, control) VMCS_##NAME = encoding,
#include "fields.def"
#undef F
};

enum field_index {
#define F(width, NAME, member, encoding, group, merge, control) FI_##NAME,
#include "fields.def"
#undef F
	FI_COUNT
};

struct field_info {
	const char *name;
	u16 encoding;
	u8 width; /* enum field_width */
	u8 group; /* enum field_group */
	u8 merge; /* enum field_merge */
	u8 control; /* enum control_index */
};

extern const struct field_info field_info[FI_COUNT];

/* The field that a word of controls is, by enum control_word: enum field_index. */
extern const u8 control_field[CONTROL_WORDS];

#define FIELD_NONE (-1)

/*
 * The dense index of an encoding that anyone may have chosen, or FIELD_NONE. The access-type bit
 * (bit 0: "high" half of a 64-bit field) must have been taken off by the caller.
 */
int field_find(u64 encoding);

/* On every processor with VMX. For an encoding that is known when compiled. */
static inline __attribute__((always_inline)) bool field_always_exists(enum vmcs_field field)
{
	switch (field) {
#define F(width, NAME, member, encoding, group, merge, control) \
	case VMCS_##NAME: \
		return CI_##control == CI_ALWAYS;
#include "fields.def"
#undef F
	}
	return false;
}

/* The value bits that a field of this width holds: a VMWRITE loses what lies above. */
static inline u64 field_value_mask(enum field_width width)
{
	return width == W16 ? 0xfffful : width == W32 ? 0xfffffffful : ~0ul;
}

/* A set of fields, by dense index. */
#define FIELD_WORDS ((FI_COUNT + 63) / 64)
/* For each word of a set; written out, since every nested exit goes through some. */
#define EACH_WORD(w) _Pragma("GCC unroll 8") for (unsigned w = 0; w < FIELD_WORDS; w++)
struct field_set {
	u64 w[FIELD_WORDS];
};

static inline bool field_set_has(const struct field_set *s, enum field_index i)
{
	return s->w[i / 64] >> (i % 64) & 1;
}

static inline void field_set_add(struct field_set *s, enum field_index i)
{
	s->w[i / 64] |= 1ul << (i % 64);
}

static inline void field_set_remove(struct field_set *s, enum field_index i)
{
	s->w[i / 64] &= ~(1ul << (i % 64));
}

static inline void field_set_add_all(struct field_set *s, const struct field_set *more)
{
	EACH_WORD (w)
		s->w[w] |= more->w[w];
}

static inline void field_set_remove_all(struct field_set *s, const struct field_set *gone)
{
	EACH_WORD (w)
		s->w[w] &= ~gone->w[w];
}

static inline bool field_set_meets(const struct field_set *a, const struct field_set *b)
{
	u64 common = 0;
	EACH_WORD (w)
		common |= a->w[w] & b->w[w];
	return common;
}

static inline bool field_set_same(const struct field_set *a, const struct field_set *b)
{
	u64 other = 0;
	EACH_WORD (w)
		other |= a->w[w] ^ b->w[w];
	return !other;
}

/* For each member, lowest first: a statement with `i` declared as its index. The set must not change. */
#define FIELD_SET_EACH(i, set) \
	EACH_WORD (i##_word) \
		for (u64 i##_left = (set)->w[i##_word]; i##_left; i##_left &= i##_left - 1) \
			for (int i = (int)(64 * i##_word) + __builtin_ctzl(i##_left), i##_once = 1; \
			     i##_once; i##_once = 0)

/* Takes the lowest member out; FIELD_NONE where there is none. */
static inline int field_set_take(struct field_set *s)
{
	EACH_WORD (w) {
		if (!s->w[w])
			continue;
		unsigned bit = (unsigned)__builtin_ctzl(s->w[w]);
		s->w[w] &= s->w[w] - 1;
		return (int)(64 * w + bit);
	}
	return FIELD_NONE;
}

#endif
