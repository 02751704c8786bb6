/*
 * VMX capabilities: what the processor has, and what L1 is shown of it. Pure: computed from raw MSR
 * values. SDM: "VMX Capability Reporting Facility" (appendix).
 */
#ifndef VMX_CAPS_H
#define VMX_CAPS_H

#include "controls.h"
#include "fields.h"
#include "types.h"

/* The capability MSRs 0x480 to 0x493 as read; 0 where the processor lacks one. */
#define CAPS_MSR_FIRST 0x480u
#define CAPS_MSR_COUNT 20u

struct caps {
	u64 msr[CAPS_MSR_COUNT];
	/* Per control word, from the TRUE_ MSRs where there are any: what may be 0 and what may be 1. */
	struct {
		u32 must_be_1, may_be_1;
	} ctl[CONTROL_WORDS];
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u64 misc, ept_vpid;
	u32 revision; /* VMCS revision identifier, bits 30:0 */
	u8 maxphyaddr; /* bits of a physical address */
	u8 linear_bits; /* bits of a linear address: 48 or 57 */
};

#define VMX_BASIC_REVISION BITS(30, 0)
#define VMX_BASIC_REGION_SIZE_SHIFT 32
#define VMX_BASIC_32BIT_ADDRESSES BIT(48)
#define VMX_BASIC_MEMORY_TYPE_SHIFT 50
#define VMX_BASIC_INS_OUTS_INFO BIT(54)
#define VMX_BASIC_TRUE_CONTROLS BIT(55)
#define VMX_BASIC_ANY_ERROR_CODE BIT(56)

#define VMX_MISC_TIMER_RATE BITS(4, 0)
#define VMX_MISC_SAVE_LMA BIT(5)
#define VMX_MISC_ACTIVITY_HLT BIT(6)
#define VMX_MISC_ACTIVITY_SHUTDOWN BIT(7)
#define VMX_MISC_ACTIVITY_WFS BIT(8)
#define VMX_MISC_CR3_TARGETS(misc) ((misc) >> 16 & 0x1ff)
#define VMX_MISC_MSR_LIST_MAX(misc) ((((misc) >> 25 & 7) + 1) * 512)
#define VMX_MISC_VMWRITE_ANY BIT(29)
#define VMX_MISC_INJECT_LENGTH_0 BIT(30)

#define EPT_CAP_EXECUTE_ONLY BIT(0)
#define EPT_CAP_4_LEVEL BIT(6)
#define EPT_CAP_5_LEVEL BIT(7)
#define EPT_CAP_UC BIT(8)
#define EPT_CAP_WB BIT(14)
#define EPT_CAP_2M BIT(16)
#define EPT_CAP_1G BIT(17)
#define EPT_CAP_INVEPT BIT(20)
#define EPT_CAP_AD BIT(21)
#define EPT_CAP_SHADOW_STACK BIT(23)
#define EPT_CAP_INVEPT_SINGLE BIT(25)
#define EPT_CAP_INVEPT_GLOBAL BIT(26)
#define VPID_CAP_INVVPID BIT(32)
#define VPID_CAP_ADDRESS BIT(40)
#define VPID_CAP_SINGLE BIT(41)
#define VPID_CAP_GLOBAL BIT(42)
#define VPID_CAP_RETAIN_GLOBALS BIT(43)

/* The revision identifier of the VMCS regions that L1 makes for us: bits 30:0. */
#define VMCS12_REVISION 0x4e455301u

/* Fills everything but msr[] and the two widths from msr[], maxphyaddr and linear_bits. */
void caps_decode(struct caps *caps);

/*
 * Why VMX cannot be used, and what to do: of CPUID.1:ECX.VMX, whether IA32_FEATURE_CONTROL can be read, and
 * its value. 0: it can. SDM: "Enabling and Entering VMX Operation".
 */
const char *caps_vmx_refusal(bool vmx, bool readable, u64 feature_control);

/* What L1 is shown, from what the processor has (decoded). */
void caps_l1(struct caps *l1, const struct caps *hw);

/* Whether a control can be 1. index is trusted: enum control_index. */
bool caps_has(const struct caps *caps, enum control_index index);

/* Whether a VMCS with these capabilities has the field. */
static inline bool caps_has_field(const struct caps *caps, enum field_index field)
{
	return caps_has(caps, (enum control_index)field_info[field].control);
}

/*
 * The value of a capability MSR for its RDMSR. False where the MSR does not exist (#GP). `number` may
 * be anything.
 */
bool caps_read_msr(const struct caps *caps, u32 number, u64 *value);

#endif
