/*
 * Task switches: the layout of TSSs, descriptors, and the checks on a new task's segments. Expected values are
 * from the SDM, volume 3A, chapter "Task Management", and "Interrupt 8 - Double Fault Exception (#DF)".
 */
#include "test.h"
#include "vmm/task_pure.h"

static struct task sample(void)
{
	struct task t = {.eip = 0x11223344, .eflags = 0x202};
	for (unsigned i = 0; i < 8; i++)
		t.gpr[i] = 0xabcd0000 + i;
	for (unsigned i = 0; i < TASK_SELECTORS; i++)
		t.selector[i] = (u16)(0x10 + 8 * i);
	return t;
}

/* Figure "32-Bit Task-State Segment (TSS)": EIP at 20H, EDI at 44H, ES at 48H, GS at 5CH; CR3 and LDT stay. */
TEST(task_save_wide)
{
	struct task t = sample();
	u8 tss[TASK_TSS_MAX] = {0};

	task_save(tss, true, &t);
	EXPECT_EQ(tss[0x20], 0x44);
	EXPECT_EQ(tss[0x23], 0x11);
	EXPECT_EQ(tss[0x25], 0x02);
	EXPECT_EQ(tss[0x28], 0);
	EXPECT_EQ(tss[0x2b], 0xab);
	EXPECT_EQ(tss[0x44], 7);
	EXPECT_EQ(tss[0x48], 0x10);
	EXPECT_EQ(tss[0x5c], 0x38);
	EXPECT_EQ(tss[0x1f], 0);
	EXPECT_EQ(tss[0x60], 0);
}

TEST(task_load_wide)
{
	u8 tss[TASK_TSS_MAX] = {
		[0x1c] = 0x78, [0x1d] = 0x56, [0x20] = 0x99, [0x24] = 0xff, [0x25] = 0xff, [0x26] = 0xff,
		[0x27] = 0xff, [0x38] = 4,    [0x4c] = 0x08, [0x60] = 0x30, [0x64] = 1};
	struct task t;

	task_load(tss, true, &t);
	EXPECT_EQ(t.cr3, 0x5678);
	EXPECT_EQ(t.eip, 0x99);
	EXPECT_EQ(t.eflags, 0x3f7fd7); /* reserved bits as they have to be */
	EXPECT_EQ(t.gpr[RSP], 4);
	EXPECT_EQ(t.selector[SEG_CS], 8);
	EXPECT_EQ(t.selector[SEG_LDTR], 0x30);
	EXPECT(t.trap);
}

/* Figure "16-Bit TSS Format": IP at 14, DI at 32, ES at 34, DS at 40, LDT at 42. */
TEST(task_narrow)
{
	struct task t = sample(), back;
	u8 tss[TASK_TSS_MAX] = {[42] = 0x60, [44] = 0xee};

	task_save(tss, false, &t);
	EXPECT_EQ(tss[14], 0x44);
	EXPECT_EQ(tss[15], 0x33);
	EXPECT_EQ(tss[32], 7);
	EXPECT_EQ(tss[34], 0x10);
	EXPECT_EQ(tss[40], 0x28);
	EXPECT_EQ(tss[42], 0x60);
	EXPECT_EQ(tss[44], 0xee);
	task_load(tss, false, &back);
	EXPECT_EQ(back.eip, 0x3344);
	EXPECT_EQ(back.gpr[RDI], 0xffff0007);
	EXPECT_EQ(back.selector[SEG_DS], 0x28);
	EXPECT_EQ(back.selector[SEG_FS], 0);
	EXPECT_EQ(back.selector[SEG_LDTR], 0x60);
	EXPECT(!back.trap);
}

TEST(task_descriptor)
{
	struct descriptor flat = descriptor_decode(0x12cf9b3456785678),
			  tss = descriptor_decode(0x00008b0000000067);

	EXPECT_EQ(flat.base, 0x12345678);
	EXPECT_EQ(flat.limit, 0xf5678fff);
	EXPECT_EQ(flat.ar, 0xc09b);
	EXPECT_EQ(tss.limit, 0x67);
	EXPECT(descriptor_is_tss(&tss, true));
	EXPECT(!descriptor_is_tss(&tss, false));
	EXPECT(descriptor_is_wide_tss(&tss));
	EXPECT(!descriptor_is_tss(&flat, true));
	tss.ar = 0x81;
	EXPECT(descriptor_is_tss(&tss, false));
	EXPECT(!descriptor_is_wide_tss(&tss));
	tss.ar = 0x82; /* an LDT */
	EXPECT(!descriptor_is_tss(&tss, true));
}

/* Table "Exception Conditions Checked During a Task Switch". */
TEST(task_segments)
{
	static const struct {
		enum segment s;
		u16 selector;
		u32 ar;
		unsigned cpl;
		int fault;
	} row[] = {
		{SEG_CS, 0, 0x9b, 0, VEC_TS},           {SEG_CS, 3, 0xfb, 3, VEC_TS},
		{SEG_CS, 8, 0x9b, 0, TASK_NO_FAULT},    {SEG_CS, 8, 0x93, 0, VEC_TS},
		{SEG_CS, 8, 0x8b, 0, VEC_TS},           {SEG_CS, 8, 0x1b, 0, VEC_NP},
		{SEG_CS, 8, 0xfb, 0, VEC_TS},           {SEG_CS, 11, 0x9b, 3, VEC_TS},
		{SEG_CS, 11, 0x9f, 3, TASK_NO_FAULT},   {SEG_CS, 8, 0xff, 0, VEC_TS},
		{SEG_SS, 0, 0x93, 0, VEC_TS},           {SEG_SS, 16, 0x93, 0, TASK_NO_FAULT},
		{SEG_SS, 16, 0x91, 0, VEC_TS},          {SEG_SS, 16, 0x9b, 0, VEC_TS},
		{SEG_SS, 16, 0x13, 0, VEC_SS},          {SEG_SS, 16, 0xf3, 0, VEC_TS},
		{SEG_SS, 19, 0x93, 0, VEC_TS},          {SEG_SS, 19, 0xf3, 3, TASK_NO_FAULT},
		{SEG_DS, 0, 0, 3, TASK_NO_FAULT},       {SEG_DS, 16, 0x91, 0, TASK_NO_FAULT},
		{SEG_DS, 16, 0x93, 3, VEC_TS},          {SEG_DS, 19, 0x93, 0, VEC_TS},
		{SEG_DS, 16, 0x99, 0, VEC_TS},          {SEG_DS, 16, 0x9b, 0, TASK_NO_FAULT},
		{SEG_DS, 19, 0x9f, 3, TASK_NO_FAULT},   {SEG_DS, 16, 0x13, 0, VEC_NP},
		{SEG_GS, 16, 0x83, 0, VEC_TS},          {SEG_LDTR, 0, 0, 0, TASK_NO_FAULT},
		{SEG_LDTR, 16, 0x82, 0, TASK_NO_FAULT}, {SEG_LDTR, 20, 0x82, 0, VEC_TS},
		{SEG_LDTR, 16, 0x02, 0, VEC_TS},        {SEG_LDTR, 16, 0x92, 0, VEC_TS},
		{SEG_LDTR, 16, 0x89, 0, VEC_TS},
	};
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct descriptor d = {.ar = row[i].ar};
		int seen = task_check_segment(row[i].s, row[i].selector, &d, row[i].cpl);
		if (seen != row[i].fault)
			test_fail(__FILE__, __LINE__, "row %u: %d, not %d", i, seen, row[i].fault);
	}
}

TEST(task_push_limits)
{
	struct descriptor up = {.limit = 0xfff, .ar = 0x4093}, down = {.limit = 0xfff, .ar = 0x4097},
			  narrow = {.limit = 0xffff, .ar = 0x93};
	u32 esp, offset;

	esp = 0x1000;
	EXPECT(task_push(&up, &esp, 4, &offset));
	EXPECT_EQ(esp, 0xffc);
	esp = 0x1001;
	EXPECT(!task_push(&up, &esp, 4, &offset));
	esp = 2;
	EXPECT(!task_push(&up, &esp, 4, &offset));
	esp = 0x1004;
	EXPECT(task_push(&down, &esp, 4, &offset));
	esp = 0x1003;
	EXPECT(!task_push(&down, &esp, 4, &offset));
	esp = 0xffff0000;
	EXPECT(task_push(&narrow, &esp, 2, &offset));
	EXPECT_EQ(esp, 0xfffffffe);
	EXPECT_EQ(offset, 0xfffe);
}

/* Table "Conditions for Generating a Double Fault". */
TEST(task_second_exception)
{
	u32 exception = INTR_VALID | INTR_HW_EXCEPTION << 8;

	EXPECT_EQ(task_combine(0, VEC_TS), VEC_TS);
	EXPECT_EQ(task_combine(INTR_VALID | INTR_SW_INTERRUPT << 8 | VEC_GP, VEC_TS), VEC_TS);
	EXPECT_EQ(task_combine(exception | VEC_UD, VEC_TS), VEC_TS);
	EXPECT_EQ(task_combine(exception | VEC_GP, VEC_TS), VEC_DF);
	EXPECT_EQ(task_combine(exception | VEC_GP, VEC_PF), VEC_PF);
	EXPECT_EQ(task_combine(exception | VEC_PF, VEC_PF), VEC_DF);
	EXPECT_EQ(task_combine(exception | VEC_PF, VEC_NP), VEC_DF);
	EXPECT_EQ(task_combine(exception | VEC_DF, VEC_SS), TASK_TRIPLE_FAULT);
	EXPECT_EQ(task_combine(exception | VEC_DF, VEC_PF), TASK_TRIPLE_FAULT);
}
