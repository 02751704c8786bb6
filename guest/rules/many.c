/*
 * R8 and R9 with more active VMCSs than a hypervisor keeps at hand: each has its own data, its own launch state,
 * and an L2 of its own. SDM: "Software Use of Virtual-Machine Control Structures".
 */
#include "guest/lib/check.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "guest/rules/code.h"
#include "guest/rules/rules.h"
#include "guest/rules/state.h"

#define MANY 400
#define FEW 20
#define LONG 5000

static u8 region[MANY][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static unsigned entries[MANY];
static u64 gpr[GPR_COUNT] = {[RAX] = SEL_DATA};

static u64 pointer_of(unsigned i)
{
	return (u64)region[i];
}

static void make_current(unsigned i)
{
	u64 pointer = pointer_of(i);
	vmptrld(&pointer);
}

static void clear(unsigned i)
{
	u64 pointer = pointer_of(i);
	vmclear(&pointer);
}

static u64 first_rsp(unsigned i)
{
	return 0x100000ull * (i + 1);
}

/* An L2 that counts its rounds in RSP. A field that nothing else depends on tells the VMCSs apart too. */
static void make(unsigned i)
{
	*(u32 *)region[i] = *(u32 *)region_a;
	clear(i);
	make_current(i);
	state_l2_in_current(l2_count);
	VMCS_SET({VMCS_GUEST_RSP, first_rsp(i)}, {VMCS_GUEST_SYSENTER_ESP, 7 * i},
		 {VMCS_CR3_TARGET_VALUE0, 3 * i});
	entries[i] = 0;
}

/* Whichever VMCSs were current meanwhile, its data is as it was left. */
static void expect(struct series *s, unsigned i)
{
	series_value(s, "CR3_TARGET_VALUE0", 3 * i, vmcs_get(VMCS_CR3_TARGET_VALUE0));
	series_value(s, "GUEST_SYSENTER_ESP", 7 * i, vmcs_get(VMCS_GUEST_SYSENTER_ESP));
	series_value(s, "GUEST_RSP", first_rsp(i) + entries[i], vmcs_get(VMCS_GUEST_RSP));
}

/* One round of its L2. */
static void enter(struct series *s, unsigned i)
{
	make_current(i);
	expect(s, i);
	series_value(s, "entry (0: it ran)", 0, vm_enter_raw(gpr, entries[i] > 0));
	entries[i]++;
	series_value(s, "exit reason", EXIT_REASON_VMCALL, vmcs_get(VMCS_EXIT_REASON));
	vmcs_set(VMCS_GUEST_RIP, (u64)l2_count);
	expect(s, i);
}

static void in_turn(unsigned count, unsigned step, const char *what)
{
	struct series s = {.rule = "R9", .what = what};

	state_no_vmcs();
	for (unsigned i = 0; i < count; i++)
		make(i);
	for (unsigned n = 0, i = 0; n < 3 * count; n++, i = (i + step) % count)
		enter(&s, i);
	series_end(&s);
}

/* VMCLEAR of one that is not current: it alone is clear, and keeps its data. */
static void cleared(void)
{
	struct series s = {.rule = "R8", .what = "VMCLEAR of one of many launched VMCSs"};

	make_current(1);
	clear(0);
	series_value(&s, "current-VMCS pointer", pointer_of(1), current_vmcs());
	expect(&s, 1);
	series_insn(&s, "VMLAUNCH of the launched one", VALID(4), vmlaunch());
	make_current(0);
	expect(&s, 0);
	series_insn(&s, "VMRESUME of the clear one", VALID(5), vmresume());
	series_value(&s, "VMLAUNCH (0: it ran)", 0, vm_enter_raw(gpr, false));
	series_value(&s, "GUEST_RSP", first_rsp(0) + entries[0] + 1, vmcs_get(VMCS_GUEST_RSP));
	clear(0);
	make_current(2);
	series_value(&s, "VMRESUME of another (0: it ran)", 0, vm_enter_raw(gpr, true));
	series_end(&s);
}

/*
 * What L2's last exit left in a field is there also where nobody read the field before another VMCS was current,
 * and that one's was read again and again; so many entries before that a hypervisor has forgotten which fields are
 * worth its while. Null is a selector that ES may have.
 */
static void read_later(void)
{
	struct series s = {.rule = "R9", .what = "a field that was read in another VMCS meanwhile"};

	for (unsigned i = 6; i < 8; i++) {
		make(i);
		for (unsigned n = 0; n < LONG; n++)
			enter(&s, i);
		gpr[RAX] = 0;
		enter(&s, i);
		gpr[RAX] = SEL_DATA;
	}
	for (unsigned n = 0; n < 4; n++)
		series_value(&s, "GUEST_ES_SELECTOR", 0, vmcs_get(VMCS_GUEST_ES_SELECTOR));
	make_current(6);
	series_value(&s, "GUEST_ES_SELECTOR of the other", 0, vmcs_get(VMCS_GUEST_ES_SELECTOR));
	enter(&s, 6);
	series_value(&s, "GUEST_ES_SELECTOR of the other", SEL_DATA, vmcs_get(VMCS_GUEST_ES_SELECTOR));
	make_current(7);
	series_value(&s, "GUEST_ES_SELECTOR", 0, vmcs_get(VMCS_GUEST_ES_SELECTOR));
	series_end(&s);
}

/* A copy of a cleared region is a VMCS of its own. */
static void copied(void)
{
	struct series s = {.rule = "R8", .what = "copy of a cleared region, one of many"};

	clear(3);
	clear(4);
	memory_copy(region[4], region[3], PAGE_SIZE);
	make_current(3);
	expect(&s, 3);
	vmcs_set(VMCS_GUEST_RSP, 0x777000);
	make_current(4);
	series_value(&s, "GUEST_RSP of the copy", first_rsp(3) + entries[3], vmcs_get(VMCS_GUEST_RSP));
	make_current(3);
	series_value(&s, "GUEST_RSP of the first", 0x777000, vmcs_get(VMCS_GUEST_RSP));
	series_end(&s);
}

void rules_many(void)
{
	in_turn(FEW, 1, "20 VMCSs in turn: data, launch state and L2 of each");
	cleared();
	copied();
	read_later();
	in_turn(MANY, 7, "400 VMCSs in turn: data, launch state and L2 of each");
	for (unsigned i = 0; i < MANY; i++)
		clear(i);
	state_no_vmcs();
}
