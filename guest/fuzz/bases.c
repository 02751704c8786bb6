#include "guest/fuzz/fuzz.h"

#include "guest/lib/console.h"
#include "guest/lib/l2.h"
#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "vmx/msr.h"

extern const char fuzz_exit[];
extern u64 fuzz_saved_stack;

struct base bases[BASES_MAX];
unsigned base_count;
bool field_known[FI_COUNT];

#define PAT_DEFAULT 0x0007040600070406
#define INJECT_GP (INTR_VALID | INTR_ERROR_CODE_VALID | INTR_HW_EXCEPTION << 8 | VEC_GP)
#define INJECT_INTERRUPT (INTR_VALID | INTR_EXTERNAL << 8 | 0x20)
#define INJECT_NMI (INTR_VALID | INTR_NMI << 8 | VEC_NMI)
#define AR_V86 0xf3

/* What a base has beside its mode. */
enum {
	WITH_EPT = 1,
	WITH_VPID = 2,
	WITH_GP = 4, /* events to inject */
	WITH_INTERRUPT = 8,
	WITH_NMI = 16,
	WITH_TPR = 32,
	WITH_APICV = 64,
	WITH_MSRS = 128,
	WITH_LOADS = 256, /* every "load" and "save" control */
	WITH_V86 = 512,
	WITH_WINDOWS = 1024, /* virtual NMIs, interrupt and NMI windows */
	WITH_BITMAPS = 2048,
	WITH_UNPAGED = 4096, /* protected mode without paging, as an unrestricted guest */
	WITH_X2APIC = 8192,
	WITH_NO_TIMER = 16384, /* its first instruction is run */
};

static const struct recipe {
	const char *name;
	enum kind kind;
	unsigned with;
} recipes[] = {
	{"64", LONG_64, 0},
	{"64 ept", LONG_64, WITH_EPT | WITH_VPID},
	{"64 runs", LONG_64, WITH_NO_TIMER},
	{"64 ept runs", LONG_64, WITH_NO_TIMER | WITH_EPT},
	{"64 ept #GP", LONG_64, WITH_EPT | WITH_GP},
	{"64 ept interrupt", LONG_64, WITH_EPT | WITH_INTERRUPT},
	{"64 NMI", LONG_64, WITH_NMI | WITH_VPID},
	{"64 loads", LONG_64, WITH_LOADS | WITH_VPID},
	{"64 loads ept", LONG_64, WITH_LOADS | WITH_EPT | WITH_BITMAPS},
	{"64 msrs", LONG_64, WITH_MSRS | WITH_LOADS},
	{"64 tpr", LONG_64, WITH_TPR | WITH_BITMAPS},
	{"64 x2apic", LONG_64, WITH_TPR | WITH_X2APIC},
	{"64 apicv", LONG_64, WITH_TPR | WITH_APICV | WITH_EPT},
	{"64 windows", LONG_64, WITH_WINDOWS},
	{"pae", PAE_32, 0},
	{"pae ept", PAE_32, WITH_EPT | WITH_LOADS},
	{"pae ept #GP", PAE_32, WITH_EPT | WITH_GP},
	{"32", PAGED_32, WITH_LOADS},
	{"32 ept interrupt", PAGED_32, WITH_EPT | WITH_INTERRUPT},
	{"v86", PAGED_32, WITH_V86},
	{"v86 ept #GP", PAGED_32, WITH_V86 | WITH_EPT | WITH_GP},
	{"real", REAL_MODE, WITH_EPT},
	{"real interrupt", REAL_MODE, WITH_EPT | WITH_INTERRUPT | WITH_VPID},
	{"unpaged", PAGED_32, WITH_EPT | WITH_UNPAGED},
};
_Static_assert(ARRAY_LEN(recipes) <= BASES_MAX, "there is room for every base");

u32 hidden_controls[CONTROL_WORDS];

static void hidden_init(void)
{
	for (int i = CI_ALWAYS + 1; i < CI_COUNT; i++)
		if (!control_info[i].offered)
			hidden_controls[control_info[i].word] |= 1u << control_info[i].bit;
}

static bool can(enum control_word word, u32 controls)
{
	return vmx_allows(word, controls) && !(controls & hidden_controls[word]);
}

static void fields_init(void)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		const struct control_info *c = &control_info[field_info[i].control];
		u64 value = 0;
		struct trap t = vmread(field_info[i].encoding, &value);
		bool always = field_info[i].control == CI_ALWAYS;
		field_known[i] = t.vector == NO_EXCEPTION && !(t.rflags & (RFLAGS_CF | RFLAGS_ZF)) &&
				 (always || can((enum control_word)c->word, 1u << c->bit));
	}
}

/* A field of some processors only. */
static void set_known(enum field_index i, u64 value)
{
	if (field_known[i])
		vmcs_set(field_info[i].encoding, value);
}

static void set_all_to_0(void)
{
	for (unsigned i = 0; i < FI_COUNT; i++)
		if (field_info[i].group != RO)
			set_known((enum field_index)i, 0);
}

static void add(enum vmcs_field field, u64 bits)
{
	vmcs_set(field, vmcs_get(field) | bits);
}

static void set_host(void)
{
	vmcs_set_host();
	VMCS_SET({VMCS_HOST_RIP, (u64)fuzz_exit}, {VMCS_HOST_RSP, (u64)&fuzz_saved_stack});
	set_known(FI_HOST_IA32_PAT, rdmsr(MSR_IA32_PAT));
	set_known(FI_HOST_IA32_EFER, rdmsr(MSR_IA32_EFER));
}

/* Addresses are good ones everywhere, whatever uses them. */
static void set_addresses(void)
{
	static const enum field_index scratch[] = {
		FI_IO_BITMAP_A,     FI_IO_BITMAP_B,       FI_MSR_BITMAP,    FI_APIC_ACCESS_ADDRESS,
		FI_PML_ADDRESS,     FI_PI_DESC_ADDRESS,   FI_VMREAD_BITMAP, FI_VMWRITE_BITMAP,
		FI_VE_INFO_ADDRESS, FI_EPTP_LIST_ADDRESS,
	};

	for (unsigned i = 0; i < ARRAY_LEN(scratch); i++)
		set_known(scratch[i], arena.scratch + PAGE_SIZE);
	set_known(FI_VIRTUAL_APIC_ADDRESS, arena.scratch);
	set_known(FI_EPT_POINTER, arena.eptp);
	set_known(FI_VPID, 1);
	set_known(FI_TSC_MULTIPLIER, BIT(48));
	VMCS_SET({VMCS_ENTRY_MSR_LOAD_ADDR, (u64)arena.entry_msrs},
		 {VMCS_EXIT_MSR_LOAD_ADDR, (u64)arena.exit_msrs},
		 {VMCS_EXIT_MSR_STORE_ADDR, (u64)arena.store_msrs});
}

/* An exit before the first instruction, or at it; and of every exception. */
static void set_controls(const struct recipe *r)
{
	bool timer = !(r->with & WITH_NO_TIMER);

	l2_set_controls(r->kind, r->with & WITH_EPT ? arena.eptp : 0);
	add(VMCS_PIN_CONTROLS, timer ? PIN_ACTIVATE_PREEMPTION_TIMER : 0);
	add(VMCS_PROC_CONTROLS, PROC_HLT_EXITING | PROC_UNCONDITIONAL_IO_EXITING);
	VMCS_SET({VMCS_EXCEPTION_BITMAP, 0xffffffff});
}

static void set_secondary(u32 controls)
{
	u64 before = vmcs_get(VMCS_PROC_CONTROLS) & PROC_ACTIVATE_SECONDARY ?
			     vmcs_get(VMCS_PROC2_CONTROLS) :
			     0;

	add(VMCS_PROC_CONTROLS, PROC_ACTIVATE_SECONDARY);
	vmcs_set(VMCS_PROC2_CONTROLS, before | controls);
}

static u64 cr3_of(enum kind kind)
{
	return kind == LONG_64 ? arena.cr3_64 : kind == PAE_32 ? arena.cr3_pae : arena.cr3_32;
}

static void set_v86_segment(enum segment s, u64 base)
{
	VMCS_SET({(enum vmcs_field)(VMCS_GUEST_ES_SELECTOR + 2 * s), base >> 4 & 0xffff},
		 {(enum vmcs_field)(VMCS_GUEST_ES_BASE + 2 * s), base & 0xffff0},
		 {(enum vmcs_field)(VMCS_GUEST_ES_LIMIT + 2 * s), 0xffff},
		 {(enum vmcs_field)(VMCS_GUEST_ES_AR + 2 * s), AR_V86});
}

static void set_mode(const struct recipe *r)
{
	bool real = r->kind == REAL_MODE;

	if (r->with & WITH_V86) {
		for (int s = SEG_ES; s <= SEG_GS; s++)
			set_v86_segment((enum segment)s, 0x10000);
		VMCS_SET({VMCS_GUEST_RFLAGS, RFLAGS_FIXED1 | RFLAGS_VM});
	}
	if (r->with & WITH_UNPAGED) {
		VMCS_SET({VMCS_GUEST_CR0, vmcs_get(VMCS_GUEST_CR0) & ~CR0_PG});
		set_secondary(PROC2_UNRESTRICTED_GUEST);
	}
	if (real)
		VMCS_SET({VMCS_GUEST_CS_BASE, arena.code},
			 {VMCS_GUEST_SS_BASE, arena.stack_top - PAGE_SIZE}, {VMCS_GUEST_RIP, 0},
			 {VMCS_GUEST_RSP, PAGE_SIZE});
}

static void set_registers(const struct recipe *r)
{
	u64 idt = r->kind == LONG_64 ? arena.idt_64 : r->kind == REAL_MODE ? arena.ivt : arena.idt_32;
	u64 limit = r->kind == LONG_64 ? 0xfff : r->kind == REAL_MODE ? 0x3ff : 0x7ff;

	l2_set_registers(r->kind, cr3_of(r->kind), r->with & WITH_EPT);
	/* Without EPT nothing may be delivered: what it writes, and where, is the mutations' choice. */
	VMCS_SET({VMCS_GUEST_RIP, arena.code}, {VMCS_GUEST_RSP, arena.stack_top},
		 {VMCS_GUEST_GDTR_BASE, arena.gdt}, {VMCS_GUEST_GDTR_LIMIT, GDT_LIMIT},
		 {VMCS_GUEST_TR_BASE, arena.tss}, {VMCS_GUEST_IDTR_BASE, idt},
		 {VMCS_GUEST_IDTR_LIMIT, r->with & WITH_EPT ? limit : 0});
	set_known(FI_GUEST_IA32_PAT, PAT_DEFAULT);
	set_known(FI_GUEST_IA32_EFER, r->kind == LONG_64 ? EFER_LMA | EFER_LME : 0);
	set_mode(r);
}

static void set_events(unsigned with)
{
	if (with & WITH_GP)
		VMCS_SET({VMCS_ENTRY_INTERRUPTION_INFO, INJECT_GP});
	if (with & WITH_INTERRUPT) {
		VMCS_SET({VMCS_ENTRY_INTERRUPTION_INFO, INJECT_INTERRUPT});
		add(VMCS_GUEST_RFLAGS, RFLAGS_IF);
	}
	if (with & WITH_NMI)
		VMCS_SET({VMCS_ENTRY_INTERRUPTION_INFO, INJECT_NMI});
	if (with & WITH_WINDOWS) {
		add(VMCS_PIN_CONTROLS,
		    PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_EXTERNAL_INTERRUPT_EXITING);
		add(VMCS_PROC_CONTROLS, PROC_INTERRUPT_WINDOW_EXITING | PROC_NMI_WINDOW_EXITING);
		VMCS_SET({VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_NMI});
	}
}

static void set_extras(unsigned with)
{
	if (with & WITH_VPID)
		set_secondary(PROC2_ENABLE_VPID);
	if (with & WITH_TPR)
		add(VMCS_PROC_CONTROLS, PROC_USE_TPR_SHADOW);
	if (with & WITH_X2APIC)
		set_secondary(PROC2_VIRTUALIZE_X2APIC_MODE);
	if (with & WITH_APICV) {
		add(VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT_EXITING);
		set_secondary(PROC2_VIRTUALIZE_APIC_ACCESSES | PROC2_APIC_REGISTER_VIRTUALIZATION |
			      PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	}
	if (with & WITH_BITMAPS)
		add(VMCS_PROC_CONTROLS, PROC_USE_IO_BITMAPS | PROC_USE_MSR_BITMAPS);
	if (with & WITH_MSRS)
		VMCS_SET({VMCS_ENTRY_MSR_LOAD_COUNT, MSR_SLOTS}, {VMCS_EXIT_MSR_LOAD_COUNT, MSR_SLOTS},
			 {VMCS_EXIT_MSR_STORE_COUNT, MSR_SLOTS});
	if (with & WITH_LOADS) {
		add(VMCS_ENTRY_CONTROLS,
		    ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER);
		add(VMCS_EXIT_CONTROLS, EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_IA32_PAT |
						EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER |
						EXIT_LOAD_IA32_EFER | EXIT_SAVE_PREEMPTION_TIMER);
	}
}

static bool words_allowed(void)
{
	bool secondary = vmcs_get(VMCS_PROC_CONTROLS) & PROC_ACTIVATE_SECONDARY;

	return vmx_allows(PIN, (u32)vmcs_get(VMCS_PIN_CONTROLS)) &&
	       vmx_allows(PROC, (u32)vmcs_get(VMCS_PROC_CONTROLS)) &&
	       vmx_allows(EXIT, (u32)vmcs_get(VMCS_EXIT_CONTROLS)) &&
	       vmx_allows(ENTRY, (u32)vmcs_get(VMCS_ENTRY_CONTROLS)) &&
	       (!secondary || vmx_allows(PROC2, (u32)vmcs_get(VMCS_PROC2_CONTROLS)));
}

static void read_image(struct base *b)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		b->image.f[i] = field_known[i] ? vmcs_get(field_info[i].encoding) : 0;
	}
}

/* A base that cannot be entered would test nothing. */
static void try(struct base *b)
{
	u64 flags, failed = fuzz_enter(false, &flags);
	u64 reason = vmcs_get(VMCS_EXIT_REASON);

	b->launched = !failed && !(reason & EXIT_REASON_ENTRY_FAILURE);
	if (b->launched)
		print("base %s: exit %lu\n", b->name, reason);
	else
		print("FAIL base %s: failed %lu, error %lu, reason 0x%lx\n", b->name, failed,
		      vmcs_get(VMCS_VM_INSTRUCTION_ERROR), reason);
}

/* The fields that an entry or its exit changed. */
static void put_back(struct base *b)
{
	for (unsigned i = 0; i < FI_COUNT; i++) {
		if (field_info[i].group != RO)
			set_known((enum field_index)i, b->image.f[i]);
		else if (field_known[i])
			b->seen[i] = vmcs_get(field_info[i].encoding);
	}
	b->seen_all = true;
}

static void make(const struct recipe *r, void *region)
{
	struct base *b = &bases[base_count];

	*b = (struct base){.name = r->name, .region = region};
	vmcs_load(b->region);
	set_all_to_0();
	set_addresses();
	set_controls(r);
	set_registers(r);
	set_events(r->with);
	set_extras(r->with);
	set_host();
	if (!words_allowed())
		return;
	read_image(b);
	try(b);
	put_back(b);
	arena_reset();
	base_count++;
}

void bases_init(void)
{
	vmcs_load(vmcs_alloc());
	hidden_init();
	fields_init();
	for (unsigned i = 0; i < ARRAY_LEN(recipes); i++)
		make(&recipes[i], vmcs_alloc());
}
