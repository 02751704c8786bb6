/*
 * What the check_*.c share: the predicates' prototypes, from check.def, and short names for what most
 * of them look at. Private to them and to check.c.
 */
#ifndef NESTED_CHECK_RULES_H
#define NESTED_CHECK_RULES_H

#include "nested/check.h"

#define K(id, failure, title, text, control, ...) bool chk_##id(const struct check_in *in);
#include "nested/check.def"
#undef K

static inline bool implies(bool condition, bool rule)
{
	return !condition || rule;
}

static inline bool pin_control(const struct check_in *in, u32 control)
{
	return in->v->pin_controls & control;
}

static inline bool proc_control(const struct check_in *in, u32 control)
{
	return in->v->proc_controls & control;
}

static inline bool proc2_control(const struct check_in *in, u32 control)
{
	return v12_proc2(in->v, control);
}

static inline bool proc3_control(const struct check_in *in, u32 control)
{
	return proc_control(in, PROC_ACTIVATE_TERTIARY) && (in->v->proc3_controls & control);
}

static inline bool exit_control(const struct check_in *in, u32 control)
{
	return in->v->exit_controls & control;
}

static inline bool entry_control(const struct check_in *in, u32 control)
{
	return in->v->entry_controls & control;
}

static inline bool host64(const struct check_in *in)
{
	return exit_control(in, EXIT_HOST_ADDRESS_SPACE_SIZE);
}

static inline bool guest_ia32e(const struct check_in *in)
{
	return entry_control(in, ENTRY_IA32E_MODE_GUEST);
}

static inline bool guest_mode64(const struct check_in *in)
{
	return guest_ia32e(in) && (in->v->guest_cs_ar & AR_L);
}

static inline bool unrestricted(const struct check_in *in)
{
	return proc2_control(in, PROC2_UNRESTRICTED_GUEST);
}

/* SDM: "Format of the VM-Entry Interruption-Information Field" */
static inline bool injects(const struct check_in *in)
{
	return in->v->entry_interruption_info & INTR_VALID;
}

static inline bool injects_type(const struct check_in *in, enum intr_type type)
{
	return injects(in) && INTR_TYPE(in->v->entry_interruption_info) == type;
}

static inline bool injects_exception(const struct check_in *in, enum vector vector)
{
	return injects_type(in, INTR_HW_EXCEPTION) &&
	       (in->v->entry_interruption_info & INTR_VECTOR) == vector;
}

static inline bool is_aligned(u64 address, u64 size)
{
	return (address & (size - 1)) == 0;
}

/* A physical address; CR3 too. */
static inline bool in_width(const struct check_in *in, u64 address)
{
	return address >> in->caps->maxphyaddr == 0;
}

/* The bits above the linear-address width are equal; the highest below it is not looked at. */
static inline bool is_wide(const struct check_in *in, u64 address)
{
	u64 above = address >> in->caps->linear_bits;

	return above == 0 || above == ~0ull >> in->caps->linear_bits;
}

/* Against the processor's linear-address width, whatever CR4.LA57 is. */
static inline bool is_canonical(const struct check_in *in, u64 address)
{
	return canonical(address, in->caps->linear_bits);
}

static inline bool has_32_bits(u64 value)
{
	return value >> 32 == 0;
}

/* The pair of rules that most addresses have. `uses` and `address` may refer to `in`. */
#define CHECK_ADDRESS(id, uses, address, size) \
	bool chk_##id##_aligned(const struct check_in *in) \
	{ \
		return implies(uses, is_aligned(address, size)); \
	} \
	bool chk_##id##_width(const struct check_in *in) \
	{ \
		return implies(uses, in_width(in, address)); \
	}

/* SDM: "VMX-Fixed Bits in CR0", "VMX-Fixed Bits in CR4" (appendix). `open` bits are not looked at. */
static inline bool is_fixed(u64 value, u64 fixed0, u64 fixed1, u64 open)
{
	return (((fixed0 & ~value) | (value & ~fixed1)) & ~open) == 0;
}

/* SDM: "IA32_PAT MSR": each of the eight bytes is one of the memory types, or UC- (7). */
static inline bool is_pat(u64 pat)
{
	const u64 bit1 = pat >> 1 & 0x0101010101010101ull;
	const u64 bit2 = pat >> 2 & 0x0101010101010101ull;

	return (pat & 0xf8f8f8f8f8f8f8f8ull) == 0 && (bit1 & ~bit2) == 0;
}

#endif
