/* The reader of VMCS dumps and of capability MSRs (tools/vmcs-check), and what it makes of them. */
#include "entry.h"
#include "nested/check_report.h"
#include "test.h"
#include "tools/vmcs-check/judge.h"
#include "vmx/msr.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMPS "tests/host/dumps/"

static struct dump dump;
static struct text_error error;
static struct processor processor;
static enum verdict verdicts[CHECK_COUNT];

static bool read_text(const char *text)
{
	return dump_read(&dump, &error, text, strlen(text), 1);
}

/* --- Nestling's own format --- */

TEST(dump_reads_own_format)
{
	EXPECT(read_text("# a comment: GUEST_CR3 = 7\n"
			 "GUEST_RIP = 0xffffffff81000000\n"
			 "nestling: VPID = 12\n\n"
			 "  guest says PIN_CONTROLS=0x16 PROC_CONTROLS = 0X0401e172\r\n"
			 "L1_IA32E = 1\nVTPR = 0x20\nLINK_REVISION = 0x80000004\nMEMORY_PDPTE3 = 0x1001\n"
			 "CURRENT_VMCS = 0x5000"));
	EXPECT_EQ(dump.v.guest_rip, 0xffffffff81000000);
	EXPECT_EQ(dump.v.vpid, 12);
	EXPECT_EQ(dump.v.pin_controls, 0x16);
	EXPECT_EQ(dump.v.proc_controls, 0x0401e172);
	EXPECT(dump.in.l1_ia32e);
	EXPECT_EQ(dump.in.vtpr, 0x20);
	EXPECT_EQ(dump.in.link_revision, 0x80000004);
	EXPECT_EQ(dump.in.pdpte[3], 0x1001);
	EXPECT_EQ(dump.in.current_vmcs.v, 0x5000);
	EXPECT(!dump.known[FI_GUEST_CR3]);
	EXPECT(dump.known[FI_GUEST_RIP] && dump.known[IN_PDPTE3] && !dump.known[IN_PDPTE0]);
	EXPECT_EQ(dump.known_count, 9);
	EXPECT_EQ(dump.dumps, 1);
}

static void expect_error(const char *text, unsigned line, const char *what, int test_line)
{
	if (read_text(text) || error.line != line || !strstr(error.what, what))
		test_fail(__FILE__, test_line, "line %u: %s", error.line, error.what);
}

#define ERROR(text, line, what) expect_error(text, line, what, __LINE__)

TEST(dump_says_where_it_is_broken)
{
	ERROR("", 0, "no VMCS field");
	ERROR("hello\nworld\n", 0, "no VMCS field");
	ERROR("GUEST_RIP = 1\nGUEST_RFLAG = 2\n", 2, "GUEST_RFLAG: no such field");
	ERROR("GUEST_RIP =\n", 1, "GUEST_RIP: no number");
	ERROR("GUEST_RIP = 0x\n", 1, "GUEST_RIP: no number");
	ERROR("GUEST_RIP = 12f\n", 1, "GUEST_RIP: no number");
	ERROR("GUEST_RIP = 0x10000000000000000\n", 1, "GUEST_RIP: no number");
	ERROR("GUEST_RIP = 18446744073709551616\n", 1, "GUEST_RIP: no number");
	ERROR("\nVPID = 0x10000\n", 2, "VPID: the value does not fit");
	ERROR("VTPR = 0x100\n", 1, "VTPR: the value does not fit");
	ERROR("GUEST_RIP = 1\nGUEST_RIP = 2\n", 2, "GUEST_RIP: given twice");
	EXPECT(read_text("GUEST_RIP = 1\nGUEST_RIP = 0x1\n"));
	EXPECT(read_text("GUEST_RIP = 18446744073709551615\nVPID = 0xffff\nVTPR = 255\n"));
	EXPECT_EQ(dump.v.guest_rip, ~0ull);
}

TEST(dump_reads_linux_lines)
{
	EXPECT(read_text(
		"noise = 7 PAT = 1\n*** Guest State ***\nCR0: actual=0x31, shadow=0x32, gh_mask=33\n"
		"Sysenter RSP=5 CS:RIP=0010:ffffffff81\nPAT = 0x0407050600070106\n"
		"CS:   sel=0x0010, attr=0x0a09b, limit=0xffffffff, base=0x1\n"
		"GDTR:                           limit=0x0000007f, base=0x2\n"
		"*** Host State ***\nCS=0010 SS=0018 TR=0040\nCR0=0000000080050033\n"
		"Sysenter RSP=6 CS:RIP=0011:12\n"
		"*** Control State ***\nVMEntry: intr_info=800000ec errcode=1 ilen=2\n"
		"VMExit: intr_info=3 errcode=4 ilen=5\n        reason=80000021 qualification=6\n"
		"IDTVectoring: info=7 errcode=8\nSVI|RVI = ec|01 TPR Threshold = 0x00\n"
		"PLE Gap=00000080 Window=00001000\nVirtual processor ID = 0x0001\n"));
	EXPECT_EQ(dump.v.guest_cr0, 0x31);
	EXPECT_EQ(dump.v.cr0_read_shadow, 0x32);
	EXPECT_EQ(dump.v.cr0_mask, 0x33);
	EXPECT_EQ(dump.v.guest_sysenter_esp, 5);
	EXPECT_EQ(dump.v.guest_sysenter_cs, 0x10);
	EXPECT_EQ(dump.v.guest_sysenter_eip, 0xffffffff81);
	EXPECT_EQ(dump.v.guest_ia32_pat, 0x0407050600070106);
	EXPECT_EQ(dump.v.guest_cs_selector, 0x10);
	EXPECT_EQ(dump.v.guest_cs_ar, 0xa09b);
	EXPECT_EQ(dump.v.guest_cs_limit, 0xffffffff);
	EXPECT_EQ(dump.v.guest_cs_base, 1);
	EXPECT_EQ(dump.v.guest_gdtr_limit, 0x7f);
	EXPECT_EQ(dump.v.guest_gdtr_base, 2);
	EXPECT_EQ(dump.v.host_cs_selector, 0x10);
	EXPECT_EQ(dump.v.host_ss_selector, 0x18);
	EXPECT_EQ(dump.v.host_tr_selector, 0x40);
	EXPECT_EQ(dump.v.host_cr0, 0x80050033);
	EXPECT_EQ(dump.v.host_sysenter_esp, 6);
	EXPECT_EQ(dump.v.host_sysenter_cs, 0x11);
	EXPECT_EQ(dump.v.host_sysenter_eip, 0x12);
	EXPECT_EQ(dump.v.entry_interruption_info, 0x800000ec);
	EXPECT_EQ(dump.v.entry_exception_error_code, 1);
	EXPECT_EQ(dump.v.entry_instruction_length, 2);
	EXPECT_EQ(dump.v.exit_interruption_info, 3);
	EXPECT_EQ(dump.v.exit_instruction_length, 5);
	EXPECT_EQ(dump.v.exit_reason, 0x80000021);
	EXPECT_EQ(dump.v.idt_vectoring_info, 7);
	EXPECT_EQ(dump.v.guest_interrupt_status, 0xec01);
	EXPECT_EQ(dump.v.ple_window, 0x1000);
	EXPECT_EQ(dump.v.vpid, 1);
	EXPECT_EQ(dump.known_count, 35);
}

TEST(dump_picks_one_of_several)
{
	const char *two = "*** Guest State ***\nCR3 = 0x1000\n*** Guest State ***\nCR3 = 0x2000\n";

	EXPECT(dump_read(&dump, &error, two, strlen(two), 1));
	EXPECT_EQ(dump.v.guest_cr3, 0x1000);
	EXPECT_EQ(dump.dumps, 2);
	EXPECT(dump_read(&dump, &error, two, strlen(two), 2));
	EXPECT_EQ(dump.v.guest_cr3, 0x2000);
	EXPECT(!dump_read(&dump, &error, two, strlen(two), 3));
	EXPECT(strstr(error.what, "no dump number 3, but 2") != NULL);
}

/* What a log has around Nestling's own dump does not count. */
TEST(dump_reads_own_format_between_titles)
{
	const char *log = "nestling: L2 entry refused: x: GUEST_RIP=0x7; nearest legal GUEST_RIP=0x8\n"
			  "nestling: *** VMCS ***\nnestling: GUEST_RIP = 0x9\nnestling: VPID = 1\n"
			  "nestling: *** end of VMCS ***\nnestling: VPID = 5 FOO = 6\n"
			  "*** VMCS ***\nGUEST_RIP = 0xa\n";

	EXPECT(dump_read(&dump, &error, log, strlen(log), 1));
	EXPECT_EQ(dump.v.guest_rip, 9);
	EXPECT_EQ(dump.v.vpid, 1);
	EXPECT_EQ(dump.dumps, 2);
	EXPECT(dump_read(&dump, &error, log, strlen(log), 2));
	EXPECT_EQ(dump.v.guest_rip, 10);
	EXPECT_EQ(dump.known_count, 1);
	ERROR("*** VMCS ***\nGUEST_RIPP = 1\n", 2, "GUEST_RIPP: no such field");
}

/* Every name is read back as what it is. */
TEST(dump_knows_every_name)
{
	for (int i = 0; i < CHECK_INPUTS; i++) {
		const char *name = check_input_name((unsigned)i);
		char text[80];

		EXPECT_EQ(dump_input(name, strlen(name)), i);
		snprintf(text, sizeof(text), "%s = 1\n", name);
		EXPECT(read_text(text));
		EXPECT(dump.known[i]);
		EXPECT_EQ(check_input_value(&dump.in, (unsigned)i), 1);
	}
	EXPECT_EQ(dump_input("GUEST_RI", 8), -1);
}

/* --- the sample dumps --- */

static char *read_sample(const char *name, size_t *size)
{
	char path[256];
	static char text[1 << 16];
	FILE *f;

	snprintf(path, sizeof(path), DUMPS "%s", name);
	f = fopen(path, "rb");
	*size = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[*size] = 0;
	if (f)
		fclose(f);
	return text;
}

/* "id id ..." of the broken rules, in order, or "none" */
static void list_broken(char *list, size_t size)
{
	size_t used = 0;

	list[0] = 0;
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
		if (verdicts[id] == BROKEN && used < size)
			used += (size_t)snprintf(list + used, size - used, "%s%s", used ? " " : "",
						 check_info[id].name);
	if (!used)
		snprintf(list, size, "none");
}

static void check_sample(const char *name)
{
	char expected[512] = "", found[512];
	char what[160] = "";
	unsigned line = 0;
	size_t size;
	const char *text = read_sample(name, &size);
	bool read = dump_read(&dump, &error, text, size, 1);

	EXPECT(sscanf(text, "# expect: %511[^\n]", expected) == 1);
	if (sscanf(expected, "error %u %159[^\n]", &line, what) == 2) {
		if (read || error.line != line || !strstr(error.what, what))
			test_fail(DUMPS, (int)error.line, "%s: %s", name, error.what);
		return;
	}
	if (!read) {
		test_fail(DUMPS, (int)error.line, "%s: %s", name, error.what);
		return;
	}
	judge(verdicts, &dump, &processor);
	list_broken(found, sizeof(found));
	if (strcmp(found, expected) != 0)
		test_fail(DUMPS, 0, "%s: found %s, expected %s", name, found, expected);
}

TEST(vmcs_check_samples)
{
	DIR *dir = opendir(DUMPS);
	unsigned count = 0;

	EXPECT(processor_by_name(&processor, "skylake"));
	for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir))
		if (entry->d_name[0] != '.') {
			check_sample(entry->d_name);
			count++;
		}
	if (dir)
		closedir(dir);
	EXPECT(count >= 18);
}

/* --- verdicts --- */

/* All of an entry, written as Nestling writes it, read, and judged: exactly this rule is broken. */
void vmcs_check_names(const struct entry *e, enum check_id only, const char *file, int line)
{
	static char text[CHECK_INPUTS * 64];
	size_t used = 0;

	processor = (struct processor){.caps = e->caps,
				       .efer_valid = e->in.efer_valid,
				       .debugctl_valid = e->in.debugctl_valid,
				       .perf_global_valid = e->in.perf_global_valid,
				       .rtit_ctl_valid = e->in.rtit_ctl_valid,
				       .lbr_ctl_valid = e->in.lbr_ctl_valid,
				       .rtm = e->in.rtm,
				       .sgx = e->in.sgx};
	for (unsigned i = 0; i < CHECK_INPUTS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s = %#llx\n",
					 check_input_name(i),
					 (unsigned long long)check_input_value(&e->in, i));
	if (!dump_read(&dump, &error, text, used, 1)) {
		test_fail(file, line, "the dump's line %u: %s", error.line, error.what);
		return;
	}
	judge(verdicts, &dump, &processor);
	for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++)
		if (verdicts[id] != (id == (int)only ? BROKEN : HOLDS))
			test_fail(file, line, "vmcs-check: %s is %s", check_info[id].name,
				  verdicts[id] == HOLDS ? "said to hold" : "not said to hold");
}

/* Whatever is hidden, nothing is said that the whole would not bear out. */
TEST(judge_says_no_more_than_it_knows)
{
	static struct entry e;
	u64 random = 0x9e3779b97f4a7c15;
	unsigned skipped = 0;

	processor_by_name(&processor, "skylake");
	for (unsigned round = 0; round < 600; round++) {
		void (*const bases[])(struct entry *) = {entry_64,  entry_32,   entry_pae,
							 entry_v86, entry_real, entry_host32};

		bases[round % ARRAY_LEN(bases)](&e);
		memset(&dump, 0, sizeof(dump));
		dump.v = e.v;
		dump.in = e.in;
		for (unsigned i = 0; i < CHECK_INPUTS; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			dump.known[i] = random >> 62;
			if (i < FI_COUNT && (random >> 50) % 16 == 0)
				dump.v.f[i] ^= random >> 20 &
					       field_value_mask((enum field_width)field_info[i].width);
		}
		judge(verdicts, &dump, &processor);
		for (int id = CHECK_PASSED + 1; id < CHECK_COUNT; id++) {
			bool holds = check_info[id].holds(&dump.in);

			skipped += verdicts[id] == SKIPPED;
			if (verdicts[id] == (holds ? BROKEN : HOLDS))
				test_fail(__FILE__, __LINE__, "round %u: %s is judged wrongly", round,
					  check_info[id].name);
		}
	}
	EXPECT(skipped > 10000);
}

TEST(judge_skips_what_it_can_not_know)
{
	EXPECT(processor_by_name(&processor, "skylake"));
	EXPECT(read_text("PROC_CONTROLS = 0x0401e172\nGUEST_RFLAGS = 0\nHOST_CR3 = 0x1000\n"));
	judge(verdicts, &dump, &processor);
	EXPECT_EQ(verdicts[CHECK_guest_rflags_fixed], BROKEN);
	EXPECT_EQ(verdicts[CHECK_host_cr3], HOLDS);
	EXPECT_EQ(verdicts[CHECK_io_bitmap_a_aligned], HOLDS); /* the control is 0 */
	EXPECT_EQ(verdicts[CHECK_vpid_zero], HOLDS); /* secondary controls are not active */
	EXPECT_EQ(verdicts[CHECK_pin_reserved], SKIPPED);
	EXPECT_EQ(verdicts[CHECK_guest_link_aligned], SKIPPED);
	EXPECT_EQ(verdicts[CHECK_exit_msr_store_end], SKIPPED);
	EXPECT_EQ(verdicts[CHECK_guest_cr3], SKIPPED);
}

/* --- capability MSRs --- */

static bool read_caps(const char *text)
{
	EXPECT(processor_by_name(&processor, "skylake"));
	return processor_read(&processor, &error, text, strlen(text));
}

static u64 msr(u32 number)
{
	return processor.caps.msr[number - CAPS_MSR_FIRST];
}

TEST(caps_text_forms)
{
	EXPECT(read_caps(
		"# 0x480 = 1\n0x480 = 0xda040000000012\n481: 7f00000016\n0x48b 0x0015fbcff00000000\n"
		"IA32_VMX_MISC: 0x7004c1e5\n00:00:04.8 HM: MSR_IA32_VMX_CR4_FIXED1           = 0x1767ff\n"
		"address sizes\t: 46 bits physical, 57 bits virtual\nother text 5\n"));
	EXPECT_EQ(msr(MSR_IA32_VMX_BASIC), 0xda040000000012);
	EXPECT_EQ(processor.caps.revision, 0x12);
	EXPECT_EQ(msr(MSR_IA32_VMX_PINBASED_CTLS), 0x7f00000016);
	EXPECT_EQ(msr(MSR_IA32_VMX_PROCBASED_CTLS2), 0x0015fbcff00000000);
	EXPECT_EQ(processor.caps.misc, 0x7004c1e5);
	EXPECT_EQ(processor.caps.cr4_fixed1, 0x1767ff);
	EXPECT_EQ(processor.caps.maxphyaddr, 46);
	EXPECT_EQ(processor.caps.linear_bits, 57);
}

TEST(caps_text_of_nestling)
{
	EXPECT(read_caps(
		"nestling: 0x485: 0x7004c1e5\nnestling: address sizes: 40 bits physical, 48 bits virtual\n"
		"nestling: efer_valid: 0x501\nnestling: debugctl_valid: 0x3\nnestling: rtm: 1\n"
		"nestling: sgx: 0\nnestling: entry 3: MSR 0x486=0x20\n"));
	EXPECT_EQ(processor.caps.misc, 0x7004c1e5);
	EXPECT_EQ(processor.caps.maxphyaddr, 40);
	EXPECT_EQ(processor.caps.cr0_fixed0, 0x80000021);
	EXPECT_EQ(processor.efer_valid, 0x501);
	EXPECT_EQ(processor.debugctl_valid, 3);
	EXPECT(processor.rtm && !processor.sgx);
}

TEST(caps_text_broken)
{
	EXPECT(!read_caps("rtm: 2\n"));
	EXPECT(!read_caps("0x480: 1\nefer_valid: what\n"));
	EXPECT_EQ(error.line, 2);
	EXPECT(!read_caps("nothing\n"));
	EXPECT_EQ(error.line, 0);
	EXPECT(!read_caps("\n0x480 = what\n"));
	EXPECT_EQ(error.line, 2);
	EXPECT(!read_caps("0x480 = 0x10000000000000000\n"));
	EXPECT_EQ(error.line, 1);
	EXPECT(!read_caps("address sizes : 99 bits physical, 48 bits virtual\n"));
	EXPECT(!read_caps("address sizes : 39 bits physical, 47 bits virtual\n"));
	EXPECT(!read_caps("0x47f = 0x1\n0x494 = 0x1\n"));
}

/* The built-in ones are consistent in themselves: must-be-1 may be 1, and fixed bits agree. */
TEST(caps_profiles)
{
	const char *name, *about;
	unsigned count = 0;

	for (; processor_profile(count, &name, &about); count++) {
		EXPECT(processor_by_name(&processor, name));
		for (unsigned word = 0; word < CONTROL_WORDS; word++)
			EXPECT_EQ(processor.caps.ctl[word].must_be_1 & ~processor.caps.ctl[word].may_be_1,
				  0);
		EXPECT_EQ(processor.caps.cr0_fixed0 & ~processor.caps.cr0_fixed1, 0);
		EXPECT_EQ(processor.caps.cr4_fixed0 & ~processor.caps.cr4_fixed1, 0);
		EXPECT(*about);
	}
	EXPECT(count >= 2);
	EXPECT(!processor_by_name(&processor, "sky"));
}
