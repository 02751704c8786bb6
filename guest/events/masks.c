#include "guest/events/masks.h"

#include "vmx/exits.h"
#include "vmx/x86.h"

#define EPT_LINEAR_VALID BIT(7)
#define EPT_ADVANCED BITS(11, 9) /* only some processors write them */
#define BASIC_REASON 0xffff

static u64 reason(const u64 *f)
{
	return f[FI_EXIT_REASON] & BASIC_REASON;
}

static bool entry_failed(const u64 *f)
{
	return f[FI_EXIT_REASON] & EXIT_REASON_ENTRY_FAILURE;
}

static bool vectoring(const u64 *f)
{
	return f[FI_IDT_VECTORING_INFO] & INTR_VALID;
}

static bool software(u64 info)
{
	return (info & INTR_VALID) && INTR_TYPE(info) >= INTR_SW_INTERRUPT &&
	       INTR_TYPE(info) <= INTR_SW_EXCEPTION;
}

/* An information word that is not valid says nothing else. */
static u64 interruption(u64 info)
{
	return info & INTR_VALID ? ~(u64)INTR_NMI_UNBLOCKING : INTR_VALID;
}

/* "NMI unblocking due to IRET" says nothing when an event was being delivered, or for a #DF. */
static u64 exit_interruption(const u64 *f)
{
	u64 info = f[FI_EXIT_INTERRUPTION_INFO];
	bool fault = INTR_TYPE(info) == INTR_HW_EXCEPTION && (info & INTR_VECTOR) != VEC_DF;
	bool unblocking = (info & INTR_VALID) && fault && !vectoring(f);

	return interruption(info) | (unblocking ? INTR_NMI_UNBLOCKING : 0);
}

static u64 error_code(u64 info)
{
	return (info & INTR_VALID) && (info & INTR_ERROR_CODE_VALID) ? ~0ull : 0;
}

static bool by_instruction(u64 number)
{
	return (number >= EXIT_REASON_CPUID && number <= EXIT_REASON_WRMSR &&
		number != EXIT_REASON_RSM) ||
	       (number >= EXIT_REASON_INVEPT && number <= EXIT_REASON_XRSTORS &&
		number != EXIT_REASON_PREEMPTION_TIMER && number != EXIT_REASON_PML_FULL &&
		number != EXIT_REASON_APIC_WRITE);
}

/* An instruction that exits, and a software event: the instruction's, or the one L1 gave. */
static u64 length(const u64 *f)
{
	bool task = reason(f) == EXIT_REASON_TASK_SWITCH && !vectoring(f);

	return by_instruction(reason(f)) || task || software(f[FI_EXIT_INTERRUPTION_INFO]) ||
			       software(f[FI_IDT_VECTORING_INFO]) ?
		       ~0ull :
		       0;
}

static u64 qualification(const u64 *f)
{
	u64 mask = ~0ull;

	if (reason(f) == EXIT_REASON_EPT_VIOLATION) {
		mask &= ~EPT_ADVANCED;
		mask &= vectoring(f) ? ~(u64)INTR_NMI_UNBLOCKING : ~0ull;
	}
	return mask;
}

static bool linear(const u64 *f)
{
	return reason(f) == EXIT_REASON_EPT_VIOLATION && (f[FI_EXIT_QUALIFICATION] & EPT_LINEAR_VALID);
}

static bool physical(const u64 *f)
{
	return reason(f) == EXIT_REASON_EPT_VIOLATION || reason(f) == EXIT_REASON_EPT_MISCONFIGURATION;
}

u64 mask_defined(enum field_index field, const u64 *f)
{
	switch (field) {
	case FI_EXIT_REASON:
		return ~0ull;
	case FI_EXIT_QUALIFICATION:
		return qualification(f);
	default:
		break;
	}
	if (entry_failed(f)) /* nothing else was written */
		return 0;
	switch (field) {
	case FI_EXIT_INTERRUPTION_INFO:
		return exit_interruption(f);
	case FI_EXIT_INTERRUPTION_ERROR_CODE:
		return error_code(f[FI_EXIT_INTERRUPTION_INFO]);
	case FI_IDT_VECTORING_INFO:
		return interruption(f[FI_IDT_VECTORING_INFO]);
	case FI_IDT_VECTORING_ERROR_CODE:
		return error_code(f[FI_IDT_VECTORING_INFO]);
	case FI_EXIT_INSTRUCTION_LENGTH:
		return length(f);
	case FI_GUEST_LINEAR_ADDRESS:
		return linear(f) ? ~0ull : 0;
	case FI_GUEST_PHYSICAL_ADDRESS:
		return physical(f) ? ~0ull : 0;
	default: /* the VM-instruction error; instruction information and I/O: no row has such an exit */
		return 0;
	}
}
