#include "entry.h"

#include "machine.h"
#include "nested/check_report.h"

#define AR_CODE64 0xa09bu
#define AR_CODE32 0xc09bu
#define AR_CODE16 0x9bu
#define AR_DATA32 0xc093u
#define AR_DATA16 0x93u
#define AR_V86 0xf3u
#define AR_TSS 0x8bu

#define PAT_INIT 0x0007040600070406ull
#define EFER_ALL (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

static const enum segment code_and_data[] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};

static void segment(struct entry *e, enum segment s, u64 selector, u64 base, u64 limit, u64 ar)
{
	e->v.f[FI_GUEST_ES_SELECTOR + s] = selector;
	e->v.f[FI_GUEST_ES_BASE + s] = base;
	e->v.f[FI_GUEST_ES_LIMIT + s] = limit;
	e->v.f[FI_GUEST_ES_AR + s] = ar;
}

static void controls_of(struct entry *e)
{
	e->v.pin_controls = e->caps.ctl[PIN].must_be_1;
	e->v.proc_controls = e->caps.ctl[PROC].must_be_1;
	e->v.proc2_controls = e->caps.ctl[PROC2].must_be_1;
	e->v.exit_controls = e->caps.ctl[EXIT].must_be_1;
	e->v.entry_controls = e->caps.ctl[ENTRY].must_be_1;
	on(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	on(e, CI_ENTRY_IA32E_MODE_GUEST);
	on(e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
}

static void host_of(struct vmcs12 *v)
{
	v->host_cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	v->host_cr3 = 0x1000;
	v->host_cr4 = CR4_PAE | CR4_VMXE;
	v->host_ia32_pat = PAT_INIT;
	v->host_ia32_efer = EFER_ALL;
	v->host_cs_selector = 0x8;
	v->host_ss_selector = 0x10;
	v->host_ds_selector = 0x10;
	v->host_es_selector = 0x10;
	v->host_fs_selector = 0x10;
	v->host_gs_selector = 0x10;
	v->host_tr_selector = 0x18;
	v->host_rip = 0x100000;
	v->host_rsp = 0x200000;
}

static void guest_of(struct entry *e)
{
	struct vmcs12 *v = &e->v;

	v->guest_cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	v->guest_cr3 = 0x2000;
	v->guest_cr4 = CR4_PAE | CR4_VMXE;
	v->guest_dr7 = DR7_INIT;
	v->guest_ia32_pat = PAT_INIT;
	v->guest_ia32_efer = EFER_ALL;
	v->guest_rip = 0x300000;
	v->guest_rsp = 0x400000;
	v->guest_rflags = RFLAGS_FIXED1;
	v->guest_gdtr_limit = 0xffff;
	v->guest_idtr_limit = 0xffff;
	v->vmcs_link_pointer = ~0ull;
	for (unsigned i = 0; i < ARRAY_LEN(code_and_data); i++)
		segment(e, code_and_data[i], 0x10, 0, 0xffffffff, AR_DATA32);
	segment(e, SEG_CS, 0x8, 0, 0xffffffff, AR_CODE64);
	segment(e, SEG_TR, 0x18, 0x7000, 0x67, AR_TSS);
	segment(e, SEG_LDTR, 0, 0, 0, AR_UNUSABLE);
}

void entry_64(struct entry *e)
{
	enum check_id id = e->id;
	struct caps hw;

	*e = (struct entry){.id = id};
	machine_all(&hw);
	caps_l1(&e->caps, &hw);
	controls_of(e);
	host_of(&e->v);
	guest_of(e);
	e->in = (struct check_in){
		.v = &e->v,
		.caps = &e->caps,
		.l1_ia32e = true,
		.efer_valid = EFER_ALL,
		.debugctl_valid = BIT(0) | DEBUGCTL_BTF,
		.perf_global_valid = BITS(34, 32) | BITS(3, 0),
		.rtit_ctl_valid = BITS(17, 7) | BITS(3, 0),
		.lbr_ctl_valid = BITS(22, 16) | BITS(3, 0),
		.current_vmcs = {CURRENT_VMCS},
	};
}

void entry_32(struct entry *e)
{
	entry_64(e);
	off(e, CI_ENTRY_IA32E_MODE_GUEST);
	e->v.guest_cr4 &= ~CR4_PAE;
	e->v.guest_ia32_efer = 0;
	e->v.guest_cs_ar = AR_CODE32;
}

void entry_pae(struct entry *e)
{
	entry_32(e);
	e->v.guest_cr4 |= CR4_PAE;
}

void entry_v86(struct entry *e)
{
	entry_32(e);
	e->v.guest_rflags |= RFLAGS_VM;
	for (unsigned i = 0; i < ARRAY_LEN(code_and_data); i++)
		segment(e, code_and_data[i], 0x1230 + i, (0x1230 + i) << 4, 0xffff, AR_V86);
}

void entry_real(struct entry *e)
{
	entry_32(e);
	on(e, CI_PROC2_ENABLE_EPT);
	on(e, CI_PROC2_UNRESTRICTED_GUEST);
	e->v.ept_pointer = 0x8000 | 3 << 3 | MT_WB;
	e->v.guest_cr0 &= ~(CR0_PE | CR0_PG);
	for (unsigned i = 0; i < ARRAY_LEN(code_and_data); i++)
		segment(e, code_and_data[i], 0x1230 + i, (0x1230 + i) << 4, 0xffff, AR_DATA16);
	e->v.guest_cs_ar = AR_CODE16;
}

void entry_host32(struct entry *e)
{
	entry_32(e);
	off(e, CI_EXIT_HOST_ADDRESS_SPACE_SIZE);
	e->in.l1_ia32e = false;
	e->v.host_ia32_efer = 0;
}

static u64 *control_word(struct entry *e, enum control_index control)
{
	return &e->v.f[control_field[control_info[control].word]];
}

void on(struct entry *e, enum control_index control)
{
	const struct control_info *c = &control_info[control];

	*control_word(e, control) |= BIT(c->bit);
	e->caps.ctl[c->word].may_be_1 |= 1u << c->bit;
	if (c->word == PROC2)
		on(e, CI_PROC_ACTIVATE_SECONDARY);
	if (c->word == PROC3)
		on(e, CI_PROC_ACTIVATE_TERTIARY);
	if (c->word == EXIT2)
		on(e, CI_EXIT_ACTIVATE_SECONDARY);
}

void off(struct entry *e, enum control_index control)
{
	*control_word(e, control) &= ~BIT(control_info[control].bit);
}

void inject(struct entry *e, enum intr_type type, u32 vector, u32 more)
{
	e->v.entry_interruption_info = INTR_VALID | (u32)type << 8 | vector | more;
}

static enum check_id first_broken(const struct entry *e)
{
	enum check_id id = check_controls_and_host(&e->in);

	return id == CHECK_PASSED ? check_guest(&e->in) : id;
}

static void expect_first(const struct entry *e, enum check_id id, const char *file, int line)
{
	enum check_id first = first_broken(e);

	if (first != id)
		test_fail(file, line, "%s is reported, not %s", check_info[first].name,
			  check_info[id].name);
}

static void expect_only(const struct entry *e, enum check_id id, const char *file, int line)
{
	for (int i = CHECK_PASSED + 1; i < CHECK_COUNT; i++)
		if (check_info[i].holds(&e->in) != (i != (int)id))
			test_fail(file, line, "%s %s", check_info[i].name,
				  i == (int)id ? "does not fire" : "fires");
}

const struct check_index *entry_check_index(void)
{
	static struct check_index index;
	static bool made;

	if (!made)
		check_index_make(&index);
	made = true;
	return &index;
}

/* A legal value is there to be found for each of them, and it is one. */
static void expect_nearest(const struct entry *e, const char *file, int line)
{
	struct check_fix fix = check_nearest(&e->in, e->id, entry_check_index());
	struct vmcs12 mended = e->v;
	struct check_in in = e->in;

	in.v = &mended;
	mended.f[fix.field] = fix.value;
	if (!fix.found || !check_info[e->id].holds(&in))
		test_fail(file, line, "%s: no legal value near, but %s = %#llx", check_info[e->id].name,
			  field_info[fix.field].name, (unsigned long long)fix.value);
}

struct entry entry_samples[CHECK_COUNT];

void entry_sample(const struct entry *e)
{
	struct entry *sample = &entry_samples[e->id];

	if (sample->id != CHECK_PASSED)
		return;
	*sample = *e;
	sample->in.v = &sample->v;
	sample->in.caps = &sample->caps;
}

void entry_fires(struct entry *e, const char *file, int line)
{
	expect_only(e, e->id, file, line);
	expect_first(e, e->id, file, line);
	expect_nearest(e, file, line);
	vmcs_check_names(e, e->id, file, line);
	entry_sample(e);
}

void entry_fires_first(struct entry *e, const char *file, int line)
{
	expect_first(e, e->id, file, line);
	entry_sample(e);
}

void entry_passes(struct entry *e, const char *file, int line)
{
	expect_only(e, CHECK_PASSED, file, line);
	expect_first(e, CHECK_PASSED, file, line);
}

/* Every bit that VMX operation fixes, the wrong way round. */
void fixed_bits(struct entry *e, u64 *value, u64 fixed0, u64 fixed1)
{
	const u64 right = *value;

	for (unsigned bit = 0; bit < 64; bit++) {
		*value = right ^ BIT(bit);
		if ((fixed0 | ~fixed1) >> bit & 1)
			FIRES_FIRST(e);
	}
	*value = right;
	PASSES(e);
}

/* An address that has to be canonical, with 48 and with 57 bits. */
void canonical_address(struct entry *e, u64 *address)
{
	*address = BIT(47);
	FIRES(e);
	*address = 0xffff7fffffffffff;
	FIRES(e);
	*address = BIT(63);
	FIRES(e);
	*address = BIT(47) - 1;
	PASSES(e);
	*address = 0xffff800000000000;
	PASSES(e);
	e->caps.linear_bits = 57;
	*address = BIT(47);
	PASSES(e);
	*address = BIT(56);
	FIRES(e);
}

void memory_types(struct entry *e, u64 *pat)
{
	for (unsigned byte = 0; byte < 8; byte++)
		for (u64 type = 0; type < 256; type++) {
			*pat = type << 8 * byte;
			if (type <= 1 || (type >= 4 && type <= 7))
				PASSES(e);
			else
				FIRES(e);
		}
}
