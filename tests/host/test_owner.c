/* Who gets an exit of L2. SDM: "Instructions That Cause VM Exits", "Other Causes of VM Exits". */
#include "entry.h"
#include "nested/msr_bitmap.h"
#include "nested/owner.h"

struct exit_of_l2 {
	struct entry e;
	struct owner_in in;
	u8 bitmap[4096];
};

static void init(struct exit_of_l2 *x, u32 reason)
{
	*x = (struct exit_of_l2){.e = {.id = CHECK_PASSED}};
	entry_64(&x->e);
	x->in = (struct owner_in){.v = &x->e.v, .reason = reason, .msr_bitmap12 = x->bitmap};
}

/* The reasons that the SDM's list has, as far as no control that L1 is not offered is needed for them. */
static const struct {
	u32 first, last;
} listed[] = {{0, 34}, {36, 37}, {39, 41}, {43, 64}};

static bool is_listed(u32 reason)
{
	for (unsigned i = 0; i < ARRAY_LEN(listed); i++)
		if (reason >= listed[i].first && reason <= listed[i].last)
			return true;
	return false;
}

/* 35, 38 and 42 are no reasons. */
TEST(owner_of_every_reason)
{
	static const u32 none[] = {35, 38, 42, 65, 79, 80, 81, 255, 0xffff, 0x10000, 0x80000021, ~0u};
	struct exit_of_l2 x;

	for (u32 reason = 0; reason < 100; reason++) {
		init(&x, reason);
		x.in.intr_info = INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD;
		EXPECT_EQ(owner_of_exit(&x.in) != OWNER_UNKNOWN, is_listed(reason));
	}
	for (unsigned i = 0; i < ARRAY_LEN(none); i++) {
		init(&x, none[i]);
		EXPECT_EQ(owner_of_exit(&x.in), OWNER_UNKNOWN);
	}
}

/* Where it depends on more than the reason. */
static bool has_a_rule(u32 reason)
{
	return reason == EXIT_REASON_EXCEPTION_NMI || reason == EXIT_REASON_NMI_WINDOW ||
	       reason == EXIT_REASON_EXTERNAL_INTERRUPT || reason == EXIT_REASON_HLT ||
	       reason == EXIT_REASON_CR_ACCESS || reason == EXIT_REASON_INTERRUPT_WINDOW ||
	       reason == EXIT_REASON_PREEMPTION_TIMER || reason == EXIT_REASON_RDMSR ||
	       reason == EXIT_REASON_WRMSR || reason == EXIT_REASON_EPT_VIOLATION ||
	       reason == EXIT_REASON_EPT_MISCONFIGURATION;
}

/*
 * vmcs02 has the others only because vmcs12 asks for them, or the processor makes them whatever the
 * controls: they are L1's, and nothing that L0 does at the time changes that.
 */
TEST(owner_is_l1)
{
	struct exit_of_l2 x;

	for (u32 reason = 0; reason < EXIT_REASON_COUNT; reason++) {
		init(&x, reason);
		if (is_listed(reason) && !has_a_rule(reason) && owner_of_exit(&x.in) != OWNER_L1)
			test_fail(__FILE__, __LINE__, "%s", exit_reason_name(reason));
	}
	for (u32 reason = 0; reason < 100; reason++)
		EXPECT(!owner_is_l1(reason) || (is_listed(reason) && !has_a_rule(reason)));
	EXPECT(owner_is_l1(EXIT_REASON_VMCALL) && owner_is_l1(EXIT_REASON_CPUID));
}

TEST(R19_vmx_instructions_exit_to_l1)
{
	struct exit_of_l2 x;

	for (u32 reason = EXIT_REASON_VMCALL; reason <= EXIT_REASON_VMXON; reason++) {
		init(&x, reason);
		x.e.v.pin_controls = x.e.v.proc_controls = x.e.v.proc2_controls = 0;
		EXPECT_EQ(owner_of_exit(&x.in), OWNER_L1);
	}
}

TEST(owner_of_ept_exits_is_decided_by_ept12)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_EPT_VIOLATION);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_EPT);
	init(&x, EXIT_REASON_EPT_MISCONFIGURATION);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_EPT);
}

/* --- exceptions and NMIs --- */

static enum owner owner_of_event(struct exit_of_l2 *x, enum intr_type type, u32 vector)
{
	x->in.intr_info = INTR_VALID | (u32)type << 8 | vector;
	return owner_of_exit(&x->in);
}

/* An NMI is the processor's: what L1 gets of it is decided with all else that is pending (event.c). */
TEST(owner_of_nmi)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_EXCEPTION_NMI);
	off(&x.e, CI_PIN_NMI_EXITING);
	EXPECT_EQ(owner_of_event(&x, INTR_NMI, VEC_NMI), OWNER_L0);
	on(&x.e, CI_PIN_NMI_EXITING);
	EXPECT_EQ(owner_of_event(&x, INTR_NMI, VEC_NMI), OWNER_L0);
}

/* The timer is L1's, but for a 0 that L0 put there. */
TEST(owner_of_timer)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_PREEMPTION_TIMER);
	on(&x.e, CI_PIN_ACTIVATE_PREEMPTION_TIMER);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L1);
	x.in.forced = true;
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
}

TEST(owner_of_interrupt_window)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_INTERRUPT_WINDOW);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
	on(&x.e, CI_PROC_INTERRUPT_WINDOW_EXITING);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L1);
}

TEST(owner_of_exceptions)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_EXCEPTION_NMI);
	for (u32 vector = 0; vector < 32; vector++)
		if (vector != VEC_NMI)
			EXPECT_EQ(owner_of_event(&x, INTR_HW_EXCEPTION, vector), OWNER_L1);
	EXPECT_EQ(owner_of_event(&x, INTR_SW_EXCEPTION, VEC_BP), OWNER_L1);
	EXPECT_EQ(owner_of_event(&x, INTR_SW_EXCEPTION, VEC_OF), OWNER_L1);
	EXPECT_EQ(owner_of_event(&x, INTR_PRIV_SW_EXCEPTION, VEC_DB), OWNER_L1);
}

TEST(owner_of_nmi_window)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_NMI_WINDOW);
	on(&x.e, CI_PIN_NMI_EXITING);
	on(&x.e, CI_PIN_VIRTUAL_NMIS);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
	on(&x.e, CI_PROC_NMI_WINDOW_EXITING);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L1);
}

/* --- external interrupts and CR8 --- */

/* Whatever L1 asked for: L0 accepts it into L1's local APIC first. */
TEST(owner_of_external_interrupts)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_EXTERNAL_INTERRUPT);
	off(&x.e, CI_PIN_EXTERNAL_INTERRUPT_EXITING);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
	on(&x.e, CI_PIN_EXTERNAL_INTERRUPT_EXITING);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
}

TEST(owner_of_hlt)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_HLT);
	off(&x.e, CI_PROC_HLT_EXITING);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
	on(&x.e, CI_PROC_HLT_EXITING);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L1);
}

/* SDM: "Exit Qualification for Control-Register Accesses". */
TEST(owner_of_cr_accesses)
{
	struct exit_of_l2 x;

	init(&x, EXIT_REASON_CR_ACCESS);
	off(&x.e, CI_PROC_CR8_LOAD_EXITING);
	off(&x.e, CI_PROC_CR8_STORE_EXITING);
	for (u64 q = 0; q < 0x1000; q++) {
		x.in.qualification = q;
		EXPECT_EQ(owner_of_exit(&x.in), (q & 15) == 8 ? OWNER_L0 : OWNER_L1);
	}
	on(&x.e, CI_PROC_CR8_LOAD_EXITING);
	x.in.qualification = 0x308;
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L1);
	x.in.qualification = 0x318;
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
	off(&x.e, CI_PROC_CR8_LOAD_EXITING);
	on(&x.e, CI_PROC_CR8_STORE_EXITING);
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L1);
	x.in.qualification = 0x308;
	EXPECT_EQ(owner_of_exit(&x.in), OWNER_L0);
}

/* --- MSRs. SDM: "MSR-Bitmap Address" --- */

static enum owner owner_of_msr(struct exit_of_l2 *x, u32 number, bool write)
{
	x->in.reason = write ? EXIT_REASON_WRMSR : EXIT_REASON_RDMSR;
	x->in.msr = number;
	return owner_of_exit(&x->in);
}

static const u32 in_bitmap[] = {0, 1, 7, 8, 0x10, 0x1fff, 0xc0000000, 0xc0000080, 0xc0000101, 0xc0001fff};

TEST(owner_of_msr_without_bitmaps)
{
	struct exit_of_l2 x;

	init(&x, 0);
	for (unsigned i = 0; i < ARRAY_LEN(in_bitmap); i++)
		for (int write = 0; write <= 1; write++)
			EXPECT_EQ(owner_of_msr(&x, in_bitmap[i], write), OWNER_L1);
}

TEST(owner_of_msr_by_bitmap)
{
	struct exit_of_l2 x;

	init(&x, 0);
	on(&x.e, CI_PROC_USE_MSR_BITMAPS);
	for (unsigned i = 0; i < ARRAY_LEN(in_bitmap); i++)
		for (int write = 0; write <= 1; write++) {
			u32 number = in_bitmap[i];
			unsigned bit =
				(write ? 0x4000 : 0) + (number >> 31 ? 0x2000 : 0) + (number & 0x1fff);

			EXPECT_EQ(owner_of_msr(&x, number, write), OWNER_L0);
			x.bitmap[bit / 8] = (u8)(1u << bit % 8);
			EXPECT_EQ(owner_of_msr(&x, number, write), OWNER_L1);
			EXPECT_EQ(owner_of_msr(&x, number, !write), OWNER_L0);
			x.bitmap[bit / 8] = 0;
		}
}

TEST(R78_msrs_outside_the_bitmap)
{
	static const u32 outside[] = {0x2000,     0x40000000, 0x7fffffff, 0x80000000,
				      0xbfffffff, 0xc0002000, 0xc0010000, 0xffffffff};
	struct exit_of_l2 x;

	init(&x, 0);
	on(&x.e, CI_PROC_USE_MSR_BITMAPS);
	for (unsigned i = 0; i < ARRAY_LEN(outside); i++)
		for (int write = 0; write <= 1; write++)
			EXPECT_EQ(owner_of_msr(&x, outside[i], write), OWNER_L1);
}

/* A bitmap that L1 has put where there is no memory reads as ones. */
TEST(owner_of_msr_with_an_unbacked_bitmap)
{
	struct exit_of_l2 x;

	init(&x, 0);
	on(&x.e, CI_PROC_USE_MSR_BITMAPS);
	x.in.msr_bitmap12 = 0;
	EXPECT_EQ(owner_of_msr(&x, 0x10, false), OWNER_L1);
	EXPECT_EQ(owner_of_msr(&x, 0xc0000080, true), OWNER_L1);
}

/* Each of the 32768 bits of the page stands for one MSR and one kind of access. */
TEST(msr_bitmap_places)
{
	unsigned byte, bit;

	for (u32 i = 0; i < 0x4000; i++) {
		u32 number = i < 0x2000 ? i : 0xc0000000 + i - 0x2000;

		EXPECT(msr_bitmap_place(number, &byte, &bit));
		EXPECT_EQ(byte * 8 + bit, i);
	}
	EXPECT(!msr_bitmap_place(0x2000, &byte, &bit));
	EXPECT(!msr_bitmap_place(0xbfffffff, &byte, &bit));
	EXPECT(!msr_bitmap_place(0xc0002000, &byte, &bit));
	EXPECT(!msr_bitmap_place(~0u, &byte, &bit));
}

TEST(msr_bitmap_has)
{
	u8 page[4096] = {0};

	page[1] = 0x04; /* read of 0xa */
	page[1024 + 16] = 0x01; /* read of 0xc0000080 */
	page[2048 + 3] = 0x80; /* write of 0x1f */
	page[3072 + 1023] = 0x80; /* write of 0xc0001fff */
	EXPECT(msr_bitmap_has(page, 0xa, false) && !msr_bitmap_has(page, 0xa, true));
	EXPECT(msr_bitmap_has(page, 0xc0000080, false) && !msr_bitmap_has(page, 0xc0000080, true));
	EXPECT(!msr_bitmap_has(page, 0x1f, false) && msr_bitmap_has(page, 0x1f, true));
	EXPECT(!msr_bitmap_has(page, 0xc0001fff, false) && msr_bitmap_has(page, 0xc0001fff, true));
	EXPECT(msr_bitmap_has(page, 0x4000000a, false)); /* not the bit of 0xa: none */
	EXPECT(msr_bitmap_has(NULL, 0xa, true));
}
