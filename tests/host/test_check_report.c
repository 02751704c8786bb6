#include "nested/check_report.h"

#include "entry.h"
#include "nested/rules.h"
#include "test.h"
#include "vmm/refusal_pure.h"

#include <string.h>

/* That a value found is legal is seen at each FIRES of all tests (entry.c). */

static struct entry e;

static void expect_fix(enum check_id id, enum field_index field, u64 value, int line)
{
	struct check_fix fix = check_nearest(&e.in, id, entry_check_index());

	if (!fix.found || fix.field != field || fix.value != value)
		test_fail(__FILE__, line, "%s: %s %#llx", check_info[id].name,
			  fix.found ? field_info[fix.field].name : "nothing found",
			  (unsigned long long)fix.value);
}

#define NEAREST(id, field, value) expect_fix(CHECK_##id, FI_##field, value, __LINE__)

TEST(check_nearest_changes_few_bits)
{
	entry_64(&e);
	e.v.guest_rflags = 0;
	NEAREST(guest_rflags_fixed, GUEST_RFLAGS, 2);
	e.v.guest_rflags = 0xffc08042;
	NEAREST(guest_rflags_reserved, GUEST_RFLAGS, 0x42);
}

TEST(check_nearest_of_addresses)
{
	entry_64(&e);
	on(&e, CI_PROC_USE_IO_BITMAPS);
	e.v.io_bitmap_a = 0x12345678;
	NEAREST(io_bitmap_a_aligned, IO_BITMAP_A, 0x12345000);
	e.v.io_bitmap_b = 0xffff000000001000;
	NEAREST(io_bitmap_b_width, IO_BITMAP_B, 0x1000);
	e.v.host_fs_base = 0x0000800000000000;
	NEAREST(host_fs_base, HOST_FS_BASE, 0);
	e.v.host_gs_base = 0xffff7fffffffffff;
	NEAREST(host_gs_base, HOST_GS_BASE, 0xffffffffffffffff);
	e.v.guest_pdpte0 = 1;
}

TEST(check_nearest_of_controls)
{
	entry_64(&e);
	e.v.pin_controls = 0;
	NEAREST(pin_reserved, PIN_CONTROLS, e.caps.ctl[PIN].must_be_1);
	entry_64(&e);
	on(&e, CI_PIN_VIRTUAL_NMIS);
	NEAREST(vnmi_needs_nmi, PIN_CONTROLS, e.v.pin_controls | PIN_NMI_EXITING);
	entry_64(&e);
	on(&e, CI_PROC2_VIRTUALIZE_X2APIC_MODE);
	NEAREST(x2apic_needs_tpr_shadow, PROC2_CONTROLS,
		e.v.proc2_controls & ~(u64)PROC2_VIRTUALIZE_X2APIC_MODE);
}

TEST(check_nearest_of_pat)
{
	entry_64(&e);
	on(&e, CI_ENTRY_LOAD_IA32_PAT);
	e.v.guest_ia32_pat = 0x0203000700ff0406;
	NEAREST(guest_pat, GUEST_IA32_PAT, 0x0606000700060406);
}

/* The first field of the row that can mend it, and no other row is broken for it. */
TEST(check_nearest_prefers_harmless_values)
{
	entry_64(&e);
	e.v.guest_activity_state = HLT;
	e.v.guest_interruptibility = BLOCKING_MOV_SS;
	NEAREST(guest_activity_blocking, GUEST_ACTIVITY_STATE, ACTIVE);
	entry_64(&e);
	e.v.guest_cr4 &= ~CR4_PAE;
	NEAREST(guest_ia32e_pae, GUEST_CR4, e.v.guest_cr4 | CR4_PAE);
}

TEST(check_nearest_may_find_nothing)
{
	entry_pae(&e);
	e.in.pdpte[2] = PTE_P | BIT(1);
	EXPECT(!check_nearest(&e.in, CHECK_guest_pdpte_memory, entry_check_index()).found ||
	       check_nearest(&e.in, CHECK_guest_pdpte_memory, entry_check_index()).field != FI_GUEST_CR3);
}

TEST(check_inputs_have_names_and_values)
{
	entry_64(&e);
	e.in.vtpr = 0x51;
	e.in.link_revision = 0x52;
	e.in.pdpte[0] = 0x53;
	e.in.pdpte[1] = 0x54;
	e.in.pdpte[2] = 0x55;
	e.in.pdpte[3] = 0x56;
	e.v.vpid = 0x57;
	for (unsigned i = 0; i < CHECK_INPUTS; i++)
		EXPECT(check_input_name(i) && *check_input_name(i));
	EXPECT_EQ(check_input_value(&e.in, IN_VTPR), 0x51);
	EXPECT_EQ(check_input_value(&e.in, IN_LINK_REVISION), 0x52);
	EXPECT_EQ(check_input_value(&e.in, IN_PDPTE0), 0x53);
	EXPECT_EQ(check_input_value(&e.in, IN_PDPTE1), 0x54);
	EXPECT_EQ(check_input_value(&e.in, IN_PDPTE2), 0x55);
	EXPECT_EQ(check_input_value(&e.in, IN_PDPTE3), 0x56);
	EXPECT_EQ(check_input_value(&e.in, FI_VPID), 0x57);
	EXPECT_EQ(check_input_value(&e.in, IN_CURRENT_VMCS), CURRENT_VMCS);
	EXPECT_EQ(check_input_value(&e.in, IN_L1_IA32E), 1);
	EXPECT(strcmp(check_input_name(FI_VPID), "VPID") == 0);
}

/* --- the columns of check.def --- */

static u64 random_state = 0x9e3779b97f4a7c15;

static u64 random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1d;
}

/* A value next to the old one, or one that many rules tell from others. */
static u64 random_value(u64 old)
{
	switch (random_number() % 8) {
	case 0:
		return 0;
	case 1:
		return old ^ BIT(random_number() % 64);
	case 2:
		return old ^ BIT(random_number() % 32);
	case 3:
		return old ^ BIT(random_number() % 16);
	case 4:
		return random_number() & 0xfff;
	case 5:
		return random_number() >> random_number() % 64;
	case 6:
		return INTR_VALID | (random_number() & 0xf1f);
	default:
		return old;
	}
}

static void set_field(struct entry *entry, unsigned field, u64 value)
{
	entry->v.f[field] = value & field_value_mask((enum field_width)field_info[field].width);
}

static void random_memory(struct entry *entry, unsigned input)
{
	struct check_in *in = &entry->in;

	switch (input) {
	case IN_VTPR:
		in->vtpr = random_number() & 0xff;
		break;
	case IN_LINK_REVISION:
		in->link_revision = in->caps->revision ^ (u32)random_value(0);
		break;
	case IN_PDPTE0 ... IN_PDPTE3:
		in->pdpte[input - IN_PDPTE0] = random_value(1);
		break;
	case IN_CURRENT_VMCS:
		in->current_vmcs.v = random_value(entry->v.vmcs_link_pointer);
		break;
	default:
		in->l1_ia32e = random_number() & 1;
	}
}

static bool is_input(const struct check_info *row, unsigned input)
{
	return memchr(row->inputs, (int)input, row->input_count) != NULL;
}

static void random_entry(struct entry *entry)
{
	void (*const bases[])(struct entry *) = {entry_64,  entry_32,   entry_pae,
						 entry_v86, entry_real, entry_host32};

	bases[random_number() % ARRAY_LEN(bases)](entry);
	for (u64 i = random_number() % 12; i > 0; i--) {
		unsigned field = random_number() % FI_COUNT;
		set_field(entry, field, random_value(entry->v.f[field]));
	}
	for (u64 i = random_number() % 4; i > 0; i--)
		on(entry, (enum control_index)(CI_ALWAYS + 1 + random_number() % (CI_COUNT - 1)));
}

/* Whatever is no input of a row may change, and its verdict does not. */
TEST(check_inputs_are_complete)
{
	static bool before[CHECK_COUNT];
	static struct entry changed;

	for (unsigned round = 0; round < 200; round++) {
		random_entry(&e);
		for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
			before[id] = check_info[id].holds(&e.in);
		for (unsigned input = 0; input < CHECK_INPUTS; input++) {
			changed = e;
			changed.in.v = &changed.v;
			changed.in.caps = &changed.caps;
			if (input < FI_COUNT)
				set_field(&changed, input, random_value(e.v.f[input]));
			else
				random_memory(&changed, input);
			for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
				if (!is_input(&check_info[id], input) &&
				    check_info[id].holds(&changed.in) != before[id])
					test_fail(__FILE__, __LINE__, "%s looks at %s",
						  check_info[id].name, check_input_name(input));
		}
	}
}

TEST(check_holds_where_its_control_is_0)
{
	for (unsigned round = 0; round < 100; round++)
		for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++) {
			enum control_index control = (enum control_index)check_info[id].control;

			if (control == CI_ALWAYS)
				continue;
			random_entry(&e);
			off(&e, control);
			if (!check_info[id].holds(&e.in))
				test_fail(__FILE__, __LINE__, "%s fires without %s", check_info[id].name,
					  control_info[control].name);
		}
}

/* --- the words --- */

TEST(refusal_names_rule_values_and_a_legal_one)
{
	char text[REFUSAL_TEXT];

	entry_64(&e);
	e.v.guest_rflags = 0;
	refusal_check(text, &e.in, CHECK_guest_rflags_fixed, entry_check_index());
	EXPECT(strcmp(text,
		      "guest_rflags_fixed: RFLAGS: bit 1 is 1 (SDM: Checks on Guest RIP, RFLAGS, and SSP): "
		      "GUEST_RFLAGS=0; nearest legal GUEST_RFLAGS=0x2") == 0);
	refusal_msr(text, 3, 0x808, 0x20, RULE_msr_load_x2apic);
	EXPECT(strstr(text, "msr_load_x2apic: ") == text);
	EXPECT(strstr(text, ": entry 3: MSR 0x808=0x20") != NULL);
}

/* The longest one is cut, not run over. */
TEST(refusal_fits)
{
	char text[REFUSAL_TEXT + 8];

	entry_64(&e);
	memset(&e.v, 0xff, sizeof(e.v));
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++) {
		memset(text, 'x', sizeof(text));
		refusal_check(text, &e.in, (enum check_id)id, entry_check_index());
		EXPECT(memchr(text, 0, REFUSAL_TEXT) != NULL);
		EXPECT_EQ(text[REFUSAL_TEXT], 'x');
	}
}
