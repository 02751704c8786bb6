#include "guest/fuzz/record.h"
#include "guest/lib/asm.h"
#include "vmx/msr.h"

#define MSR_IA32_STAR 0xc0000081
#define MSR_IA32_LSTAR 0xc0000082
#define MSR_IA32_CSTAR 0xc0000083
#define MSR_IA32_FMASK 0xc0000084

enum l1_register {
	L1_CR0,
	L1_CR3,
	L1_CR4,
	L1_DR6,
	L1_DR7,
	L1_ES,
	L1_CS,
	L1_SS,
	L1_DS,
	L1_FS,
	L1_GS,
	L1_TR,
	L1_LDTR,
	L1_GDTR_BASE,
	L1_GDTR_LIMIT,
	L1_IDTR_BASE,
	L1_IDTR_LIMIT,
	L1_MSRS, /* from here those of l1_msrs */
};

static const u32 l1_msrs[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_IA32_PAT,
	MSR_IA32_EFER,        MSR_IA32_FS_BASE,      MSR_IA32_GS_BASE,      MSR_IA32_KERNEL_GS_BASE,
	MSR_IA32_STAR,        MSR_IA32_LSTAR,        MSR_IA32_CSTAR,        MSR_IA32_FMASK,
};
static const char *const l1_names[] = {
	"CR0",       "CR3",        "CR4",         "DR6",          "DR7",
	"ES",        "CS",         "SS",          "DS",           "FS",
	"GS",        "TR",         "LDTR",        "GDTR base",    "GDTR limit",
	"IDTR base", "IDTR limit", "SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP",
	"PAT",       "EFER",       "FS_BASE",     "GS_BASE",      "KERNEL_GS_BASE",
	"STAR",      "LSTAR",      "CSTAR",       "FMASK",
};
#define L1_COUNT (L1_MSRS + ARRAY_LEN(l1_msrs))
_Static_assert(ARRAY_LEN(l1_names) == L1_COUNT, "every register has a name");

struct l1_state {
	u64 r[L1_COUNT];
};

static struct l1_state l1_before;

static void l1_read(struct l1_state *s)
{
	struct table_pointer gdtr = read_gdtr(), idtr = read_idtr();

	*s = (struct l1_state){.r = {
				       [L1_CR0] = read_cr0(),
				       [L1_CR3] = read_cr3(),
				       [L1_CR4] = read_cr4(),
				       [L1_DR6] = read_dr6(),
				       [L1_DR7] = read_dr7(),
				       [L1_ES] = read_es(),
				       [L1_CS] = read_cs(),
				       [L1_SS] = read_ss(),
				       [L1_DS] = read_ds(),
				       [L1_FS] = read_fs(),
				       [L1_GS] = read_gs(),
				       [L1_TR] = read_tr(),
				       [L1_LDTR] = read_ldtr(),
				       [L1_GDTR_BASE] = gdtr.base,
				       [L1_GDTR_LIMIT] = gdtr.limit,
				       [L1_IDTR_BASE] = idtr.base,
				       [L1_IDTR_LIMIT] = idtr.limit,
			       }};
	for (unsigned i = 0; i < ARRAY_LEN(l1_msrs); i++)
		s->r[L1_MSRS + i] = rdmsr(l1_msrs[i]);
}

/* Selectors come back with the next exit that loads good ones; a failing entry would see these. */
static void l1_restore(const struct l1_state *now)
{
	const u64 *want = l1_before.r, *have = now->r;

	if (have[L1_CR0] != want[L1_CR0])
		write_cr0(want[L1_CR0]);
	if (have[L1_CR4] != want[L1_CR4])
		write_cr4(want[L1_CR4]);
	if (have[L1_CR3] != want[L1_CR3])
		write_cr3(want[L1_CR3]);
	if (have[L1_DR6] != want[L1_DR6])
		write_dr6(want[L1_DR6]);
	if (have[L1_ES] != want[L1_ES])
		write_es((u16)want[L1_ES]);
	if (have[L1_SS] != want[L1_SS])
		write_ss((u16)want[L1_SS]);
	if (have[L1_DS] != want[L1_DS])
		write_ds((u16)want[L1_DS]);
	if (have[L1_FS] != want[L1_FS])
		write_fs((u16)want[L1_FS]);
	if (have[L1_GS] != want[L1_GS])
		write_gs((u16)want[L1_GS]);
	for (unsigned i = 0; i < ARRAY_LEN(l1_msrs); i++)
		if (rdmsr(l1_msrs[i]) != want[L1_MSRS + i])
			wrmsr(l1_msrs[i], want[L1_MSRS + i]);
}

void l1_state_record(struct record *r)
{
	struct l1_state now;
	bool differs = false;

	l1_read(&now);
	for (unsigned i = 0; i < L1_COUNT; i++) {
		if (now.r[i] == l1_before.r[i])
			continue;
		record_put(r, l1_names[i], now.r[i]);
		differs = true;
	}
	if (differs)
		l1_restore(&now);
}

void l1_state_init(void)
{
	write_dr6(DR6_INIT);
	l1_read(&l1_before);
}
