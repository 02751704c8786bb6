/*
 * Facts of the architecture outside VMX: control registers, flags, vectors, segments, page tables.
 */
#ifndef VMX_X86_H
#define VMX_X86_H

#include "types.h"

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_VME BIT(0)
#define CR4_PVI BIT(1)
#define CR4_TSD BIT(2)
#define CR4_DE BIT(3)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_MCE BIT(6)
#define CR4_PGE BIT(7)
#define CR4_PCE BIT(8)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP BIT(11)
#define CR4_LA57 BIT(12)
#define CR4_VMXE BIT(13)
#define CR4_SMXE BIT(14)
#define CR4_FSGSBASE BIT(16)
#define CR4_PCIDE BIT(17)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)
#define CR4_PKE BIT(22)
#define CR4_CET BIT(23)
#define CR4_PKS BIT(24)
#define CR4_UINTR BIT(25)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

#define RFLAGS_CF BIT(0)
#define RFLAGS_FIXED1 BIT(1)
#define RFLAGS_PF BIT(2)
#define RFLAGS_AF BIT(4)
#define RFLAGS_ZF BIT(6)
#define RFLAGS_SF BIT(7)
#define RFLAGS_TF BIT(8)
#define RFLAGS_IF BIT(9)
#define RFLAGS_DF BIT(10)
#define RFLAGS_OF BIT(11)
#define RFLAGS_RF BIT(16)
#define RFLAGS_VM BIT(17)
#define RFLAGS_AC BIT(18)
#define RFLAGS_VIP BIT(20)
#define RFLAGS_ID BIT(21)

#define DR6_INIT 0xffff0ff0ul
#define DR6_BS BIT(14)
#define DR7_INIT 0x400ul
#define DEBUGCTL_BTF BIT(1)

enum vector {
	VEC_DE,
	VEC_DB,
	VEC_NMI,
	VEC_BP,
	VEC_OF,
	VEC_BR,
	VEC_UD,
	VEC_NM,
	VEC_DF,
	VEC_CSO,
	VEC_TS,
	VEC_NP,
	VEC_SS,
	VEC_GP,
	VEC_PF,
	VEC_MF = 16,
	VEC_AC,
	VEC_MC,
	VEC_XM,
	VEC_VE,
	VEC_CP,
};

/* Page-fault error code. SDM: "Page-Fault Exceptions". */
#define PFEC_P BIT(0)
#define PFEC_W BIT(1)
#define PFEC_U BIT(2)
#define PFEC_RSVD BIT(3)
#define PFEC_I BIT(4)

/* Paging-structure entries. SDM: "4-Level Paging and 5-Level Paging". */
#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_A BIT(5)
#define PTE_D BIT(6)
#define PTE_PS BIT(7)
#define PTE_G BIT(8)
#define PTE_NX BIT(63)

/* Segment registers, in the order of the VMCS fields and of the instruction information. */
enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR };

/* Access rights as in the VMCS. SDM: "Guest Register State". */
#define AR_TYPE 0xfu
#define AR_S (1u << 4)
#define AR_DPL(ar) ((ar) >> 5 & 3)
#define AR_P (1u << 7)
#define AR_L (1u << 13)
#define AR_DB (1u << 14)
#define AR_G (1u << 15)
#define AR_UNUSABLE (1u << 16)

/* General registers, in the order of the instruction encoding. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

/* Memory types. SDM: "Memory Types and Their Properties". */
enum memory_type { MT_UC = 0, MT_WC = 1, MT_WT = 4, MT_WP = 5, MT_WB = 6 };

/* Event interruption information: entry, exit and IDT-vectoring fields share the layout. */
#define INTR_VECTOR 0xffu
#define INTR_TYPE(info) ((info) >> 8 & 7)
#define INTR_ERROR_CODE_VALID (1u << 11)
#define INTR_NMI_UNBLOCKING (1u << 12) /* exit information only */
#define INTR_VALID (1u << 31)
enum intr_type {
	INTR_EXTERNAL = 0,
	INTR_NMI = 2,
	INTR_HW_EXCEPTION = 3,
	INTR_SW_INTERRUPT = 4,
	INTR_PRIV_SW_EXCEPTION = 5,
	INTR_SW_EXCEPTION = 6,
	INTR_OTHER = 7,
};

/* Guest interruptibility state. SDM: "Guest Non-Register State". */
#define BLOCKING_STI 1u
#define BLOCKING_MOV_SS 2u
#define BLOCKING_SMI 4u
#define BLOCKING_NMI 8u

enum activity_state { ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI };

static inline bool canonical(u64 address, unsigned linear_bits)
{
	unsigned shift = 64 - linear_bits;
	return (u64)((s64)(address << shift) >> shift) == address;
}

#endif
