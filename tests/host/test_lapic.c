/*
 * The priorities of a local APIC. SDM: volume 3A, "Interrupt, Task, and Processor Priority",
 * "Determining IPI Destination", "x2APIC Register Address Space".
 */
#include "test.h"
#include "vmm/lapic.h"

static u32 get(struct lapic *l, u32 offset)
{
	return *lapic_register(l, offset);
}

static void set_tpr(struct lapic *l, u8 value)
{
	*lapic_register(l, LAPIC_TPR) = value;
}

static bool has(struct lapic *l, enum lapic_register bitmap, u8 vector)
{
	return lapic_has(l, bitmap, vector);
}

/* Each vector has one bit, in the register that the SDM's memory map gives it. */
TEST(lapic_accept_sets_irr_and_tmr)
{
	for (unsigned v = 16; v < 256; v++)
		for (unsigned level = 0; level <= 1; level++) {
			struct lapic l = {{0}};
			u32 bit = 1u << (v & 31), at = v / 32 * 16;

			if (!level)
				*lapic_register(&l, LAPIC_TMR + at) = bit;
			lapic_accept(&l, (u8)v, level);
			EXPECT_EQ(get(&l, LAPIC_IRR + at), bit);
			EXPECT_EQ(get(&l, LAPIC_TMR + at), level ? bit : 0);
			for (u32 i = 0; i < 8; i++)
				EXPECT_EQ(get(&l, LAPIC_ISR + 16 * i), 0);
			EXPECT_EQ(lapic_pending(&l), v);
		}
}

/* Every TPR against every vector in service and every one requested, from the SDM's words. */
TEST(lapic_pending_and_ppr)
{
	for (unsigned tpr = 0; tpr < 256; tpr += 5)
		for (unsigned service = 0; service < 256; service += service ? 3 : 16)
			for (unsigned request = 16; request < 256; request += 3) {
				struct lapic l = {{0}};
				unsigned ppr = (tpr >> 4) >= (service >> 4) ? tpr : service & 0xf0;

				set_tpr(&l, (u8)tpr);
				if (service) {
					lapic_accept(&l, (u8)service, false);
					lapic_acknowledge(&l, (u8)service);
				}
				EXPECT_EQ(lapic_pending(&l), -1);
				lapic_accept(&l, (u8)request, false);
				EXPECT_EQ(lapic_ppr(&l), ppr);
				EXPECT_EQ(lapic_read(&l, LAPIC_PPR), ppr);
				EXPECT_EQ(lapic_pending(&l), request >> 4 > ppr >> 4 ? (int)request : -1);
			}
}

TEST(lapic_highest_is_offered)
{
	struct lapic l = {{0}};

	EXPECT_EQ(lapic_pending(&l), -1);
	EXPECT(!lapic_any_request(&l));
	lapic_accept(&l, 0x31, false);
	EXPECT(lapic_any_request(&l));
	lapic_accept(&l, 0xef, false);
	lapic_accept(&l, 0x3f, false);
	EXPECT_EQ(lapic_pending(&l), 0xef);
	lapic_acknowledge(&l, 0xef);
	EXPECT(!has(&l, LAPIC_IRR, 0xef) && has(&l, LAPIC_ISR, 0xef));
	EXPECT_EQ(lapic_pending(&l), -1);
	EXPECT_EQ(lapic_eoi(&l), 0xef);
	EXPECT(!has(&l, LAPIC_ISR, 0xef));
	EXPECT_EQ(lapic_pending(&l), 0x3f);
	lapic_acknowledge(&l, 0x3f);
	EXPECT_EQ(lapic_pending(&l), -1); /* 31H is of the same class */
	EXPECT_EQ(lapic_eoi(&l), 0x3f);
	EXPECT_EQ(lapic_pending(&l), 0x31);
}

/* One in service and one more waiting: a third of the same vector is lost. */
TEST(lapic_holds_two_of_a_vector)
{
	struct lapic l = {{0}};

	lapic_accept(&l, 0x40, false);
	lapic_acknowledge(&l, 0x40);
	lapic_accept(&l, 0x40, false);
	lapic_accept(&l, 0x40, false);
	EXPECT_EQ(lapic_eoi(&l), 0x40);
	EXPECT_EQ(lapic_pending(&l), 0x40);
	lapic_acknowledge(&l, 0x40);
	EXPECT_EQ(lapic_eoi(&l), 0x40);
	EXPECT_EQ(lapic_pending(&l), -1);
	EXPECT_EQ(lapic_eoi(&l), -1);
}

TEST(lapic_eoi_ends_the_highest)
{
	struct lapic l = {{0}};
	static const u8 nested[] = {0x22, 0x35, 0x91, 0xf0};

	for (unsigned i = 0; i < ARRAY_LEN(nested); i++) {
		lapic_accept(&l, nested[i], false);
		EXPECT_EQ(lapic_pending(&l), nested[i]);
		lapic_acknowledge(&l, nested[i]);
	}
	for (unsigned i = ARRAY_LEN(nested); i-- > 0;)
		EXPECT_EQ(lapic_eoi(&l), nested[i]);
}

/* An exit is due exactly when a lower class of TPR lets something through; VM entry wants no more. */
TEST(lapic_threshold)
{
	for (unsigned tpr = 0; tpr < 256; tpr += 3)
		for (unsigned service = 0; service < 256; service += 16)
			for (unsigned request = 0; request < 256; request += 16) {
				struct lapic l = {{0}}, lower;
				bool matters = false;
				u32 threshold;

				if (service) {
					lapic_accept(&l, (u8)service, false);
					lapic_acknowledge(&l, (u8)service);
				}
				if (request)
					lapic_accept(&l, (u8)request, false);
				set_tpr(&l, (u8)tpr);
				threshold = lapic_tpr_threshold(&l);
				EXPECT(threshold <= tpr >> 4);
				for (unsigned class = 0; class < 16; class ++) {
					lower = l;
					set_tpr(&lower, (u8)(class << 4));
					matters = lapic_pending(&l) < 0 && lapic_pending(&lower) >= 0;
					EXPECT_EQ(class < threshold, matters && class <= tpr >> 4);
				}
			}
}

/* SDM: "Lowest Priority Delivery Mode", the formula for APR. */
TEST(lapic_apr)
{
	struct lapic l = {{0}};

	set_tpr(&l, 0x57);
	EXPECT_EQ(lapic_apr(&l), 0x57);
	lapic_accept(&l, 0x42, false);
	EXPECT_EQ(lapic_apr(&l), 0x57);
	lapic_accept(&l, 0x62, false);
	EXPECT_EQ(lapic_apr(&l), 0x60);
	EXPECT_EQ(lapic_read(&l, LAPIC_APR), 0x60);
	lapic_acknowledge(&l, 0x62);
	EXPECT_EQ(lapic_apr(&l), 0x40); /* 5 AND 6 is 4, and so is IRR's class */
	lapic_eoi(&l);
	set_tpr(&l, 0x47);
	EXPECT_EQ(lapic_apr(&l), 0x47); /* TPR where the classes are the same */
	set_tpr(&l, 0xf0);
	EXPECT_EQ(lapic_apr(&l), 0xf0);
}

TEST(lapic_which_registers_are_virtual)
{
	for (u32 offset = 0; offset < 4096; offset += 16) {
		bool is = offset == 0x80 || offset == 0x90 || offset == 0xa0 || offset == 0xb0 ||
			  (offset >= 0x100 && offset <= 0x270) || offset == 0x300 || offset == 0x310;
		EXPECT_EQ(lapic_is_virtual(offset), is);
	}
}

TEST(lapic_reset_clears_all)
{
	struct lapic l = {{0}};

	lapic_accept(&l, 0x80, true);
	lapic_acknowledge(&l, 0x80);
	set_tpr(&l, 0x10);
	lapic_reset(&l);
	for (unsigned i = 0; i < ARRAY_LEN(l.r); i++)
		EXPECT_EQ(l.r[i], 0);
}

TEST(lapic_x2apic_reserved_bits)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		u64 value = BIT(bit);
		bool icr = bit <= 12 || bit == 14 || bit == 15 || bit == 18 || bit == 19 || bit >= 32;

		EXPECT_EQ(lapic_x2apic_value_legal(LAPIC_TPR, value), bit < 8);
		EXPECT_EQ(lapic_x2apic_value_legal(LAPIC_SELF_IPI, value), bit < 8);
		EXPECT(!lapic_x2apic_value_legal(LAPIC_EOI, value));
		EXPECT_EQ(lapic_x2apic_value_legal(LAPIC_ICR, value), icr);
		EXPECT(!lapic_x2apic_value_legal(LAPIC_PPR, value));
		EXPECT(!lapic_x2apic_value_legal(LAPIC_ISR, value));
		EXPECT(!lapic_x2apic_value_legal(LAPIC_IRR + 0x70, value));
	}
	EXPECT(lapic_x2apic_value_legal(LAPIC_EOI, 0));
	EXPECT(!lapic_x2apic_value_legal(LAPIC_PPR, 0));
	EXPECT(!lapic_x2apic_value_legal(LAPIC_ISR, 0));
}

/* --- who gets an IPI --- */

static const struct lapic_self flat = {.id = 0x03000000, .ldr = 0x04000000, .dfr = 0xffffffff};
static const struct lapic_self cluster = {.id = 0x03000000, .ldr = 0x24000000, .dfr = 0x0fffffff};
static const struct lapic_self x2 = {.x2apic = true, .id = 0x103, .ldr = 0x00100008};

#define FIXED 0ull
#define LOWEST 0x100ull
#define SMI 0x200ull
#define NMI 0x400ull
#define INIT 0x500ull
#define STARTUP 0x600ull
#define LOGICAL 0x800ull
#define ASSERTED 0x4000ull
#define LEVEL 0x8000ull
#define SELF 0x40000ull
#define ALL 0x80000ull
#define OTHERS 0xc0000ull
#define TO8(id) ((u64)(id) << 56)
#define TO32(id) ((u64)(id) << 32)

static const struct {
	u64 icr;
	const struct lapic_self *self;
	enum lapic_ipi_kind kind;
	bool others;
} ipis[] = {
	{FIXED | SELF, &flat, IPI_FIXED, false},
	{FIXED | ALL, &flat, IPI_FIXED, true},
	{FIXED | OTHERS, &flat, IPI_NONE, true},
	{FIXED | SELF | TO8(9), &flat, IPI_FIXED, false},
	{FIXED | TO8(3), &flat, IPI_FIXED, false},
	{FIXED | TO8(4), &flat, IPI_NONE, true},
	{FIXED | TO8(0xff), &flat, IPI_FIXED, true},
	{LOWEST | LOGICAL | TO8(0x04), &flat, IPI_FIXED, false},
	{LOGICAL | TO8(0x06), &flat, IPI_FIXED, false},
	{LOGICAL | TO8(0x03), &flat, IPI_NONE, true},
	{LOGICAL | TO8(0xff), &flat, IPI_FIXED, true},
	{LOGICAL | TO8(0x00), &flat, IPI_NONE, true},
	{LOGICAL | TO8(0x24), &cluster, IPI_FIXED, false},
	{LOGICAL | TO8(0x2c), &cluster, IPI_FIXED, false},
	{LOGICAL | TO8(0x14), &cluster, IPI_NONE, true},
	{LOGICAL | TO8(0x28), &cluster, IPI_NONE, true},
	{LOGICAL | TO8(0xff), &cluster, IPI_FIXED, true},
	{FIXED | TO32(0x103), &x2, IPI_FIXED, false},
	{FIXED | TO32(0x03), &x2, IPI_NONE, true},
	{FIXED | TO32(0xff), &x2, IPI_NONE, true},
	{FIXED | TO32(0xffffffff), &x2, IPI_FIXED, true},
	{LOGICAL | TO32(0x00100008), &x2, IPI_FIXED, false},
	{LOGICAL | TO32(0x0010000c), &x2, IPI_FIXED, false},
	{LOGICAL | TO32(0x00110008), &x2, IPI_NONE, true},
	{LOGICAL | TO32(0x00100004), &x2, IPI_NONE, true},
	{LOGICAL | TO32(0xffffffff), &x2, IPI_FIXED, true},
	{NMI | TO8(3), &flat, IPI_NMI, false},
	{NMI | OTHERS, &flat, IPI_NONE, true},
	{SMI | TO8(3), &flat, IPI_SMI, false},
	{INIT | ASSERTED | TO8(3), &flat, IPI_INIT, false},
	{INIT | TO8(3), &flat, IPI_INIT, false}, /* an edge has no level */
	{INIT | ASSERTED | LEVEL | TO8(3), &flat, IPI_INIT, false},
	{INIT | LEVEL | TO8(3), &flat, IPI_NONE, false}, /* a de-assert */
	{INIT | ASSERTED | OTHERS, &flat, IPI_NONE, true},
	{INIT | ASSERTED | SELF, &flat, IPI_NONE, false}, /* no such combination */
	{STARTUP | TO8(3), &flat, IPI_NONE, false},
	{STARTUP | OTHERS, &flat, IPI_NONE, true},
	{LOWEST | SELF, &flat, IPI_NONE, false},
	{0x300 | TO8(3), &flat, IPI_NONE, false}, /* reserved delivery modes */
	{0x700 | TO8(3), &flat, IPI_NONE, false},
};

TEST(lapic_ipis)
{
	for (unsigned i = 0; i < ARRAY_LEN(ipis); i++) {
		struct lapic_ipi ipi = lapic_decode_icr(ipis[i].icr | 0x5a, ipis[i].self);

		if (ipi.kind != ipis[i].kind || ipi.others != ipis[i].others || ipi.vector != 0x5a)
			test_fail(__FILE__, __LINE__, "row %u: kind %u, others %u", i, ipi.kind,
				  ipi.others);
	}
}
