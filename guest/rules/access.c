/*
 * R10 and R12: VMREAD and VMWRITE. SDM: "VMREAD", "VMWRITE", "VMREAD, VMWRITE, and Encodings of VMCS
 * Fields", "Field Encoding in VMCS".
 */
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/rules/rules.h"
#include "guest/rules/state.h"
#include "vmx/msr.h"

#define HIGH 1u /* access type: the upper half of a 64-bit field */
#define UNTOUCHED 0x1122334455667788ull

static bool field_exists(enum field_index i)
{
	const struct control_info *c = &control_info[field_info[i].control];

	return field_info[i].control == CI_ALWAYS || vmx_allows((enum control_word)c->word, 1u << c->bit);
}

static bool field_writable(enum field_index i)
{
	return field_info[i].group != RO || rdmsr(MSR_IA32_VMX_MISC) & VMX_MISC_VMWRITE_ANY;
}

/* The reserved bits of access rights need not be kept. */
static u64 field_kept(enum field_index i)
{
	bool rights = field_info[i].encoding >= VMCS_GUEST_ES_AR &&
		      field_info[i].encoding <= VMCS_GUEST_TR_AR;

	return rights ? 0x1f0ff : field_value_mask((enum field_width)field_info[i].width);
}

static void r10_without_vmcs(void)
{
	u64 memory = UNTOUCHED, reg = UNTOUCHED;

	state_no_vmcs();
	check_insn("R10", "VMREAD to a register without a VMCS", INVALID, vmread(VMCS_GUEST_RIP, &reg));
	check_insn("R10", "VMREAD to memory without a VMCS", INVALID,
		   vmread_memory(VMCS_GUEST_RIP, &memory));
	check_value("R10", "leaves the register", UNTOUCHED, reg);
	check_value("R10", "leaves the memory", UNTOUCHED, memory);
	check_insn("R10", "VMWRITE from a register without a VMCS", INVALID, vmwrite(VMCS_GUEST_RIP, 1));
	check_insn("R10", "VMWRITE from memory without a VMCS", INVALID,
		   vmwrite_memory(VMCS_GUEST_RIP, &memory));
}

/* All four instructions fail for an encoding, and write nothing but the error number. */
static void refused(struct series *s, u64 encoding, const char *item)
{
	u64 reg = UNTOUCHED, memory = UNTOUCHED;

	series_insn(s, item, VALID(12), vmread(encoding, &reg));
	series_insn(s, item, VALID(12), vmread_memory(encoding, &memory));
	series_value(s, item, UNTOUCHED, reg);
	series_value(s, item, UNTOUCHED, memory);
	series_insn(s, item, VALID(12), vmwrite(encoding, 0));
	series_insn(s, item, VALID(12), vmwrite_memory(encoding, &memory));
}

static void refused_number(struct series *s, u64 encoding)
{
	char item[CHECK_TEXT];

	format(item, CHECK_TEXT, "0x%lx", encoding);
	refused(s, encoding, item);
}

static void r10_reserved_encodings(void)
{
	struct series bits = {.rule = "R10",
			      .what = "encodings with a reserved bit: error 12, nothing written"};
	struct series high = {.rule = "R10", .what = "encodings with one of bits 63:32: error 12"};

	state_current();
	refused_number(&bits, VMCS_GUEST_RIP | BIT(12));
	for (unsigned bit = 15; bit < 32; bit++)
		refused_number(&bits, VMCS_GUEST_RIP | BIT(bit));
	series_end(&bits);
	for (unsigned bit = 32; bit < 64; bit++)
		refused_number(&high, VMCS_GUEST_RIP | BIT(bit));
	series_end(&high);
}

/* Index 511 of each width and group. */
static void r10_no_such_field(void)
{
	struct series all = {.rule = "R10",
			     .what = "fields that do not exist: error 12, nothing written"};

	state_current();
	for (u64 width = W16; width <= WN; width++)
		for (u64 group = CTL; group <= HOST; group++)
			refused_number(&all, width << 13 | group << 10 | 0x3fe);
	series_end(&all);
}

static void r10_fields_of_controls(void)
{
	struct series there = {.rule = "R10", .what = "every field whose control is there can be read"};
	struct series absent = {.rule = "R10",
				.what = "no field whose control is not there exists: error 12"};

	state_current();
	for (unsigned i = 0; i < FI_COUNT; i++) {
		u64 value = 0;
		if (field_exists((enum field_index)i))
			series_insn(&there, field_info[i].name, SUCCESS,
				    vmread(field_info[i].encoding, &value));
		else
			refused(&absent, field_info[i].encoding, field_info[i].name);
	}
	series_end(&there);
	series_end(&absent);
}

static void r10_read_only(void)
{
	struct series all = {
		.rule = "R10",
		.what = "VMWRITE of exit information: error 13, or success where MISC[29] says so"};
	bool any = rdmsr(MSR_IA32_VMX_MISC) & VMX_MISC_VMWRITE_ANY;

	print("~ R10: exit information is %s\n", any ? "writable" : "read-only");
	state_current();
	for (unsigned i = 0; i < FI_COUNT; i++) {
		u64 old = 0, now = 0, mask = field_value_mask((enum field_width)field_info[i].width);
		if (field_info[i].group != RO || !field_exists((enum field_index)i))
			continue;
		vmread(field_info[i].encoding, &old);
		series_insn(&all, field_info[i].name, any ? SUCCESS : VALID(13),
			    vmwrite(field_info[i].encoding, ~old));
		vmread(field_info[i].encoding, &now);
		if (field_info[i].encoding != VMCS_VM_INSTRUCTION_ERROR || any)
			series_value(&all, field_info[i].name, (any ? ~old : old) & mask, now);
	}
	series_end(&all);
}

/* A different value for each field. */
static u64 pattern(unsigned i, unsigned round)
{
	u64 value = 0xa5c3965a3c690ff0ull + i * 0x0101010101010101ull;

	return round ? ~value : value;
}

static void write_all(struct series *s, unsigned round)
{
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (field_exists((enum field_index)i) && field_writable((enum field_index)i))
			series_insn(s, field_info[i].name, SUCCESS,
				    vmwrite(field_info[i].encoding, pattern(i, round)));
}

static void compare_all(struct series *s, unsigned round)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		u64 value = 0, kept = field_kept((enum field_index)i);
		if (!field_exists((enum field_index)i) || !field_writable((enum field_index)i))
			continue;
		vmread(field_info[i].encoding, &value);
		series_value(s, field_info[i].name, pattern(i, round) & kept,
			     value & (kept | ~field_value_mask((enum field_width)field_info[i].width)));
	}
}

static void r10_round_trip(void)
{
	struct series all = {.rule = "R10",
			     .what = "every field reads as written, without the bits above its width"};
	struct series kept = {.rule = "R10", .what = "every field is the same after VMCLEAR and VMPTRLD"};

	state_current();
	for (unsigned round = 0; round < 2; round++) {
		write_all(&all, round);
		compare_all(&all, round);
	}
	series_end(&all);
	vmclear(&region_a);
	vmptrld(&region_a);
	compare_all(&kept, 1);
	series_end(&kept);
}

/* In 64-bit mode both operands have 64 bits, whatever the width of the field. */
static void r10_operand_size(void)
{
	u64 around[3] = {UNTOUCHED, UNTOUCHED, UNTOUCHED}, reg = UNTOUCHED;

	state_current();
	vmcs_set(VMCS_GUEST_ES_SELECTOR, 0x4321);
	check_insn("R10", "VMREAD of a 16-bit field to memory", SUCCESS,
		   vmread_memory(VMCS_GUEST_ES_SELECTOR, &around[1]));
	check_value("R10", "writes 8 bytes, zero-extended", 0x4321, around[1]);
	check_true("R10", "and nothing around them", around[0] == UNTOUCHED && around[2] == UNTOUCHED);
	vmread(VMCS_GUEST_ES_SELECTOR, &reg);
	check_value("R10", "VMREAD of a 16-bit field to a register: zero-extended", 0x4321, reg);
	vmwrite(VMCS_GUEST_ES_LIMIT, 0xfedcba9876543210);
	vmread(VMCS_GUEST_ES_LIMIT, &reg);
	check_value("R10", "VMWRITE of 64 bits to a 32-bit field: the low half", 0x76543210, reg);
}

/* ---- R12 */

static void r12_high(void)
{
	struct series all = {.rule = "R12", .what = "the high access of each 64-bit field"};

	state_current();
	for (unsigned i = 0; i < FI_COUNT; i++) {
		const struct field_info *f = &field_info[i];
		u64 value = 0;
		if (f->width != W64 || !field_exists((enum field_index)i) ||
		    !field_writable((enum field_index)i))
			continue;
		vmwrite(f->encoding, 0x1111222233334444);
		series_insn(&all, f->name, SUCCESS, vmread(f->encoding | HIGH, &value));
		series_value(&all, f->name, 0x11112222, value);
		series_insn(&all, f->name, SUCCESS, vmwrite(f->encoding | HIGH, 0x99999999aaaabbbb));
		vmread(f->encoding, &value);
		series_value(&all, f->name, 0xaaaabbbb33334444, value);
	}
	series_end(&all);
}

static void r12_other_widths(void)
{
	struct series all = {.rule = "R12", .what = "the high access of all other fields: error 12"};
	struct series absent = {.rule = "R12",
				.what = "the high access of fields that do not exist: error 12"};

	state_current();
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (field_info[i].width != W64)
			refused(&all, field_info[i].encoding | HIGH, field_info[i].name);
		else if (!field_exists((enum field_index)i))
			refused(&absent, field_info[i].encoding | HIGH, field_info[i].name);
	series_end(&all);
	series_end(&absent);
}

void rules_access(void)
{
	r10_without_vmcs();
	r10_reserved_encodings();
	r10_no_such_field();
	r10_fields_of_controls();
	r10_read_only();
	r10_round_trip();
	r10_operand_size();
	r12_high();
	r12_other_widths();
}
