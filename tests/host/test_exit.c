/* A VM exit from L2 to L1. SDM: chapter "VM Exits". */
#include "entry.h"
#include "machine.h"
#include "nested/exit.h"

#include <string.h>

#define POISON 0xa5a5a5a5a5a5a5a5ull

static u64 distinct(unsigned i)
{
	return 0x1111000000000000 + i;
}

/* --- what of L2 is saved. SDM: "Saving Guest State" --- */

struct saved {
	struct vmcs12 v, before;
	struct vmcs_image vmcs02;
	bool expected[FI_COUNT]; /* the fields that the exit saves */
};

#define SEGMENT_FIELDS(name) \
	FI_GUEST_##name##_SELECTOR, FI_GUEST_##name##_BASE, FI_GUEST_##name##_LIMIT, FI_GUEST_##name##_AR

static const enum field_index always_saved[] = {
	SEGMENT_FIELDS(ES),
	SEGMENT_FIELDS(CS),
	SEGMENT_FIELDS(SS),
	SEGMENT_FIELDS(DS),
	SEGMENT_FIELDS(FS),
	SEGMENT_FIELDS(GS),
	SEGMENT_FIELDS(LDTR),
	SEGMENT_FIELDS(TR),
	FI_GUEST_GDTR_BASE,
	FI_GUEST_GDTR_LIMIT,
	FI_GUEST_IDTR_BASE,
	FI_GUEST_IDTR_LIMIT,
	FI_GUEST_CR0,
	FI_GUEST_CR3,
	FI_GUEST_CR4,
	FI_GUEST_SYSENTER_CS,
	FI_GUEST_SYSENTER_ESP,
	FI_GUEST_SYSENTER_EIP,
	FI_GUEST_RSP,
	FI_GUEST_RIP,
	FI_GUEST_RFLAGS,
	FI_GUEST_ACTIVITY_STATE,
	FI_GUEST_INTERRUPTIBILITY,
	FI_GUEST_PENDING_DEBUG,
	FI_GUEST_INTERRUPT_STATUS,
};

static void save_init(struct saved *s)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < FI_COUNT; i++) {
		s->vmcs02.f[i] = distinct(i);
		s->v.f[i] = POISON;
	}
	s->v.proc_controls = s->v.proc2_controls = s->v.exit_controls = s->v.entry_controls = 0;
	s->vmcs02.f[FI_ENTRY_CONTROLS] = 0xd1ff & ~ENTRY_IA32E_MODE_GUEST;
	for (unsigned i = 0; i < ARRAY_LEN(always_saved); i++)
		s->expected[always_saved[i]] = true;
}

/* As the glue does it: field by field, whenever somebody asks for one. */
static void save(struct saved *s)
{
	struct field_set saved;

	exit_saved_fields(&saved, &s->v);
	for (int i; (i = field_set_take(&saved)) != FIELD_NONE;)
		s->v.f[i] = exit_saved_value(i, s->v.f[i], s->vmcs02.f[i]);
}

static void expect_saved(struct saved *s, int line)
{
	s->before = s->v;
	save(s);
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (s->v.f[i] != (s->expected[i] ? s->vmcs02.f[i] : s->before.f[i]))
			test_fail(__FILE__, line, "%s is %s", field_info[i].name,
				  s->expected[i] ? "not saved" : "changed");
}

#define SAVES(s) expect_saved(s, __LINE__)

TEST(exit_saves_always)
{
	struct saved s;

	save_init(&s);
	SAVES(&s);
	EXPECT(!memcmp(&s.v, &s.before, offsetof(struct vmcs12, f))); /* launch state and all */
}

TEST(exit_saves_by_control)
{
	static const struct {
		u32 control;
		enum field_index field[2];
	} cases[] = {
		{EXIT_SAVE_DEBUG_CONTROLS, {FI_GUEST_DR7, FI_GUEST_IA32_DEBUGCTL}},
		{EXIT_SAVE_IA32_PAT, {FI_GUEST_IA32_PAT, FI_GUEST_IA32_PAT}},
		{EXIT_SAVE_IA32_EFER, {FI_GUEST_IA32_EFER, FI_GUEST_IA32_EFER}},
		{EXIT_SAVE_PREEMPTION_TIMER, {FI_PREEMPTION_TIMER_VALUE, FI_PREEMPTION_TIMER_VALUE}},
		{EXIT_LOAD_IA32_PAT | EXIT_LOAD_IA32_EFER |
			 EXIT_HOST_ADDRESS_SPACE_SIZE, /* none of them */
		 {FI_GUEST_RIP, FI_GUEST_RIP}},
	};
	struct saved s;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		save_init(&s);
		s.v.exit_controls = cases[i].control;
		s.expected[cases[i].field[0]] = s.expected[cases[i].field[1]] = true;
		SAVES(&s);
	}
}

/* SDM: "Saving Non-Register State": the PDPTEs under EPT alone. */
TEST(exit_saves_pdptes_under_ept)
{
	struct saved s;

	save_init(&s);
	s.v.proc2_controls = PROC2_ENABLE_EPT; /* not activated */
	SAVES(&s);
	save_init(&s);
	s.v.proc_controls = PROC_ACTIVATE_SECONDARY;
	s.v.proc2_controls = PROC2_ENABLE_EPT;
	for (unsigned i = 0; i < 4; i++)
		s.expected[FI_GUEST_PDPTE0 + i] = true;
	SAVES(&s);
}

TEST(R73_ia32e_mode_guest_follows_lma)
{
	struct saved s;

	for (u64 others = 0; others <= 0xd1fb; others += 0xd1fb) { /* everything else stays */
		save_init(&s);
		s.v.entry_controls = others;
		s.vmcs02.f[FI_ENTRY_CONTROLS] = 0x13ff |
						ENTRY_IA32E_MODE_GUEST; /* hardware's, after LMA */
		save(&s);
		EXPECT_EQ(s.v.entry_controls, others | ENTRY_IA32E_MODE_GUEST);
		s.vmcs02.f[FI_ENTRY_CONTROLS] = 0x11ff;
		save(&s);
		EXPECT_EQ(s.v.entry_controls, others);
	}
}

/* --- exit information --- */

static const struct exit_record full = {
	.reason = EXIT_REASON_IO,
	.qualification = 0x1122334455667788,
	.linear_address = 0xffff888011223344,
	.physical_address = 0x7fabcd,
	.intr_info = 0x0f0f0f0f,
	.intr_error_code = 0x11,
	.vectoring_info = INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_PF,
	.vectoring_error_code = 0x12,
	.insn_length = 13,
	.insn_info = 0x14,
	.io_rcx = 0x15,
	.io_rsi = 0x16,
	.io_rdi = 0x17,
	.io_rip = 0x18,
};

static void poisoned(struct vmcs12 *v)
{
	memset(v, 0xa5, sizeof(*v));
}

/* Every read-only field but the VM-instruction error, and nothing else. */
TEST(exit_records_everything)
{
	static const struct {
		enum field_index field;
		u64 value;
	} fields[] = {
		{FI_EXIT_REASON, 30},
		{FI_EXIT_QUALIFICATION, 0x1122334455667788},
		{FI_GUEST_LINEAR_ADDRESS, 0xffff888011223344},
		{FI_GUEST_PHYSICAL_ADDRESS, 0x7fabcd},
		{FI_EXIT_INTERRUPTION_INFO, 0x0f0f0f0f},
		{FI_EXIT_INTERRUPTION_ERROR_CODE, 0x11},
		{FI_IDT_VECTORING_INFO, 0x80000b0e},
		{FI_IDT_VECTORING_ERROR_CODE, 0x12},
		{FI_EXIT_INSTRUCTION_LENGTH, 13},
		{FI_EXIT_INSTRUCTION_INFO, 0x14},
		{FI_IO_RCX, 0x15},
		{FI_IO_RSI, 0x16},
		{FI_IO_RDI, 0x17},
		{FI_IO_RIP, 0x18},
	};
	bool written[FI_COUNT] = {false};
	struct vmcs12 v, before;

	poisoned(&v);
	before = v;
	exit_record(&v, &full);
	for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
		EXPECT_EQ(v.f[fields[i].field], fields[i].value);
		written[fields[i].field] = true;
	}
	for (unsigned i = 0; i < FI_COUNT; i++) {
		EXPECT(written[i] || v.f[i] == before.f[i]);
		EXPECT(written[i] || field_info[i].group != RO || i == FI_VM_INSTRUCTION_ERROR);
	}
	EXPECT(!memcmp(&v, &before, offsetof(struct vmcs12, f)));
}

TEST(R45_failed_entry_writes_reason_and_qualification)
{
	static const u32 reasons[] = {EXIT_REASON_ENTRY_GUEST_STATE, EXIT_REASON_ENTRY_MSR_LOAD,
				      EXIT_REASON_ENTRY_MACHINE_CHECK};

	for (unsigned i = 0; i < ARRAY_LEN(reasons); i++) {
		struct exit_record r = full;
		struct vmcs12 v, expected;

		poisoned(&v);
		v.entry_interruption_info = INTR_VALID | INTR_NMI << 8 | VEC_NMI;
		expected = v;
		expected.exit_reason = 0x80000000 | reasons[i];
		expected.exit_qualification = full.qualification;
		r.reason = reasons[i] | (u32)EXIT_REASON_ENTRY_FAILURE;
		exit_record(&v, &r);
		EXPECT(!memcmp(&v, &expected, sizeof(v)));
	}
}

static u64 vectoring_after(u32 reason, u32 intr_info, u32 vectoring_info)
{
	struct exit_record r = full;
	struct vmcs12 v;

	poisoned(&v);
	r.reason = reason;
	r.intr_info = intr_info;
	r.vectoring_info = vectoring_info;
	exit_record(&v, &r);
	EXPECT_EQ(v.exit_interruption_info, intr_info);
	return v.idt_vectoring_info;
}

/* What may have been on its way: each type of event. */
static const u32 in_delivery[] = {
	INTR_VALID | INTR_EXTERNAL << 8 | 0x30,
	INTR_VALID | INTR_NMI << 8 | VEC_NMI,
	INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_DE,
	INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_PF,
	INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_DF,
	INTR_VALID | INTR_SW_INTERRUPT << 8 | 0x80,
	INTR_VALID | INTR_PRIV_SW_EXCEPTION << 8 | VEC_DB,
	INTR_VALID | INTR_SW_EXCEPTION << 8 | VEC_BP,
};

#define DOUBLE_FAULT (INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_DF)

TEST(R48_double_fault_has_no_vectoring_information)
{
	for (unsigned i = 0; i < ARRAY_LEN(in_delivery); i++) {
		EXPECT_EQ(vectoring_after(EXIT_REASON_EXCEPTION_NMI, DOUBLE_FAULT, in_delivery[i]) &
				  INTR_VALID,
			  0);
		EXPECT_EQ(vectoring_after(EXIT_REASON_EXCEPTION_NMI, DOUBLE_FAULT | INTR_NMI_UNBLOCKING,
					  in_delivery[i]) &
				  INTR_VALID,
			  0);
	}
}

TEST(R49_triple_fault_has_no_vectoring_information)
{
	for (unsigned i = 0; i < ARRAY_LEN(in_delivery); i++)
		EXPECT_EQ(vectoring_after(EXIT_REASON_TRIPLE_FAULT, 0, in_delivery[i]) & INTR_VALID, 0);
}

/* Faults met while an event was delivered: the event is reported, a double fault too. */
TEST(R50_other_exits_keep_vectoring_information)
{
	static const struct {
		u32 reason, intr_info;
	} exits[] = {
		{EXIT_REASON_EXCEPTION_NMI,
		 INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_PF},
		{EXIT_REASON_EXCEPTION_NMI,
		 INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_GP},
		{EXIT_REASON_EXCEPTION_NMI,
		 INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_NP},
		{EXIT_REASON_EPT_VIOLATION, 0},
		{EXIT_REASON_EPT_MISCONFIGURATION, 0},
		{EXIT_REASON_APIC_ACCESS, 0},
		{EXIT_REASON_TASK_SWITCH, 0},
		/* Left over from an earlier exit: interruption information is of no account here. */
		{EXIT_REASON_EPT_VIOLATION, DOUBLE_FAULT},
		/* Not valid, so not a double fault. */
		{EXIT_REASON_EXCEPTION_NMI, DOUBLE_FAULT & ~INTR_VALID},
	};

	for (unsigned e = 0; e < ARRAY_LEN(exits); e++)
		for (unsigned i = 0; i < ARRAY_LEN(in_delivery); i++)
			EXPECT_EQ(vectoring_after(exits[e].reason, exits[e].intr_info, in_delivery[i]),
				  in_delivery[i]);
}

/* The field is written on every exit: what an earlier one left is gone. */
TEST(exit_without_delivery_clears_vectoring_information)
{
	EXPECT_EQ(vectoring_after(EXIT_REASON_CPUID, 0, 0), 0);
	EXPECT_EQ(vectoring_after(EXIT_REASON_EXCEPTION_NMI, DOUBLE_FAULT, 0), 0);
	EXPECT_EQ(vectoring_after(EXIT_REASON_TRIPLE_FAULT, 0, 0), 0);
}

TEST(R51_valid_bit_of_the_injected_event_is_cleared)
{
	for (u32 reason = 0; reason < EXIT_REASON_COUNT; reason++) {
		struct exit_record r = {.reason = reason};
		struct vmcs12 v;

		poisoned(&v);
		v.entry_interruption_info = INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 |
					    VEC_GP;
		exit_record(&v, &r);
		EXPECT(exit_clears_injection(&v));
		EXPECT_EQ(v.entry_interruption_info, 0xb0d);
		EXPECT(!exit_clears_injection(&v));
		EXPECT_EQ(v.entry_interruption_info, 0xb0d);
	}
}

/* --- what L1 gets. SDM: "Loading Host State" --- */

struct loaded {
	struct entry e; /* its vmcs12 passes every check */
	struct caps hw;
	struct exit_host_in in;
	struct vmcs_image l1;
};

/* Both steps, as on each exit whose host state is another than the last one's. */
static void load_both(struct vmcs_image *l1, const struct exit_host_in *in)
{
	exit_load_host(l1, in->v);
	exit_load_kept(l1, in);
}

static const u64 host_pdptes[4] = {0x1001, 0x2001, 0x3001, 0x4001};

static void load_init(struct loaded *l, bool host64)
{
	*l = (struct loaded){.e = {.id = CHECK_PASSED}};
	(host64 ? entry_64 : entry_host32)(&l->e);
	machine_all(&l->hw);
	l->e.v.host_cs_selector = 0x08;
	l->e.v.host_ss_selector = 0x10;
	l->e.v.host_ds_selector = 0x18;
	l->e.v.host_es_selector = 0x20;
	l->e.v.host_fs_selector = 0x28;
	l->e.v.host_gs_selector = 0x30;
	l->e.v.host_tr_selector = 0x38;
	l->e.v.host_fs_base = 0xf000;
	l->e.v.host_gs_base = host64 ? 0xffff888000010000 : 0x10000;
	l->e.v.host_tr_base = 0x20000;
	l->e.v.host_gdtr_base = 0x30000;
	l->e.v.host_idtr_base = 0x40000;
	l->e.v.host_sysenter_cs = 0x1b;
	l->e.v.host_sysenter_esp = 0x50000;
	l->e.v.host_sysenter_eip = 0x60000;
	PASSES(&l->e);
	l->in = (struct exit_host_in){
		.v = &l->e.v,
		.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG,
		.efer = EFER_LME | EFER_LMA | EFER_SCE,
		.pat = 0x0606060606060606,
		.pdpte = host_pdptes,
	};
}

static const u64 *load(struct loaded *l)
{
	for (unsigned i = 0; i < FI_COUNT; i++)
		l->l1.f[i] = POISON;
	load_both(&l->l1, &l->in);
	return l->l1.f;
}

struct field_value {
	enum field_index field;
	u64 value;
};

static void expect_values(struct loaded *l, const struct field_value *expected, unsigned count, int line)
{
	load(l);
	for (unsigned i = 0; i < count; i++)
		if (l->l1.f[expected[i].field] != expected[i].value)
			test_fail(__FILE__, line, "%s is %#llx, not %#llx",
				  field_info[expected[i].field].name,
				  (unsigned long long)l->l1.f[expected[i].field],
				  (unsigned long long)expected[i].value);
}

#define LOADS(l, expected) expect_values(l, expected, ARRAY_LEN(expected), __LINE__)

#define LOADED_SEGMENT(name, selector, base, limit, ar) \
	{FI_GUEST_##name##_SELECTOR, selector}, {FI_GUEST_##name##_BASE, base}, \
		{FI_GUEST_##name##_LIMIT, limit}, \
	{ \
		FI_GUEST_##name##_AR, ar \
	}

/* SDM: "Loading Host Segment and Descriptor-Table Registers". */
TEST(exit_loads_segments_64)
{
	static const struct field_value expected[] = {
		LOADED_SEGMENT(CS, 0x08, 0, 0xffffffff, 0xa09b), /* L, not D */
		LOADED_SEGMENT(SS, 0x10, 0, 0xffffffff, 0xc093),
		LOADED_SEGMENT(DS, 0x18, 0, 0xffffffff, 0xc093),
		LOADED_SEGMENT(ES, 0x20, 0, 0xffffffff, 0xc093),
		LOADED_SEGMENT(FS, 0x28, 0xf000, 0xffffffff, 0xc093),
		LOADED_SEGMENT(GS, 0x30, 0xffff888000010000, 0xffffffff, 0xc093),
		LOADED_SEGMENT(TR, 0x38, 0x20000, 0x67, 0x8b),
		{FI_GUEST_LDTR_SELECTOR, 0},
		{FI_GUEST_LDTR_AR, AR_UNUSABLE},
		{FI_GUEST_GDTR_BASE, 0x30000},
		{FI_GUEST_GDTR_LIMIT, 0xffff},
		{FI_GUEST_IDTR_BASE, 0x40000},
		{FI_GUEST_IDTR_LIMIT, 0xffff},
	};
	struct loaded l;

	load_init(&l, true);
	LOADS(&l, expected);
	EXPECT(canonical(l.l1.f[FI_GUEST_LDTR_BASE], 48));
}

TEST(exit_loads_segments_32)
{
	static const struct field_value expected[] = {
		LOADED_SEGMENT(CS, 0x08, 0, 0xffffffff, 0xc09b), /* D, not L */
		LOADED_SEGMENT(SS, 0x10, 0, 0xffffffff, 0xc093),
		LOADED_SEGMENT(DS, 0x18, 0, 0xffffffff, 0xc093),
		LOADED_SEGMENT(ES, 0x20, 0, 0xffffffff, 0xc093),
		LOADED_SEGMENT(FS, 0x28, 0xf000, 0xffffffff, 0xc093),
		LOADED_SEGMENT(GS, 0x30, 0x10000, 0xffffffff, 0xc093),
		LOADED_SEGMENT(TR, 0x38, 0x20000, 0x67, 0x8b),
	};
	struct loaded l;

	load_init(&l, false);
	LOADS(&l, expected);
}

/* A null selector makes a segment unusable; in 64-bit mode FS and GS keep their bases all the same. */
TEST(exit_loads_null_selectors)
{
	static const enum field_index host[] = {FI_HOST_ES_SELECTOR, FI_HOST_SS_SELECTOR,
						FI_HOST_DS_SELECTOR, FI_HOST_FS_SELECTOR,
						FI_HOST_GS_SELECTOR};
	static const enum field_index ar[] = {FI_GUEST_ES_AR, FI_GUEST_SS_AR, FI_GUEST_DS_AR,
					      FI_GUEST_FS_AR, FI_GUEST_GS_AR};
	struct loaded l;

	load_init(&l, true);
	for (unsigned i = 0; i < ARRAY_LEN(host); i++)
		l.e.v.f[host[i]] = 0;
	PASSES(&l.e);
	load(&l);
	for (unsigned i = 0; i < ARRAY_LEN(ar); i++)
		EXPECT(l.l1.f[ar[i]] & AR_UNUSABLE);
	EXPECT_EQ(AR_DPL(l.l1.f[FI_GUEST_SS_AR]), 0); /* CPL */
	EXPECT_EQ(l.l1.f[FI_GUEST_FS_BASE], 0xf000);
	EXPECT_EQ(l.l1.f[FI_GUEST_GS_BASE], 0xffff888000010000);
	EXPECT_EQ(l.l1.f[FI_GUEST_CS_AR], 0xa09b);
}

TEST(R72_state_that_no_field_gives)
{
	static const struct field_value expected[] = {
		{FI_GUEST_RFLAGS, 2},          {FI_GUEST_DR7, 0x400},
		{FI_GUEST_IA32_DEBUGCTL, 0},   {FI_GUEST_GDTR_LIMIT, 0xffff},
		{FI_GUEST_IDTR_LIMIT, 0xffff}, {FI_GUEST_LDTR_AR, AR_UNUSABLE},
		{FI_GUEST_TR_LIMIT, 0x67},     {FI_GUEST_INTERRUPTIBILITY, 0},
		{FI_GUEST_ACTIVITY_STATE, 0},  {FI_GUEST_PENDING_DEBUG, 0},
	};
	struct loaded l;

	for (int host64 = 0; host64 <= 1; host64++) {
		load_init(&l, host64);
		LOADS(&l, expected);
	}
}

TEST(exit_loads_rip_rsp_and_sysenter)
{
	static const struct field_value expected[] = {
		{FI_GUEST_RIP, 0x100000},         {FI_GUEST_RSP, 0x200000},
		{FI_GUEST_CR3, 0x1000},           {FI_GUEST_SYSENTER_CS, 0x1b},
		{FI_GUEST_SYSENTER_ESP, 0x50000}, {FI_GUEST_SYSENTER_EIP, 0x60000},
	};
	struct loaded l;

	for (int host64 = 0; host64 <= 1; host64++) {
		load_init(&l, host64);
		LOADS(&l, expected);
	}
}

/* SDM: "Loading Host Control Registers, Debug Registers, MSRs": these bits are not modified. */
#define CR0_KEPT (BITS(63, 32) | CR0_CD | CR0_NW | BITS(28, 19) | BIT(17) | BITS(15, 6) | CR0_ET)

TEST(exit_keeps_bits_of_cr0)
{
	struct loaded l;

	load_init(&l, true);
	for (unsigned bit = 0; bit < 64; bit++) {
		const u64 host = l.e.v.host_cr0 & ~CR0_KEPT, rest = CR0_PE | CR0_NE | CR0_PG;
		bool kept = CR0_KEPT >> bit & 1;

		l.e.v.host_cr0 = host | BIT(bit);
		l.in.cr0 = rest & ~BIT(bit);
		EXPECT_EQ(load(&l)[FI_GUEST_CR0], kept ? host : host | BIT(bit));
		EXPECT_EQ(l.l1.f[FI_CR0_READ_SHADOW], l.l1.f[FI_GUEST_CR0]);
		l.e.v.host_cr0 = host & ~BIT(bit);
		l.in.cr0 = rest | BIT(bit);
		EXPECT_EQ(load(&l)[FI_GUEST_CR0], kept ? host | BIT(bit) : host & ~BIT(bit));
		l.e.v.host_cr0 = host;
	}
}

TEST(exit_loads_cr4)
{
	struct loaded l;

	load_init(&l, true);
	l.e.v.host_cr4 = CR4_VMXE | CR4_PCIDE | CR4_SMEP; /* a check wants PAE here; the exit sets it */
	EXPECT_EQ(load(&l)[FI_GUEST_CR4], CR4_VMXE | CR4_PCIDE | CR4_SMEP | CR4_PAE);
	EXPECT_EQ(l.l1.f[FI_CR4_READ_SHADOW], l.l1.f[FI_GUEST_CR4]);
	load_init(&l, false);
	l.e.v.host_cr4 = CR4_VMXE | CR4_PCIDE | CR4_PGE;
	EXPECT_EQ(load(&l)[FI_GUEST_CR4], CR4_VMXE | CR4_PGE);
	l.e.v.host_cr4 |= CR4_PAE;
	EXPECT_EQ(load(&l)[FI_GUEST_CR4], CR4_VMXE | CR4_PGE | CR4_PAE);
	EXPECT_EQ(l.l1.f[FI_CR4_READ_SHADOW], l.l1.f[FI_GUEST_CR4]);
}

TEST(exit_loads_efer)
{
	struct loaded l;

	/* Not loaded: LMA and LME are the host's address-space size, the others stay. */
	load_init(&l, true);
	l.e.v.host_ia32_efer = EFER_NXE;
	l.in.efer = EFER_SCE;
	EXPECT_EQ(load(&l)[FI_GUEST_IA32_EFER], EFER_SCE | EFER_LME | EFER_LMA);
	load_init(&l, false);
	l.in.efer = EFER_SCE | EFER_NXE | EFER_LME | EFER_LMA;
	EXPECT_EQ(load(&l)[FI_GUEST_IA32_EFER], EFER_SCE | EFER_NXE);
	l.in.efer = EFER_LME;
	EXPECT_EQ(load(&l)[FI_GUEST_IA32_EFER], 0);
	on(&l.e, CI_EXIT_LOAD_IA32_EFER);
	l.in.efer = EFER_SCE;
	l.e.v.host_ia32_efer = EFER_NXE;
	EXPECT_EQ(load(&l)[FI_GUEST_IA32_EFER], EFER_NXE);
	load_init(&l, true);
	on(&l.e, CI_EXIT_LOAD_IA32_EFER);
	l.e.v.host_ia32_efer = EFER_LME | EFER_LMA;
	EXPECT_EQ(load(&l)[FI_GUEST_IA32_EFER], EFER_LME | EFER_LMA);
}

TEST(exit_loads_pat)
{
	struct loaded l;

	load_init(&l, true);
	EXPECT_EQ(load(&l)[FI_GUEST_IA32_PAT], 0x0606060606060606);
	on(&l.e, CI_EXIT_LOAD_IA32_PAT);
	EXPECT_EQ(load(&l)[FI_GUEST_IA32_PAT], l.e.v.host_ia32_pat);
}

TEST(exit_loads_pdptes)
{
	struct loaded l;

	load_init(&l, false);
	load(&l);
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(l.l1.f[FI_GUEST_PDPTE0 + i], 0x1001 + 0x1000 * i);
	l.in.pdpte = NULL;
	load(&l);
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(l.l1.f[FI_GUEST_PDPTE0 + i], POISON);
}

/* What vmm/run.c does not read of an exit: those with a qualification or an event are never left out. */
TEST(exit_details)
{
	static const enum exit_reason with[] = {
		EXIT_REASON_EXCEPTION_NMI,
		EXIT_REASON_TRIPLE_FAULT,
		EXIT_REASON_SIPI,
		EXIT_REASON_TASK_SWITCH,
		EXIT_REASON_INVLPG,
		EXIT_REASON_VMCLEAR,
		EXIT_REASON_VMPTRLD,
		EXIT_REASON_VMPTRST,
		EXIT_REASON_VMREAD,
		EXIT_REASON_VMWRITE,
		EXIT_REASON_VMXON,
		EXIT_REASON_CR_ACCESS,
		EXIT_REASON_MOV_DR,
		EXIT_REASON_IO,
		EXIT_REASON_ENTRY_GUEST_STATE,
		EXIT_REASON_ENTRY_MSR_LOAD,
		EXIT_REASON_MWAIT,
		EXIT_REASON_APIC_ACCESS,
		EXIT_REASON_VIRTUALIZED_EOI,
		EXIT_REASON_GDTR_IDTR_ACCESS,
		EXIT_REASON_LDTR_TR_ACCESS,
		EXIT_REASON_EPT_VIOLATION,
		EXIT_REASON_EPT_MISCONFIGURATION,
		EXIT_REASON_INVEPT,
		EXIT_REASON_INVVPID,
		EXIT_REASON_APIC_WRITE,
		EXIT_REASON_INVPCID,
		EXIT_REASON_PML_FULL,
		EXIT_REASON_XSAVES,
		EXIT_REASON_XRSTORS,
	};
	static const enum exit_reason without[] = {
		EXIT_REASON_CPUID, EXIT_REASON_VMCALL, EXIT_REASON_VMRESUME,
		EXIT_REASON_RDMSR, EXIT_REASON_WRMSR,  EXIT_REASON_EXTERNAL_INTERRUPT,
	};

	for (unsigned i = 0; i < ARRAY_LEN(with); i++)
		EXPECT(exit_has_details(with[i]));
	for (unsigned i = 0; i < ARRAY_LEN(without); i++)
		EXPECT(!exit_has_details(without[i]));
	for (u32 reason = 0; reason < 70; reason++)
		EXPECT(!exit_can_be_in_delivery(reason) || exit_has_details(reason));
}

TEST(exit_host_uses_pae)
{
	struct loaded l;

	load_init(&l, true);
	EXPECT(!exit_host_uses_pae(&l.e.v));
	load_init(&l, false);
	EXPECT(l.e.v.host_cr4 & CR4_PAE);
	EXPECT(exit_host_uses_pae(&l.e.v));
	l.e.v.host_cr0 &= ~CR0_PG;
	EXPECT(!exit_host_uses_pae(&l.e.v));
	l.e.v.host_cr0 |= CR0_PG;
	l.e.v.host_cr4 &= ~CR4_PAE;
	EXPECT(!exit_host_uses_pae(&l.e.v));
}

/* SDM: "Updating Non-Register State". */
TEST(R62_nmi_blocking)
{
	struct loaded l;

	load_init(&l, true);
	EXPECT_EQ(load(&l)[FI_GUEST_INTERRUPTIBILITY], 0);
	l.in.nmi_blocking = true;
	EXPECT_EQ(load(&l)[FI_GUEST_INTERRUPTIBILITY], BLOCKING_NMI);
}

/* vmcs01 has to run L1 in the mode that it comes back in. */
TEST(exit_sets_l1s_mode)
{
	struct loaded l;

	load_init(&l, true);
	EXPECT_EQ(load(&l)[FI_ENTRY_CONTROLS], POISON | ENTRY_IA32E_MODE_GUEST);
	load_init(&l, false);
	l.l1.f[FI_ENTRY_CONTROLS] = 0xffff;
	load_both(&l.l1, &l.in);
	EXPECT_EQ(l.l1.f[FI_ENTRY_CONTROLS], 0xfdff);
	l.l1.f[FI_ENTRY_CONTROLS] = 0;
	load_both(&l.l1, &l.in);
	EXPECT_EQ(l.l1.f[FI_ENTRY_CONTROLS], 0);
}

/* Every guest field of the table gets a value, but for what is no state of L1's. */
TEST(exit_loads_all_of_l1)
{
	struct loaded l;

	load_init(&l, true);
	load(&l);
	for (unsigned i = 0; i < FI_COUNT; i++) {
		const struct field_info *f = &field_info[i];
		bool l1s = f->group == GUEST && (f->merge == COPY || f->merge == MERGE) &&
			   i != FI_GUEST_INTERRUPT_STATUS && i != FI_PREEMPTION_TIMER_VALUE;

		if (l1s)
			EXPECT(l.l1.f[i] != POISON);
	}
	EXPECT(l.l1.f[FI_CR0_READ_SHADOW] != POISON);
	EXPECT(l.l1.f[FI_CR4_READ_SHADOW] != POISON);
}

/* And no other field does: L0's own values stay. */
TEST(exit_loads_nothing_else)
{
	struct loaded l;

	load_init(&l, true);
	load(&l);
	for (unsigned i = 0; i < FI_COUNT; i++) {
		bool shadow = i == FI_CR0_READ_SHADOW || i == FI_CR4_READ_SHADOW;

		if (field_info[i].group != GUEST && !shadow && i != FI_ENTRY_CONTROLS)
			EXPECT_EQ(l.l1.f[i], POISON);
	}
}
