#include "guest/lib/l2.h"

#include "guest/lib/memory.h"
#include "guest/lib/selectors.h"
#include "vmx/msr.h"

/* Access rights of usable segments. SDM: "Guest Register State". */
#define AR_DATA 0x93
#define AR_CODE 0x9b
#define AR_BUSY_TSS 0x8b

#define SIZE_4M 0x400000ull

void l2_set_controls(enum kind kind, u64 eptp)
{
	u32 proc2 = (eptp ? PROC2_ENABLE_EPT : 0) | (kind == REAL_MODE ? PROC2_UNRESTRICTED_GUEST : 0);

	VMCS_SET({VMCS_PIN_CONTROLS, vmx_controls(PIN, 0)},
		 {VMCS_PROC_CONTROLS, vmx_controls(PROC, proc2 ? PROC_ACTIVATE_SECONDARY : 0)},
		 {VMCS_EXIT_CONTROLS, vmx_controls(EXIT, EXIT_HOST_ADDRESS_SPACE_SIZE)},
		 {VMCS_ENTRY_CONTROLS, vmx_controls(ENTRY, kind == LONG_64 ? ENTRY_IA32E_MODE_GUEST : 0)},
		 {VMCS_EXCEPTION_BITMAP, 0}, {VMCS_PFEC_MASK, 0}, {VMCS_PFEC_MATCH, 0},
		 {VMCS_CR3_TARGET_COUNT, 0}, {VMCS_EXIT_MSR_STORE_COUNT, 0},
		 {VMCS_EXIT_MSR_LOAD_COUNT, 0}, {VMCS_ENTRY_MSR_LOAD_COUNT, 0},
		 {VMCS_ENTRY_INTERRUPTION_INFO, 0}, {VMCS_CR0_MASK, 0}, {VMCS_CR4_MASK, 0},
		 {VMCS_CR0_READ_SHADOW, 0}, {VMCS_CR4_READ_SHADOW, 0});
	if (proc2)
		vmcs_set(VMCS_PROC2_CONTROLS, vmx_controls(PROC2, proc2));
	if (eptp)
		vmcs_set(VMCS_EPT_POINTER, eptp);
}

static void set_control_registers(enum kind kind, u64 cr3)
{
	u64 cr0 = rdmsr(MSR_IA32_VMX_CR0_FIXED0) | CR0_ET | CR0_PE | CR0_PG;
	u64 cr4 = rdmsr(MSR_IA32_VMX_CR4_FIXED0);

	if (kind == REAL_MODE)
		cr0 &= ~(CR0_PE | CR0_PG);
	cr4 |= kind == PAGED_32 ? CR4_PSE : kind == REAL_MODE ? 0 : CR4_PAE;
	VMCS_SET({VMCS_GUEST_CR0, cr0}, {VMCS_GUEST_CR3, cr3}, {VMCS_GUEST_CR4, cr4});
}

/* The fields of a segment register lie 2 apart, in the order of enum segment. */
static void set_segment(enum segment s, u16 selector, u32 limit, u32 access)
{
	VMCS_SET({(enum vmcs_field)(VMCS_GUEST_ES_SELECTOR + 2 * s), selector},
		 {(enum vmcs_field)(VMCS_GUEST_ES_BASE + 2 * s), 0},
		 {(enum vmcs_field)(VMCS_GUEST_ES_LIMIT + 2 * s), limit},
		 {(enum vmcs_field)(VMCS_GUEST_ES_AR + 2 * s), access});
}

static void set_segments(enum kind kind)
{
	bool real = kind == REAL_MODE, wide = kind == LONG_64;
	u16 code = real ? 0 : wide ? SEL_CODE64 : SEL_CODE32;
	u16 data = real ? 0 : SEL_DATA;
	u32 limit = real ? 0xffff : 0xffffffff;
	u32 data_access = AR_DATA | (real ? 0 : AR_G | AR_DB);

	set_segment(SEG_CS, code, limit, AR_CODE | (real ? 0 : wide ? AR_G | AR_L : AR_G | AR_DB));
	set_segment(SEG_SS, data, limit, data_access);
	set_segment(SEG_DS, data, limit, data_access);
	set_segment(SEG_ES, data, limit, data_access);
	set_segment(SEG_FS, data, limit, data_access);
	set_segment(SEG_GS, data, limit, data_access);
	set_segment(SEG_LDTR, 0, 0, AR_UNUSABLE);
	set_segment(SEG_TR, 0, 0x67, AR_BUSY_TSS);
}

/* SDM: "Guest Page-Directory-Pointer-Table Entries": with EPT an entry does not read them from memory. */
static void set_pdptes(const u64 *pdpte)
{
	VMCS_SET({VMCS_GUEST_PDPTE0, pdpte[0]}, {VMCS_GUEST_PDPTE1, pdpte[1]},
		 {VMCS_GUEST_PDPTE2, pdpte[2]}, {VMCS_GUEST_PDPTE3, pdpte[3]});
}

void l2_set_registers(enum kind kind, u64 cr3, bool ept)
{
	set_control_registers(kind, cr3);
	set_segments(kind);
	if (kind == PAE_32 && ept)
		set_pdptes((const u64 *)cr3);
	VMCS_SET({VMCS_GUEST_GDTR_BASE, read_gdtr().base}, {VMCS_GUEST_GDTR_LIMIT, read_gdtr().limit},
		 {VMCS_GUEST_IDTR_BASE, 0}, {VMCS_GUEST_IDTR_LIMIT, 0}, {VMCS_GUEST_RIP, 0},
		 {VMCS_GUEST_RSP, 0}, {VMCS_GUEST_RFLAGS, RFLAGS_FIXED1}, {VMCS_GUEST_DR7, DR7_INIT},
		 {VMCS_GUEST_IA32_DEBUGCTL, 0}, {VMCS_GUEST_SYSENTER_CS, 0}, {VMCS_GUEST_SYSENTER_ESP, 0},
		 {VMCS_GUEST_SYSENTER_EIP, 0}, {VMCS_GUEST_PENDING_DEBUG, 0},
		 {VMCS_GUEST_INTERRUPTIBILITY, 0}, {VMCS_GUEST_ACTIVITY_STATE, ACTIVE},
		 {VMCS_VMCS_LINK_POINTER, ~0ull});
}

u32 *l2_page_directory_32(void)
{
	u32 *directory = page_alloc();

	for (u64 i = 0; i < 1024; i++)
		directory[i] = (u32)(i * SIZE_4M | PTE_PS | PTE_W | PTE_P);
	return directory;
}
