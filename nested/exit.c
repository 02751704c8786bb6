#include "nested/exit.h"

/* SDM: "Saving Control Registers, Debug Registers, and MSRs". */
static void saved_by_controls(struct field_set *saved, const struct vmcs12 *v)
{
	if (v->exit_controls & EXIT_SAVE_DEBUG_CONTROLS) {
		field_set_add(saved, FI_GUEST_DR7);
		field_set_add(saved, FI_GUEST_IA32_DEBUGCTL);
	}
	if (v->exit_controls & EXIT_SAVE_IA32_PAT)
		field_set_add(saved, FI_GUEST_IA32_PAT);
	if (v->exit_controls & EXIT_SAVE_IA32_EFER)
		field_set_add(saved, FI_GUEST_IA32_EFER);
	if (v->exit_controls & EXIT_SAVE_PREEMPTION_TIMER)
		field_set_add(saved, FI_PREEMPTION_TIMER_VALUE);
}

void exit_saved_fields(struct field_set *saved, const struct vmcs12 *v)
{
	*saved = (struct field_set){{0}};
	for (int i = 0; i < FI_COUNT; i++)
		if (field_info[i].group == GUEST && field_info[i].merge == COPY)
			field_set_add(saved, (enum field_index)i);
	field_set_add(saved, FI_ENTRY_CONTROLS);
	saved_by_controls(saved, v);
	for (int i = FI_GUEST_PDPTE0; v12_proc2(v, PROC2_ENABLE_EPT) && i <= FI_GUEST_PDPTE3; i++)
		field_set_add(saved, (enum field_index)i);
}

static bool is_double_fault(const struct exit_record *r)
{
	return r->reason == EXIT_REASON_EXCEPTION_NMI && (r->intr_info & INTR_VALID) &&
	       INTR_TYPE(r->intr_info) == INTR_HW_EXCEPTION && (r->intr_info & INTR_VECTOR) == VEC_DF;
}

/*
 * An exit for a double or triple fault is not one "during event delivery", though it began as one
 * (R48, R49). SDM: "Information for VM Exits That Occur During Event Delivery".
 */
static u32 vectoring_info(const struct exit_record *r)
{
	bool none = r->reason == EXIT_REASON_TRIPLE_FAULT || is_double_fault(r);
	return none ? r->vectoring_info & ~INTR_VALID : r->vectoring_info;
}

void exit_record(struct vmcs12 *v, const struct exit_record *r)
{
	v->exit_reason = r->reason;
	v->exit_qualification = r->qualification;
	if (r->reason & EXIT_REASON_ENTRY_FAILURE)
		return;
	v->guest_linear_address = r->linear_address;
	v->guest_physical_address = r->physical_address;
	v->exit_interruption_info = r->intr_info;
	v->exit_interruption_error_code = r->intr_error_code;
	v->idt_vectoring_info = vectoring_info(r);
	v->idt_vectoring_error_code = r->vectoring_error_code;
	v->exit_instruction_length = r->insn_length;
	v->exit_instruction_info = r->insn_info;
	v->io_rcx = r->io_rcx;
	v->io_rsi = r->io_rsi;
	v->io_rdi = r->io_rdi;
	v->io_rip = r->io_rip;
}

bool exit_clears_injection(struct vmcs12 *v)
{
	bool was = v->entry_interruption_info & INTR_VALID;

	v->entry_interruption_info &= ~(u64)INTR_VALID;
	return was;
}

bool exit_host_uses_pae(const struct vmcs12 *v)
{
	return (v->host_cr0 & CR0_PG) && (v->host_cr4 & CR4_PAE) &&
	       !(v->exit_controls & EXIT_HOST_ADDRESS_SPACE_SIZE);
}

/* SDM: "Loading Host Segment and Descriptor-Table Registers". */
static void load_segments(struct vmcs_image *l1, const struct vmcs12 *v, bool host64)
{
	const u32 data = 0xc093, unusable = AR_UNUSABLE;

#define SEGMENT(NAME, selector, base, limit, ar) \
	l1->f[FI_GUEST_##NAME##_SELECTOR] = selector; \
	l1->f[FI_GUEST_##NAME##_BASE] = base; \
	l1->f[FI_GUEST_##NAME##_LIMIT] = limit; \
	l1->f[FI_GUEST_##NAME##_AR] = ar;
	SEGMENT(CS, v->host_cs_selector, 0, 0xffffffff, host64 ? 0xa09b : 0xc09b)
	SEGMENT(SS, v->host_ss_selector, 0, 0xffffffff, v->host_ss_selector ? data : unusable)
	SEGMENT(DS, v->host_ds_selector, 0, 0xffffffff, v->host_ds_selector ? data : unusable)
	SEGMENT(ES, v->host_es_selector, 0, 0xffffffff, v->host_es_selector ? data : unusable)
	SEGMENT(FS, v->host_fs_selector, v->host_fs_base, 0xffffffff,
		v->host_fs_selector ? data : unusable)
	SEGMENT(GS, v->host_gs_selector, v->host_gs_base, 0xffffffff,
		v->host_gs_selector ? data : unusable)
	SEGMENT(TR, v->host_tr_selector, v->host_tr_base, 0x67, 0x8b)
	SEGMENT(LDTR, 0, 0, 0, unusable)
#undef SEGMENT
	l1->f[FI_GUEST_GDTR_BASE] = v->host_gdtr_base;
	l1->f[FI_GUEST_IDTR_BASE] = v->host_idtr_base;
	l1->f[FI_GUEST_GDTR_LIMIT] = l1->f[FI_GUEST_IDTR_LIMIT] = 0xffff;
}

void exit_load_host(struct vmcs_image *l1, const struct vmcs12 *v)
{
	bool host64 = v->exit_controls & EXIT_HOST_ADDRESS_SPACE_SIZE;
	u64 cr4 = host64 ? v->host_cr4 | CR4_PAE : v->host_cr4 & ~CR4_PCIDE;

	load_segments(l1, v, host64);
	l1->f[FI_GUEST_CR4] = l1->f[FI_CR4_READ_SHADOW] = cr4;
	l1->f[FI_GUEST_CR3] = v->host_cr3; /* chk_host_cr3: bit 63 is 0 */
	l1->f[FI_GUEST_DR7] = DR7_INIT;
	l1->f[FI_GUEST_IA32_DEBUGCTL] = 0;
	l1->f[FI_GUEST_SYSENTER_CS] = v->host_sysenter_cs;
	l1->f[FI_GUEST_SYSENTER_ESP] = v->host_sysenter_esp;
	l1->f[FI_GUEST_SYSENTER_EIP] = v->host_sysenter_eip;
	l1->f[FI_GUEST_RIP] = v->host_rip;
	l1->f[FI_GUEST_RSP] = v->host_rsp;
	l1->f[FI_GUEST_RFLAGS] = RFLAGS_FIXED1;
	l1->f[FI_GUEST_ACTIVITY_STATE] = ACTIVE;
	l1->f[FI_GUEST_PENDING_DEBUG] = 0;
	l1->f[FI_ENTRY_CONTROLS] = (l1->f[FI_ENTRY_CONTROLS] & ~(u64)ENTRY_IA32E_MODE_GUEST) |
				   (host64 ? ENTRY_IA32E_MODE_GUEST : 0);
}

/* The bits of CR0 that an exit leaves as they are. SDM: "Loading Host Control Registers, ...". */
#define CR0_KEPT (BITS(63, 32) | CR0_CD | CR0_NW | BITS(28, 19) | BIT(17) | BITS(15, 6) | CR0_ET)

static u64 host_efer(const struct exit_host_in *in)
{
	const u64 long_mode = EFER_LMA | EFER_LME;

	if (in->v->exit_controls & EXIT_LOAD_IA32_EFER)
		return in->v->host_ia32_efer;
	return in->v->exit_controls & EXIT_HOST_ADDRESS_SPACE_SIZE ? in->efer | long_mode :
								     in->efer & ~long_mode;
}

void exit_load_kept(struct vmcs_image *l1, const struct exit_host_in *in)
{
	const struct vmcs12 *v = in->v;
	u64 cr0 = (v->host_cr0 & ~CR0_KEPT) | (in->cr0 & CR0_KEPT);

	l1->f[FI_GUEST_CR0] = l1->f[FI_CR0_READ_SHADOW] = cr0;
	l1->f[FI_GUEST_IA32_EFER] = host_efer(in);
	l1->f[FI_GUEST_IA32_PAT] = v->exit_controls & EXIT_LOAD_IA32_PAT ? v->host_ia32_pat : in->pat;
	l1->f[FI_GUEST_INTERRUPTIBILITY] = in->nmi_blocking ? BLOCKING_NMI : 0;
	for (unsigned i = 0; in->pdpte && i < 4; i++)
		l1->f[FI_GUEST_PDPTE0 + i] = in->pdpte[i];
}
