#include "entry.h"

/* Control registers, debug registers, and MSRs */

CHECK_TEST(guest_cr0)
{
	fixed_bits(e, &e->v.guest_cr0, e->caps.cr0_fixed0, e->caps.cr0_fixed1);
	e->v.guest_cr0 &= ~CR0_NE;
	FIRES(e);
	e->v.guest_cr0 |= CR0_NE | CR0_CD | CR0_NW;
	PASSES(e);
	e->caps.cr0_fixed1 &= ~(CR0_CD | CR0_NW);
	PASSES(e);
	entry_32(e);
	e->v.guest_cr0 &= ~CR0_PG;
	FIRES(e);
	e->v.guest_cr0 &= ~CR0_PE;
	FIRES(e);
	entry_real(e);
	PASSES(e);
	e->v.guest_cr0 |= CR0_PE;
	PASSES(e);
	e->v.guest_cr0 &= ~CR0_NE;
	FIRES(e);
	e->v.guest_cr0 |= CR0_NE;
	off(e, CI_PROC_ACTIVATE_SECONDARY);
	e->v.guest_cr0 &= ~CR0_PG;
	FIRES_FIRST(e);
}

CHECK_TEST(guest_cr0_pg)
{
	entry_real(e);
	e->v.guest_cr0 |= CR0_PG;
	FIRES(e);
	e->v.guest_cr0 |= CR0_PE;
	PASSES(e);
}

CHECK_TEST(guest_cr4)
{
	fixed_bits(e, &e->v.guest_cr4, e->caps.cr4_fixed0, e->caps.cr4_fixed1);
	e->v.guest_cr4 &= ~CR4_VMXE;
	FIRES(e);
	e->v.guest_cr4 |= CR4_VMXE | CR4_SMXE;
	FIRES(e);
	e->v.guest_cr4 ^= CR4_SMXE | CR4_SMEP;
	PASSES(e);
	entry_real(e);
	e->v.guest_cr4 &= ~CR4_VMXE;
	FIRES(e);
}

CHECK_TEST(guest_cr4_cet)
{
	e->caps.cr4_fixed1 |= CR4_CET; /* a processor that shows CET */
	e->v.guest_cr4 |= CR4_CET;
	PASSES(e);
	e->v.guest_cr0 &= ~CR0_WP;
	FIRES(e);
	e->v.guest_cr4 &= ~CR4_CET;
	PASSES(e);
}

CHECK_TEST(guest_debugctl)
{
	e->v.guest_ia32_debugctl = BIT(3);
	FIRES(e);
	e->v.guest_ia32_debugctl = BIT(63);
	FIRES(e);
	off(e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
	PASSES(e);
	on(e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
	e->v.guest_ia32_debugctl = e->in.debugctl_valid;
	PASSES(e);
}

CHECK_TEST(guest_ia32e_pg)
{
	on(e, CI_PROC2_ENABLE_EPT);
	on(e, CI_PROC2_UNRESTRICTED_GUEST);
	e->v.ept_pointer = 3 << 3 | MT_WB;
	PASSES(e);
	e->v.guest_cr0 &= ~CR0_PG;
	FIRES(e);
	e->v.guest_cr0 |= CR0_PG;
	PASSES(e);
}

CHECK_TEST(guest_ia32e_pae)
{
	e->v.guest_cr4 &= ~CR4_PAE;
	FIRES(e);
	e->v.guest_cr4 |= CR4_PAE;
	PASSES(e);
	entry_32(e);
	EXPECT(!(e->v.guest_cr4 & CR4_PAE));
	PASSES(e);
}

CHECK_TEST(guest_pcide)
{
	e->v.guest_cr4 |= CR4_PCIDE;
	PASSES(e);
	entry_32(e);
	e->v.guest_cr4 |= CR4_PCIDE;
	FIRES(e);
	e->v.guest_cr4 &= ~CR4_PCIDE;
	PASSES(e);
}

CHECK_TEST(guest_cr3)
{
	e->v.guest_cr3 = BIT(39);
	FIRES(e);
	e->v.guest_cr3 = BIT(63);
	FIRES(e);
	e->v.guest_cr3 = BIT(39) - 1;
	PASSES(e);
}

CHECK_TEST(guest_dr7)
{
	e->v.guest_dr7 = DR7_INIT | BIT(32);
	FIRES(e);
	e->v.guest_dr7 = DR7_INIT | BIT(63);
	FIRES(e);
	off(e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
	PASSES(e);
	on(e, CI_ENTRY_LOAD_DEBUG_CONTROLS);
	e->v.guest_dr7 = 0xffffffff;
	PASSES(e);
}

CHECK_TEST(guest_sysenter_esp)
{
	canonical_address(e, &e->v.guest_sysenter_esp);
}

CHECK_TEST(guest_sysenter_eip)
{
	canonical_address(e, &e->v.guest_sysenter_eip);
}

CHECK_TEST(guest_pat)
{
	on(e, CI_ENTRY_LOAD_IA32_PAT);
	memory_types(e, &e->v.guest_ia32_pat);
	off(e, CI_ENTRY_LOAD_IA32_PAT);
	e->v.guest_ia32_pat = 2;
	PASSES(e);
}

CHECK_TEST(guest_efer_reserved)
{
	on(e, CI_ENTRY_LOAD_IA32_EFER);
	PASSES(e);
	e->v.guest_ia32_efer |= BIT(1);
	FIRES(e);
	e->v.guest_ia32_efer ^= BIT(1) | BIT(63);
	FIRES(e);
	off(e, CI_ENTRY_LOAD_IA32_EFER);
	PASSES(e);
	on(e, CI_ENTRY_LOAD_IA32_EFER);
	e->v.guest_ia32_efer ^= BIT(63);
	PASSES(e);
	e->in.efer_valid &= ~EFER_NXE;
	FIRES(e);
}

CHECK_TEST(guest_efer_lma)
{
	on(e, CI_ENTRY_LOAD_IA32_EFER);
	e->v.guest_ia32_efer &= ~(EFER_LMA | EFER_LME);
	FIRES(e);
	off(e, CI_ENTRY_LOAD_IA32_EFER);
	PASSES(e);
	entry_32(e);
	on(e, CI_ENTRY_LOAD_IA32_EFER);
	PASSES(e);
	e->v.guest_ia32_efer = EFER_LMA | EFER_LME;
	FIRES(e);
}

CHECK_TEST(guest_efer_lme)
{
	on(e, CI_ENTRY_LOAD_IA32_EFER);
	e->v.guest_ia32_efer &= ~EFER_LME;
	FIRES(e);
	off(e, CI_ENTRY_LOAD_IA32_EFER);
	PASSES(e);
	entry_32(e);
	on(e, CI_ENTRY_LOAD_IA32_EFER);
	e->v.guest_ia32_efer = EFER_LME;
	FIRES(e);
	/* Without paging, LME alone is how a guest starts towards IA-32e mode. */
	entry_real(e);
	on(e, CI_ENTRY_LOAD_IA32_EFER);
	e->v.guest_ia32_efer = EFER_LME;
	PASSES(e);
}

/* Descriptor-table registers */

CHECK_TEST(guest_gdtr_base)
{
	canonical_address(e, &e->v.guest_gdtr_base);
}

CHECK_TEST(guest_idtr_base)
{
	canonical_address(e, &e->v.guest_idtr_base);
}

CHECK_TEST(guest_gdtr_limit)
{
	e->v.guest_gdtr_limit = 0x10000;
	FIRES(e);
	e->v.guest_gdtr_limit = 0x80000000;
	FIRES(e);
	e->v.guest_gdtr_limit = 0xffff;
	PASSES(e);
}

CHECK_TEST(guest_idtr_limit)
{
	e->v.guest_idtr_limit = 0x10000;
	FIRES(e);
	e->v.guest_idtr_limit = 0x80000000;
	FIRES(e);
	e->v.guest_idtr_limit = 0xffff;
	PASSES(e);
}

/* RIP and RFLAGS */

CHECK_TEST(guest_rip_high)
{
	e->v.guest_rip = BIT(32);
	PASSES(e);
	e->v.guest_cs_ar &= ~(u64)AR_L; /* compatibility mode */
	FIRES(e);
	e->v.guest_rip = BIT(63);
	FIRES(e);
	e->v.guest_rip = BIT(32) - 1;
	PASSES(e);
	entry_32(e);
	e->v.guest_cs_ar = (e->v.guest_cs_ar | AR_L) & ~(u64)AR_DB;
	e->v.guest_rip = BIT(32);
	FIRES(e);
}

/* SDM: bits 63:N are identical, N being the width; bit N-1 may differ from them. */
CHECK_TEST(guest_rip_wide)
{
	e->v.guest_rip = BIT(47); /* just past the lower half: entered, to fault on the fetch */
	PASSES(e);
	e->v.guest_rip = BIT(48);
	FIRES(e);
	e->v.guest_rip = BIT(63);
	FIRES(e);
	e->v.guest_rip = BITS(63, 48);
	PASSES(e);
	e->v.guest_rip = BITS(63, 49);
	FIRES(e);
	e->v.guest_rip = BITS(62, 48);
	FIRES(e);
	e->caps.linear_bits = 57;
	e->v.guest_rip = BIT(56) | BIT(48);
	PASSES(e);
	e->v.guest_rip = BIT(57);
	FIRES(e);
	e->v.guest_rip = BITS(63, 57);
	PASSES(e);
}

CHECK_TEST(guest_rflags_reserved)
{
	const u64 reserved = BITS(63, 22) | BIT(15) | BIT(5) | BIT(3);

	for (unsigned bit = 0; bit < 64; bit++) {
		e->v.guest_rflags = RFLAGS_FIXED1 | BIT(bit);
		if (reserved >> bit & 1)
			FIRES(e);
		else if (bit != 17)
			PASSES(e);
	}
}

CHECK_TEST(guest_rflags_fixed)
{
	e->v.guest_rflags = 0;
	FIRES(e);
	e->v.guest_rflags = RFLAGS_FIXED1;
	PASSES(e);
}

CHECK_TEST(guest_rflags_vm)
{
	entry_v86(e);
	PASSES(e);
	on(e, CI_ENTRY_IA32E_MODE_GUEST);
	e->v.guest_cr4 |= CR4_PAE;
	FIRES(e);
	e->v.guest_rflags &= ~RFLAGS_VM;
	e->v.guest_cs_ar = 0xa09b;
	EXPECT(check_info[e->id].holds(&e->in));

	/* Real mode has registers like those of virtual-8086 mode, all but their DPL. */
	entry_v86(e);
	on(e, CI_PROC2_ENABLE_EPT);
	on(e, CI_PROC2_UNRESTRICTED_GUEST);
	e->v.ept_pointer = 3 << 3 | MT_WB;
	PASSES(e);
	e->v.guest_cr0 &= ~(CR0_PE | CR0_PG);
	FIRES(e);
}

CHECK_TEST(guest_rflags_if)
{
	inject(e, INTR_EXTERNAL, 0x20, 0);
	FIRES(e);
	e->v.guest_rflags |= RFLAGS_IF;
	PASSES(e);
	e->v.guest_rflags &= ~RFLAGS_IF;
	inject(e, INTR_NMI, VEC_NMI, 0);
	PASSES(e);
	inject(e, INTR_EXTERNAL, 0x20, 0);
	e->v.entry_interruption_info &= ~(u64)INTR_VALID;
	PASSES(e);
}

/* Activity state */

CHECK_TEST(guest_activity_range)
{
	for (enum activity_state state = ACTIVE; state <= WAIT_FOR_SIPI; state++) {
		e->v.guest_activity_state = state;
		PASSES(e);
	}
	e->v.guest_activity_state = 4;
	FIRES(e);
	e->v.guest_activity_state = 0x80000000;
	FIRES(e);
}

CHECK_TEST(guest_activity_supported)
{
	static const u64 support[] = {
		[HLT] = VMX_MISC_ACTIVITY_HLT,
		[SHUTDOWN] = VMX_MISC_ACTIVITY_SHUTDOWN,
		[WAIT_FOR_SIPI] = VMX_MISC_ACTIVITY_WFS,
	};

	for (enum activity_state state = HLT; state <= WAIT_FOR_SIPI; state++) {
		e->v.guest_activity_state = state;
		e->caps.misc &= ~support[state];
		FIRES(e);
		e->caps.misc |= support[state];
		PASSES(e);
	}
	e->caps.misc = 0;
	e->v.guest_activity_state = ACTIVE;
	PASSES(e);
}

/* Privilege level 3. */
static void user(struct entry *e)
{
	e->v.guest_cs_selector |= 3;
	e->v.guest_cs_ar |= 3 << 5;
	e->v.guest_ss_selector |= 3;
	e->v.guest_ss_ar |= 3 << 5;
	PASSES(e);
}

CHECK_TEST(guest_activity_hlt_dpl)
{
	e->v.guest_activity_state = HLT;
	PASSES(e);
	e->v.guest_activity_state = ACTIVE;
	user(e);
	e->v.guest_activity_state = HLT;
	FIRES(e);
	e->v.guest_activity_state = SHUTDOWN;
	PASSES(e);
}

CHECK_TEST(guest_activity_blocking)
{
	static const u32 blockings[] = {BLOCKING_STI, BLOCKING_MOV_SS};

	e->v.guest_rflags |= RFLAGS_IF;
	for (unsigned i = 0; i < ARRAY_LEN(blockings); i++) {
		e->v.guest_interruptibility = blockings[i];
		e->v.guest_activity_state = ACTIVE;
		PASSES(e);
		for (enum activity_state state = HLT; state <= WAIT_FOR_SIPI; state++) {
			e->v.guest_activity_state = state;
			FIRES(e);
		}
	}
	e->v.guest_interruptibility = BLOCKING_NMI;
	PASSES(e);
}

/* Every event that can be injected at all: fires for all but those that `allowed` names. */
static void inject_all(struct entry *e, bool (*allowed)(enum intr_type type, u32 vector))
{
	const u32 coded = 1u << 8 | 1u << 17 | 0x1fu << 10;

	e->v.guest_rflags |= RFLAGS_IF;
	e->v.entry_instruction_length = 2;
	for (enum intr_type type = INTR_EXTERNAL; type <= INTR_OTHER; type++) {
		u32 vectors = type == INTR_HW_EXCEPTION ? 32 : 256;
		if (type == 1)
			continue;
		for (u32 vector = 0; vector < vectors; vector++) {
			bool hw = type == INTR_HW_EXCEPTION;
			if ((type == INTR_NMI && vector != 2) || (type == INTR_OTHER && vector != 0))
				continue;
			inject(e, type, vector, hw && (coded >> vector & 1) ? INTR_ERROR_CODE_VALID : 0);
			if (allowed(type, vector))
				PASSES(e);
			else
				FIRES(e);
		}
	}
	e->v.entry_interruption_info &= ~(u64)INTR_VALID;
	PASSES(e);
}

static bool wakes_hlt(enum intr_type type, u32 vector)
{
	return type == INTR_EXTERNAL || type == INTR_NMI || type == INTR_OTHER ||
	       (type == INTR_HW_EXCEPTION && (vector == 1 || vector == 18));
}

static bool wakes_shutdown(enum intr_type type, u32 vector)
{
	return type == INTR_NMI || (type == INTR_HW_EXCEPTION && vector == 18);
}

static bool wakes_nothing(enum intr_type type, u32 vector)
{
	(void)type;
	(void)vector;
	return false;
}

CHECK_TEST(guest_activity_hlt_inject)
{
	e->v.guest_activity_state = HLT;
	inject_all(e, wakes_hlt);
}

CHECK_TEST(guest_activity_shutdown_inject)
{
	e->v.guest_activity_state = SHUTDOWN;
	inject_all(e, wakes_shutdown);
}

CHECK_TEST(guest_activity_sipi_inject)
{
	e->v.guest_activity_state = WAIT_FOR_SIPI;
	inject_all(e, wakes_nothing);
}

/* Entry to SMM is refused for L1 anyhow. */
CHECK_TEST(guest_activity_smm)
{
	on(e, CI_ENTRY_ENTRY_TO_SMM);
	e->v.guest_activity_state = WAIT_FOR_SIPI;
	EXPECT(!check_info[e->id].holds(&e->in));
	entry_sample(e);
	e->v.guest_activity_state = SHUTDOWN;
	EXPECT(check_info[e->id].holds(&e->in));
	off(e, CI_ENTRY_ENTRY_TO_SMM);
	e->v.guest_activity_state = WAIT_FOR_SIPI;
	PASSES(e);
}

/* Interruptibility state */

CHECK_TEST(guest_blocking_reserved)
{
	for (unsigned bit = 5; bit < 32; bit++) {
		e->v.guest_interruptibility = BIT(bit);
		FIRES(e);
	}
	e->v.guest_interruptibility = BLOCKING_NMI;
	PASSES(e);
}

CHECK_TEST(guest_blocking_both)
{
	e->v.guest_rflags |= RFLAGS_IF;
	e->v.guest_interruptibility = BLOCKING_STI | BLOCKING_MOV_SS;
	FIRES(e);
	e->v.guest_interruptibility = BLOCKING_STI;
	PASSES(e);
	e->v.guest_interruptibility = BLOCKING_MOV_SS;
	PASSES(e);
}

CHECK_TEST(guest_blocking_sti_if)
{
	e->v.guest_interruptibility = BLOCKING_STI;
	FIRES(e);
	e->v.guest_rflags |= RFLAGS_IF;
	PASSES(e);
	e->v.guest_rflags &= ~RFLAGS_IF;
	e->v.guest_interruptibility = BLOCKING_MOV_SS;
	PASSES(e);
}

CHECK_TEST(guest_blocking_external)
{
	e->v.guest_rflags |= RFLAGS_IF;
	inject(e, INTR_EXTERNAL, 0x20, 0);
	e->v.guest_interruptibility = BLOCKING_STI;
	FIRES(e);
	e->v.guest_interruptibility = BLOCKING_MOV_SS;
	FIRES(e);
	e->v.guest_interruptibility = BLOCKING_NMI;
	PASSES(e);
	e->v.guest_interruptibility = BLOCKING_MOV_SS;
	inject(e, INTR_HW_EXCEPTION, VEC_UD, 0);
	PASSES(e);
	inject(e, INTR_EXTERNAL, 0x20, 0);
	e->v.entry_interruption_info &= ~(u64)INTR_VALID;
	PASSES(e);
}

CHECK_TEST(guest_blocking_nmi_mov_ss)
{
	inject(e, INTR_NMI, VEC_NMI, 0);
	e->v.guest_interruptibility = BLOCKING_MOV_SS;
	FIRES(e);
	e->v.guest_interruptibility = 0;
	PASSES(e);
	/* Whether STI blocks NMIs is left to the processor. */
	e->v.guest_rflags |= RFLAGS_IF;
	e->v.guest_interruptibility = BLOCKING_STI;
	PASSES(e);
}

CHECK_TEST(guest_blocking_smi)
{
	e->v.guest_interruptibility = BLOCKING_SMI;
	FIRES(e);
	e->v.guest_interruptibility = 0;
	PASSES(e);
}

CHECK_TEST(guest_blocking_nmi)
{
	inject(e, INTR_NMI, VEC_NMI, 0);
	e->v.guest_interruptibility = BLOCKING_NMI;
	on(e, CI_PIN_NMI_EXITING);
	PASSES(e);
	on(e, CI_PIN_VIRTUAL_NMIS);
	FIRES(e);
	e->v.guest_interruptibility = 0;
	PASSES(e);
	e->v.guest_interruptibility = BLOCKING_NMI;
	inject(e, INTR_HW_EXCEPTION, VEC_UD, 0);
	PASSES(e);
}

#define BLOCKING_ENCLAVE 16u

CHECK_TEST(guest_blocking_enclave_mov_ss)
{
	e->in.sgx = true;
	e->v.guest_interruptibility = BLOCKING_ENCLAVE | BLOCKING_MOV_SS;
	FIRES(e);
	e->v.guest_interruptibility = BLOCKING_ENCLAVE;
	PASSES(e);
	e->v.guest_interruptibility = BLOCKING_MOV_SS;
	PASSES(e);
}

CHECK_TEST(guest_blocking_enclave_sgx)
{
	e->v.guest_interruptibility = BLOCKING_ENCLAVE;
	FIRES(e);
	e->in.sgx = true;
	PASSES(e);
}

/* Pending debug exceptions */

#define PENDING_ENABLED BIT(12)
#define PENDING_BS BIT(14)
#define PENDING_RTM BIT(16)

CHECK_TEST(guest_pending_reserved)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		bool defined = bit <= 3 || bit == 12 || bit == 14;

		e->v.guest_pending_debug = BIT(bit);
		if (defined)
			PASSES(e);
		else if (bit != 16)
			FIRES(e);
	}
	e->v.guest_pending_debug = BIT(11);
	e->in.debugctl_valid |= BIT(2); /* bus-lock detection */
	PASSES(e);
}

/* The three states in which BS has to agree with TF and BTF, and one in which it need not. */
static void hold_traps(struct entry *e, unsigned how)
{
	static const u32 blocking[] = {BLOCKING_STI, BLOCKING_MOV_SS, 0, BLOCKING_NMI};

	e->v.guest_rflags |= RFLAGS_IF;
	e->v.guest_interruptibility = blocking[how];
	e->v.guest_activity_state = how == 2 ? HLT : ACTIVE;
}

CHECK_TEST(guest_pending_bs_missing)
{
	for (unsigned how = 0; how < 3; how++) {
		entry_64(e);
		hold_traps(e, how);
		PASSES(e);
		e->v.guest_rflags |= RFLAGS_TF;
		FIRES(e);
		e->v.guest_pending_debug = PENDING_BS;
		PASSES(e);
		e->v.guest_pending_debug = 0;
		e->v.guest_ia32_debugctl = DEBUGCTL_BTF;
		PASSES(e);
	}
	e->v.guest_ia32_debugctl = 0;
	hold_traps(e, 3);
	PASSES(e);
}

CHECK_TEST(guest_pending_bs_stray)
{
	for (unsigned how = 0; how < 3; how++) {
		entry_64(e);
		hold_traps(e, how);
		e->v.guest_pending_debug = PENDING_BS;
		FIRES(e);
		e->v.guest_rflags |= RFLAGS_TF;
		PASSES(e);
		e->v.guest_ia32_debugctl = DEBUGCTL_BTF;
		FIRES(e);
	}
	hold_traps(e, 3);
	PASSES(e);
}

CHECK_TEST(guest_pending_rtm_alone)
{
	e->in.rtm = true;
	e->v.guest_pending_debug = PENDING_RTM;
	FIRES(e);
	for (unsigned bit = 0; bit <= 3; bit++) {
		e->v.guest_pending_debug = PENDING_RTM | PENDING_ENABLED | BIT(bit);
		FIRES(e);
	}
	e->v.guest_pending_debug = PENDING_RTM | PENDING_ENABLED | PENDING_BS;
	FIRES(e);
	e->v.guest_pending_debug = PENDING_RTM | PENDING_ENABLED;
	PASSES(e);
}

CHECK_TEST(guest_pending_rtm_supported)
{
	e->v.guest_pending_debug = PENDING_RTM | PENDING_ENABLED;
	FIRES(e);
	e->in.rtm = true;
	PASSES(e);
}

CHECK_TEST(guest_pending_rtm_mov_ss)
{
	e->in.rtm = true;
	e->v.guest_pending_debug = PENDING_RTM | PENDING_ENABLED;
	e->v.guest_interruptibility = BLOCKING_MOV_SS;
	FIRES(e);
	e->v.guest_interruptibility = 0;
	PASSES(e);
}

/* VMCS link pointer */

static void link_vmcs(struct entry *e)
{
	e->v.vmcs_link_pointer = LINKED_VMCS;
	e->in.link_revision = VMCS12_REVISION;
	PASSES(e);
}

CHECK_TEST(guest_link_aligned)
{
	link_vmcs(e);
	e->v.vmcs_link_pointer = LINKED_VMCS + 1;
	FIRES(e);
	e->v.vmcs_link_pointer = LINKED_VMCS + 0x800;
	FIRES(e);
	e->v.vmcs_link_pointer = LINKED_VMCS + 0x1000;
	PASSES(e);
	e->v.vmcs_link_pointer = ~0ull;
	PASSES(e);
}

CHECK_TEST(guest_link_width)
{
	link_vmcs(e);
	e->v.vmcs_link_pointer = BIT(39);
	FIRES(e);
	e->v.vmcs_link_pointer = ~0xfffull;
	FIRES(e);
	e->v.vmcs_link_pointer = BIT(39) - 4096;
	PASSES(e);
}

CHECK_TEST(guest_link_revision)
{
	link_vmcs(e);
	e->in.link_revision = VMCS12_REVISION ^ 1;
	FIRES(e);
	e->in.link_revision = 0;
	FIRES(e);
	e->v.vmcs_link_pointer = ~0ull;
	PASSES(e);
}

CHECK_TEST(guest_link_shadow)
{
	link_vmcs(e);
	e->in.link_revision = VMCS12_REVISION | VMCS12_SHADOW;
	FIRES(e);
	on(e, CI_PROC2_VMCS_SHADOWING);
	PASSES(e);
	e->in.link_revision = VMCS12_REVISION;
	FIRES(e);
	off(e, CI_PROC_ACTIVATE_SECONDARY);
	PASSES(e);
	on(e, CI_PROC2_VMCS_SHADOWING);
	e->v.vmcs_link_pointer = ~0ull;
	PASSES(e);
}

CHECK_TEST(guest_link_current)
{
	link_vmcs(e);
	e->v.vmcs_link_pointer = CURRENT_VMCS;
	FIRES(e);
	e->v.vmcs_link_pointer = LINKED_VMCS;
	PASSES(e);
}

/* Page-directory-pointer-table entries */

/* The reserved bits of one entry, one after the other. */
static void pdpte_bits(struct entry *e, u64 *pdpte)
{
	const u64 reserved = BITS(63, 39) | BITS(8, 5) | BITS(2, 1);

	for (unsigned bit = 1; bit < 64; bit++) {
		*pdpte = PTE_P | BIT(bit);
		if (reserved >> bit & 1)
			FIRES(e);
		else
			PASSES(e);
	}
	*pdpte = ~PTE_P;
	PASSES(e);
	*pdpte = 0;
}

CHECK_TEST(guest_pdpte_memory)
{
	entry_pae(e);
	for (unsigned i = 0; i < 4; i++)
		pdpte_bits(e, &e->in.pdpte[i]);
	e->v.guest_pdpte0 = ~0ull;
	PASSES(e);
	e->in.pdpte[0] = ~0ull;
	FIRES(e);
	e->v.guest_cr4 &= ~CR4_PAE;
	PASSES(e);
	entry_64(e);
	e->in.pdpte[0] = ~0ull;
	PASSES(e);
}

CHECK_TEST(guest_pdpte_field)
{
	entry_pae(e);
	on(e, CI_PROC2_ENABLE_EPT);
	e->v.ept_pointer = 3 << 3 | MT_WB;
	pdpte_bits(e, &e->v.guest_pdpte0);
	pdpte_bits(e, &e->v.guest_pdpte1);
	pdpte_bits(e, &e->v.guest_pdpte2);
	pdpte_bits(e, &e->v.guest_pdpte3);
	e->in.pdpte[0] = ~0ull;
	PASSES(e);
	e->v.guest_pdpte0 = ~0ull;
	FIRES(e);
	on(e, CI_PROC2_UNRESTRICTED_GUEST);
	e->v.guest_cr0 &= ~CR0_PG;
	PASSES(e);
}
