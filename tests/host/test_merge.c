/* vmcs02 from vmcs12. */
#include "entry.h"
#include "machine.h"
#include "nested/exit.h"
#include "nested/merge.h"

#define POISON 0xa5a5a5a5a5a5a5a5ull

/* A vmcs12 that passes every check, the processor, L1 at VMLAUNCH, and what the merge gives. */
struct merge {
	struct entry e;
	struct caps hw;
	struct merge_in in;
	struct vmcs_image out;
};

static const u64 pdptes[4] = {0x1001, 0x2001, 0x3001, 0x4001};

static void init(struct merge *m)
{
	*m = (struct merge){.e = {.id = CHECK_PASSED}};
	entry_64(&m->e);
	machine_all(&m->hw);
	m->in = (struct merge_in){
		.v = &m->e.v,
		.hw = &m->hw,
		.l1_efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
		.l1_pat = 0x0706050400010406,
		.l1_dr7 = 0x403,
		.l1_debugctl = 1,
		.pdpte = pdptes,
	};
}

static const u64 *run(struct merge *m)
{
	for (unsigned i = 0; i < FI_COUNT; i++)
		m->out.f[i] = POISON;
	merge_vmcs02(&m->out, &m->in);
	return m->out.f;
}

static u64 word(struct merge *m, enum control_word word)
{
	return run(m)[control_field[word]];
}

/* --- which fields --- */

TEST(merge_fills_what_the_table_says)
{
	struct merge m;

	init(&m);
	on(&m.e, CI_PROC2_ENABLE_EPT);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (field_info[i].merge == COPY)
			m.e.v.f[i] = 0x1000 + i;
	run(&m);
	for (unsigned i = 0; i < FI_COUNT; i++) {
		if (field_info[i].merge == COPY)
			EXPECT_EQ(m.out.f[i], 0x1000 + i);
		else if (field_info[i].merge == MERGE)
			EXPECT(m.out.f[i] != POISON);
		else
			EXPECT_EQ(m.out.f[i], POISON);
	}
}

/* vmcs02 runs with what the processor insists on, and without what it does not have. */
TEST(merge_controls_are_the_processors)
{
	struct merge m;

	init(&m);
	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++)
		if (control_info[i].offered)
			on(&m.e, (enum control_index)i);
	for (int w = PIN; w <= ENTRY; w++)
		m.hw.ctl[w].may_be_1 = m.hw.ctl[w].must_be_1 | (w == PROC ? PROC_ACTIVATE_SECONDARY : 0);
	for (int w = PIN; w <= ENTRY; w++)
		EXPECT_EQ(word(&m, (enum control_word)w) & ~(u64)m.hw.ctl[w].may_be_1, 0);
	init(&m);
	m.e.v.pin_controls = m.e.v.proc_controls = m.e.v.exit_controls = m.e.v.entry_controls = 0;
	for (int w = PIN; w <= ENTRY; w++)
		EXPECT_EQ(m.hw.ctl[w].must_be_1 & ~word(&m, (enum control_word)w), 0);
}

/* --- controls that are L1's --- */

/* What L0 sets for itself, whatever L1 wants. */
static bool set_by_l0(enum control_index i)
{
	return i == CI_PROC_ACTIVATE_SECONDARY || i == CI_PROC2_ENABLE_EPT || i == CI_PROC2_ENABLE_VPID ||
	       i == CI_PIN_EXTERNAL_INTERRUPT_EXITING || i == CI_PIN_NMI_EXITING ||
	       i == CI_PIN_VIRTUAL_NMIS || i == CI_PROC_CR8_LOAD_EXITING ||
	       i == CI_PROC_CR8_STORE_EXITING;
}

TEST(merge_passes_execution_controls)
{
	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++) {
		const struct control_info *c = &control_info[i];
		struct merge m;

		if (c->word > PROC2 || !c->offered || set_by_l0((enum control_index)i))
			continue;
		init(&m);
		EXPECT_EQ(word(&m, c->word) >> c->bit & 1, m.e.caps.ctl[c->word].must_be_1 >> c->bit & 1);
		on(&m.e, (enum control_index)i);
		EXPECT_EQ(word(&m, c->word) >> c->bit & 1, 1);
	}
}

/* L2 must not get from vmcs02 what L1 was not offered and did not set. */
TEST(merge_adds_no_hidden_control)
{
	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++) {
		const struct control_info *c = &control_info[i];
		struct merge m;

		init(&m);
		if (!c->offered && c->word <= ENTRY) /* vmcs02 has no words beyond */
			EXPECT_EQ(word(&m, c->word) >> c->bit & 1, 0);
	}
}

TEST(R22_merge_ignores_secondary_controls_that_are_not_activated)
{
	struct merge m;
	u64 proc2;

	init(&m);
	m.e.v.proc2_controls = ~0u & m.hw.ctl[PROC2].may_be_1;
	m.e.v.ept_pointer = 0;
	off(&m.e, CI_PROC_ACTIVATE_SECONDARY);
	proc2 = word(&m, PROC2);
	EXPECT_EQ(proc2, PROC2_ENABLE_EPT | PROC2_ENABLE_VPID);
	EXPECT(word(&m, PROC) & PROC_ACTIVATE_SECONDARY);
	/* EPT is L0's then, so the PDPTEs are those of the tables that L2's CR3 names. */
	EXPECT_EQ(m.out.f[FI_GUEST_PDPTE0], 0x1001);
}

/* --- interrupts and NMIs: L0 takes them all --- */

/* What L1 asks for decides what becomes of an interrupt, not who takes it. */
TEST(merge_external_interrupts_exit)
{
	struct merge m;

	init(&m);
	off(&m.e, CI_PIN_EXTERNAL_INTERRUPT_EXITING);
	EXPECT(word(&m, PIN) & PIN_EXTERNAL_INTERRUPT_EXITING);
	on(&m.e, CI_PIN_EXTERNAL_INTERRUPT_EXITING);
	EXPECT(word(&m, PIN) & PIN_EXTERNAL_INTERRUPT_EXITING);
}

/* Without a TPR shadow MOV CR8 reaches the processor's TPR, which is not L1's. */
TEST(merge_cr8)
{
	const u64 both = PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING;
	struct merge m;

	init(&m);
	off(&m.e, CI_PROC_USE_TPR_SHADOW);
	EXPECT_EQ(word(&m, PROC) & both, both);
	on(&m.e, CI_PROC_USE_TPR_SHADOW);
	EXPECT_EQ(word(&m, PROC) & both, 0);
	on(&m.e, CI_PROC_CR8_LOAD_EXITING);
	EXPECT_EQ(word(&m, PROC) & both, PROC_CR8_LOAD_EXITING);
	off(&m.e, CI_PROC_CR8_LOAD_EXITING);
	on(&m.e, CI_PROC_CR8_STORE_EXITING);
	EXPECT_EQ(word(&m, PROC) & both, PROC_CR8_STORE_EXITING);
}

TEST(merge_nmi_controls)
{
	static const struct {
		u32 l1, vmcs02;
	} cases[] = {
		{0, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS},
		{PIN_NMI_EXITING, PIN_NMI_EXITING},
		{PIN_NMI_EXITING | PIN_VIRTUAL_NMIS, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS},
	};
	struct merge m;

	init(&m);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		u64 must = m.e.caps.ctl[PIN].must_be_1 | PIN_EXTERNAL_INTERRUPT_EXITING;

		m.e.v.pin_controls = must | cases[i].l1;
		EXPECT_EQ(word(&m, PIN), must | cases[i].vmcs02);
	}
}

/*
 * SDM: "Checks on Guest Non-Register State": an NMI can be injected while NMIs are blocked, but for
 * virtual NMIs. Where those are L0's doing, the entry that L1 may make has to go through (R40).
 */
TEST(merge_nmi_injected_while_blocked)
{
	struct merge m;

	init(&m);
	m.e.v.guest_interruptibility = BLOCKING_NMI;
	inject(&m.e, INTR_NMI, VEC_NMI, 0);
	PASSES(&m.e);
	EXPECT_EQ(run(&m)[FI_GUEST_INTERRUPTIBILITY] & BLOCKING_NMI, 0);
	on(&m.e, CI_PIN_NMI_EXITING); /* no virtual NMIs: as L1 has it */
	PASSES(&m.e);
	EXPECT_EQ(run(&m)[FI_GUEST_INTERRUPTIBILITY], BLOCKING_NMI);
}

TEST(merge_keeps_nmi_blocking)
{
	struct merge m;

	init(&m);
	m.e.v.guest_interruptibility = BLOCKING_NMI;
	EXPECT_EQ(run(&m)[FI_GUEST_INTERRUPTIBILITY], BLOCKING_NMI);
	inject(&m.e, INTR_HW_EXCEPTION, VEC_UD, 0);
	EXPECT_EQ(run(&m)[FI_GUEST_INTERRUPTIBILITY], BLOCKING_NMI);
	m.e.v.entry_interruption_info = INTR_NMI << 8 | VEC_NMI; /* not valid */
	EXPECT_EQ(run(&m)[FI_GUEST_INTERRUPTIBILITY], BLOCKING_NMI);
}

/* --- exit and entry controls: hardware saves and loads for L0 --- */

#define EXIT_L0 \
	(EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_IA32_PAT | \
	 EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER)

TEST(merge_exit_controls)
{
	struct merge m;
	u64 must;

	init(&m);
	must = m.hw.ctl[EXIT].must_be_1;
	EXPECT_EQ(word(&m, EXIT), must | EXIT_L0);
	off(&m.e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE); /* the host of vmcs02 is L0 all the same */
	EXPECT_EQ(word(&m, EXIT), must | EXIT_L0);
	on(&m.e, CI_EXIT_ACK_INTERRUPT_ON_EXIT); /* L0 acknowledges when it knows whose it is */
	EXPECT_EQ(word(&m, EXIT), must | EXIT_L0);
	on(&m.e, CI_PIN_ACTIVATE_PREEMPTION_TIMER); /* it goes on after an exit that L1 does not see */
	EXPECT_EQ(word(&m, EXIT), must | EXIT_L0 | EXIT_SAVE_PREEMPTION_TIMER);
}

TEST(merge_entry_controls)
{
	const u64 l0 = ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER;
	struct merge m;
	u64 must;

	init(&m);
	must = m.hw.ctl[ENTRY].must_be_1;
	off(&m.e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
	EXPECT_EQ(word(&m, ENTRY), must | l0 | ENTRY_IA32E_MODE_GUEST);
	off(&m.e, CI_ENTRY_IA32E_MODE_GUEST);
	EXPECT_EQ(word(&m, ENTRY), must | l0);
}

/* --- state that L1's controls decide on. SDM: "Loading Guest Control Registers, ..., and MSRs" --- */

TEST(merge_efer_loaded)
{
	struct merge m;

	init(&m);
	on(&m.e, CI_ENTRY_LOAD_IA32_EFER);
	m.e.v.guest_ia32_efer = EFER_LME | EFER_LMA;
	EXPECT_EQ(run(&m)[FI_GUEST_IA32_EFER], EFER_LME | EFER_LMA);
	off(&m.e, CI_ENTRY_IA32E_MODE_GUEST);
	m.e.v.guest_ia32_efer = EFER_SCE;
	EXPECT_EQ(run(&m)[FI_GUEST_IA32_EFER], EFER_SCE);
}

/* LMA follows "IA-32e mode guest"; LME too where paging is on, else it stays; the rest is L1's. */
TEST(merge_efer_not_loaded)
{
	static const struct {
		u64 l1, cr0;
		bool ia32e;
		u64 efer;
	} cases[] = {
		{EFER_LME | EFER_LMA, CR0_PG, true, EFER_LME | EFER_LMA},
		{EFER_LME | EFER_LMA, CR0_PG, false, 0},
		{EFER_LME | EFER_LMA, 0, false, EFER_LME},
		{EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE, CR0_PG, false, EFER_SCE | EFER_NXE},
		{EFER_LME | EFER_LMA | EFER_NXE, CR0_PG, true, EFER_LME | EFER_LMA | EFER_NXE},
		{EFER_NXE, CR0_PG, true, EFER_LME | EFER_LMA | EFER_NXE},
		{0, CR0_PG, false, 0},
		{0, 0, false, 0},
		{EFER_LME, 0, false, EFER_LME},
		{EFER_LME, CR0_PG, false, 0},
	};
	struct merge m;

	init(&m);
	m.e.v.guest_ia32_efer = POISON;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		m.in.l1_efer = cases[i].l1;
		m.e.v.guest_cr0 = (m.e.v.guest_cr0 & ~CR0_PG) | cases[i].cr0;
		off(&m.e, CI_ENTRY_IA32E_MODE_GUEST);
		if (cases[i].ia32e)
			on(&m.e, CI_ENTRY_IA32E_MODE_GUEST);
		EXPECT_EQ(run(&m)[FI_GUEST_IA32_EFER], cases[i].efer);
	}
}

TEST(merge_pat_and_debug_controls)
{
	struct merge m;

	init(&m);
	m.e.v.guest_ia32_pat = 0x0606060606060606;
	m.e.v.guest_dr7 = 0x455;
	m.e.v.guest_ia32_debugctl = 2;
	on(&m.e, CI_ENTRY_LOAD_IA32_PAT);
	off(&m.e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
	run(&m);
	EXPECT_EQ(m.out.f[FI_GUEST_IA32_PAT], 0x0606060606060606);
	EXPECT_EQ(m.out.f[FI_GUEST_DR7], m.in.l1_dr7);
	EXPECT_EQ(m.out.f[FI_GUEST_IA32_DEBUGCTL], m.in.l1_debugctl);
	off(&m.e, CI_ENTRY_LOAD_IA32_PAT);
	on(&m.e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
	run(&m);
	EXPECT_EQ(m.out.f[FI_GUEST_IA32_PAT], m.in.l1_pat);
	EXPECT_EQ(m.out.f[FI_GUEST_DR7], 0x455);
	EXPECT_EQ(m.out.f[FI_GUEST_IA32_DEBUGCTL], 2);
}

TEST(merge_tsc)
{
	struct merge m;

	init(&m);
	m.e.v.tsc_offset = 0x123456789abc;
	m.e.v.tsc_multiplier = 3ull << 48;
	EXPECT_EQ(run(&m)[FI_TSC_OFFSET], 0);
	EXPECT_EQ(word(&m, PROC2) & PROC2_USE_TSC_SCALING, 0); /* so the multiplier is of no account */
	on(&m.e, CI_PROC_USE_TSC_OFFSETTING);
	EXPECT_EQ(run(&m)[FI_TSC_OFFSET], 0x123456789abc);
	on(&m.e, CI_PROC2_USE_TSC_SCALING);
	EXPECT_EQ(run(&m)[FI_TSC_OFFSET], 0x123456789abc);
	EXPECT_EQ(m.out.f[FI_TSC_MULTIPLIER], 3ull << 48);
	EXPECT(m.out.f[FI_PROC2_CONTROLS] & PROC2_USE_TSC_SCALING);
}

TEST(merge_pdptes)
{
	struct merge m;

	init(&m);
	for (unsigned i = 0; i < 4; i++)
		m.e.v.f[FI_GUEST_PDPTE0 + i] = 0x50001 + 0x10000 * i;
	run(&m);
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(m.out.f[FI_GUEST_PDPTE0 + i], 0x1001 + 0x1000 * i);
	on(&m.e, CI_PROC2_ENABLE_EPT);
	run(&m);
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(m.out.f[FI_GUEST_PDPTE0 + i], 0x50001 + 0x10000 * i);
}

/* SDM: "Virtualizing MSR-Based APIC Accesses". */
TEST(merge_x2apic_msrs)
{
	for (unsigned controls = 0; controls < 8; controls++)
		for (u32 msr = 0x800; msr <= 0x83f; msr++) {
			bool mode = controls & 1, registers = controls & 2, delivery = controls & 4;
			struct merge m;

			init(&m);
			(mode ? on : off)(&m.e, CI_PROC2_VIRTUALIZE_X2APIC_MODE);
			(registers ? on : off)(&m.e, CI_PROC2_APIC_REGISTER_VIRTUALIZATION);
			(delivery ? on : off)(&m.e, CI_PROC2_VIRTUAL_INTERRUPT_DELIVERY);
			EXPECT_EQ(merge_x2apic_virtual(&m.e.v, false) >> (msr - 0x800) & 1,
				  mode && (registers || msr == 0x808));
			EXPECT_EQ(merge_x2apic_virtual(&m.e.v, true) >> (msr - 0x800) & 1,
				  mode && (msr == 0x808 || (delivery && (msr == 0x80b || msr == 0x83f))));
		}
}

TEST(merge_uses_pae)
{
	struct entry e = {.id = CHECK_PASSED};

	entry_pae(&e);
	EXPECT(merge_uses_pae(&e.v));
	e.v.guest_cr0 &= ~CR0_PG;
	EXPECT(!merge_uses_pae(&e.v));
	entry_32(&e);
	EXPECT(!merge_uses_pae(&e.v));
	entry_64(&e);
	EXPECT(!merge_uses_pae(&e.v));
}

/* What is injected is an event in flight (vmm/event.c), and no part of vmcs02's image. */
TEST(merge_exceptions)
{
	struct merge m;

	init(&m);
	m.e.v.exception_bitmap = 0x60042;
	m.e.v.pfec_mask = 0x1f;
	m.e.v.pfec_match = 0x11;
	m.e.v.preemption_timer_value = 1000;
	run(&m);
	EXPECT_EQ(m.out.f[FI_EXCEPTION_BITMAP], 0x60042);
	EXPECT_EQ(m.out.f[FI_PFEC_MASK], 0x1f);
	EXPECT_EQ(m.out.f[FI_PFEC_MATCH], 0x11);
	EXPECT_EQ(m.out.f[FI_PREEMPTION_TIMER_VALUE], 1000);
}

/* guest_blocking_nmi_sti (rules.def) is left to the processor, which sees what L1 wrote. */
TEST(merge_passes_nmi_and_sti_blocking)
{
	struct merge m;

	init(&m);
	inject(&m.e, INTR_NMI, VEC_NMI, 0);
	m.e.v.guest_interruptibility = BLOCKING_STI;
	run(&m);
	EXPECT_EQ(m.out.f[FI_GUEST_INTERRUPTIBILITY], BLOCKING_STI);
}

/* --- what an entry must load again. SDM: "Saving Guest State", "Loading Guest State" --- */

static struct field_set reloaded_after(const struct vmcs12 *v)
{
	struct field_set saved, reloaded;

	exit_saved_fields(&saved, v);
	merge_reloaded_fields(&reloaded, &saved, v);
	return reloaded;
}

/* A register that an exit saves and the entry loads is left alone; else vmcs12's, or L1's, is loaded. */
TEST(merge_reloads_what_is_not_saved_and_loaded)
{
	static const struct {
		u32 save, load;
		enum field_index field[2];
	} cases[] = {
		{EXIT_SAVE_DEBUG_CONTROLS,
		 ENTRY_LOAD_DEBUG_CONTROLS,
		 {FI_GUEST_DR7, FI_GUEST_IA32_DEBUGCTL}},
		{EXIT_SAVE_IA32_PAT, ENTRY_LOAD_IA32_PAT, {FI_GUEST_IA32_PAT, FI_GUEST_IA32_PAT}},
		{EXIT_SAVE_IA32_EFER, ENTRY_LOAD_IA32_EFER, {FI_GUEST_IA32_EFER, FI_GUEST_IA32_EFER}},
	};
	struct merge m;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned both = 0; both < 4; both++) {
			init(&m);
			m.e.v.exit_controls &= ~(u64)cases[i].save;
			m.e.v.entry_controls &= ~(u64)cases[i].load;
			m.e.v.exit_controls |= both & 1 ? cases[i].save : 0;
			m.e.v.entry_controls |= both & 2 ? cases[i].load : 0;
			struct field_set r = reloaded_after(&m.e.v);
			EXPECT_EQ(field_set_has(&r, cases[i].field[0]), both != 3);
			EXPECT_EQ(field_set_has(&r, cases[i].field[1]), both != 3);
			EXPECT(!field_set_has(&r, FI_GUEST_RIP));
		}
	}
}

TEST(merge_reloads_the_timer)
{
	struct merge m;

	init(&m);
	m.e.v.pin_controls &= ~(u64)PIN_ACTIVATE_PREEMPTION_TIMER;
	m.e.v.exit_controls &= ~(u64)EXIT_SAVE_PREEMPTION_TIMER;
	struct field_set r = reloaded_after(&m.e.v);
	EXPECT(!field_set_has(&r, FI_PREEMPTION_TIMER_VALUE));
	m.e.v.pin_controls |= PIN_ACTIVATE_PREEMPTION_TIMER;
	r = reloaded_after(&m.e.v);
	EXPECT(field_set_has(&r, FI_PREEMPTION_TIMER_VALUE));
	m.e.v.exit_controls |= EXIT_SAVE_PREEMPTION_TIMER;
	r = reloaded_after(&m.e.v);
	EXPECT(!field_set_has(&r, FI_PREEMPTION_TIMER_VALUE));
}

/* Without EPT12 an entry reads the PDPTEs from memory. */
TEST(merge_reloads_pdptes_without_ept)
{
	struct merge m;

	init(&m);
	m.e.v.proc_controls |= PROC_ACTIVATE_SECONDARY;
	m.e.v.entry_controls = 0; /* no control has a say in it */
	for (unsigned ept = 0; ept <= 1; ept++) {
		m.e.v.proc2_controls = ept ? PROC2_ENABLE_EPT : 0;
		struct field_set r = reloaded_after(&m.e.v);
		for (unsigned i = 0; i < 4; i++)
			EXPECT_EQ(field_set_has(&r, FI_GUEST_PDPTE0 + i), !ept);
	}
}

/* Whatever was in the set before, and whatever vmcs12 says: it is these registers and no other field. */
TEST(merge_reloads_nothing_else)
{
	const struct field_set none = {{0}};
	struct field_set r = {{0}};
	struct merge m;

	init(&m);
	m.e.v.pin_controls |= PIN_ACTIVATE_PREEMPTION_TIMER;
	for (unsigned i = 0; i < FI_COUNT; i++)
		field_set_add(&r, (enum field_index)i);
	merge_reloaded_fields(&r, &none, &m.e.v);
	for (unsigned i = 0; i < FI_COUNT; i++) {
		bool pdpte = i >= FI_GUEST_PDPTE0 && i <= FI_GUEST_PDPTE3;
		bool msr = i == FI_GUEST_IA32_DEBUGCTL || i == FI_GUEST_IA32_PAT ||
			   i == FI_GUEST_IA32_EFER;

		EXPECT_EQ(field_set_has(&r, (enum field_index)i),
			  pdpte || msr || i == FI_GUEST_DR7 || i == FI_PREEMPTION_TIMER_VALUE);
	}
}

/*
 * What L2 has from L1 as it is: just the registers of which vmcs02 gets L1's value and not vmcs12's, other than
 * IA32_EFER, whose LMA and LME are L2's own.
 */
TEST(merge_inherits_what_no_control_loads)
{
	static const u32 controls[] = {ENTRY_LOAD_DEBUG_CONTROLS, ENTRY_LOAD_IA32_PAT,
				       ENTRY_LOAD_IA32_EFER};
	struct merge m;

	for (unsigned bits = 0; bits < 8; bits++) {
		struct field_set inherited = {{~0ul, ~0ul}};

		init(&m);
		for (unsigned i = 0; i < ARRAY_LEN(controls); i++)
			m.e.v.entry_controls = (m.e.v.entry_controls & ~(u64)controls[i]) |
					       (bits >> i & 1 ? controls[i] : 0);
		m.e.v.guest_ia32_pat = 0x0101010101010101;
		m.e.v.guest_dr7 = 0x455;
		m.e.v.guest_ia32_debugctl = 2;
		run(&m);
		merge_inherited_fields(&inherited, &m.e.v);
		for (unsigned i = 0; i < FI_COUNT; i++) {
			bool l1 = (i == FI_GUEST_IA32_PAT && m.out.f[i] == m.in.l1_pat) ||
				  (i == FI_GUEST_DR7 && m.out.f[i] == m.in.l1_dr7) ||
				  (i == FI_GUEST_IA32_DEBUGCTL && m.out.f[i] == m.in.l1_debugctl);
			EXPECT_EQ(field_set_has(&inherited, (enum field_index)i), l1);
		}
		EXPECT_EQ(m.out.f[FI_GUEST_IA32_EFER], merge_efer(&m.e.v, m.in.l1_efer));
	}
}
