#include "nested/insn.h"

#include "nested/eptp.h"
#include "vmx/msr.h"

static struct insn_outcome fault(enum vector vector)
{
	return (struct insn_outcome){.kind = INSN_FAULT, .vector = (u8)vector};
}

static struct insn_outcome fail(enum vm_instruction_error error)
{
	return (struct insn_outcome){.kind = INSN_FAIL, .error = (u16)error};
}

static struct insn_outcome fail_invalid(void)
{
	return (struct insn_outcome){.kind = INSN_FAIL_INVALID};
}

struct insn_outcome insn_gate(const struct nested *n, enum exit_reason insn, const struct insn_cpu *cpu)
{
	bool compatibility = (cpu->efer & EFER_LMA) && !(cpu->cs_ar & AR_L);

	if (!(cpu->cr0 & CR0_PE) || (cpu->rflags & RFLAGS_VM) || compatibility)
		return fault(VEC_UD);
	if (insn == EXIT_REASON_VMXON ? !(cpu->cr4 & CR4_VMXE) : !n->vmxon)
		return fault(VEC_UD);
	if (!insn_exists(insn, cpu->caps))
		return fault(VEC_UD);
	return cpu->cpl > 0 ? fault(VEC_GP) : INSN_OK;
}

static bool fixed(u64 value, u64 must_be_1, u64 may_be_1)
{
	return (value & must_be_1) == must_be_1 && !(value & ~may_be_1);
}

struct insn_outcome insn_vmxon_allowed(const struct nested *n, const struct insn_cpu *cpu)
{
	u64 enabled = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;

	if (n->vmxon)
		return fail(VMERR_VMXON_IN_ROOT);
	if (!fixed(cpu->cr0, cpu->caps->cr0_fixed0, cpu->caps->cr0_fixed1) ||
	    !fixed(cpu->cr4, cpu->caps->cr4_fixed0, cpu->caps->cr4_fixed1) ||
	    (cpu->feature_control & enabled) != enabled)
		return fault(VEC_GP);
	return INSN_OK;
}

static bool region_address(const struct caps *caps, u64 pointer)
{
	return !(pointer & ~PAGE_MASK) && !(pointer >> caps->maxphyaddr);
}

struct insn_outcome insn_vmxon_region(const struct caps *caps, u64 pointer, u32 revision)
{
	if (!region_address(caps, pointer) || revision != caps->revision)
		return fail_invalid();
	return INSN_OK;
}

struct insn_outcome insn_vmclear(const struct nested *n, const struct caps *caps, u64 pointer)
{
	if (!region_address(caps, pointer))
		return fail(VMERR_VMCLEAR_BAD_ADDRESS);
	return pointer == n->vmxon_pointer ? fail(VMERR_VMCLEAR_VMXON_POINTER) : INSN_OK;
}

struct insn_outcome insn_vmptrld_address(const struct nested *n, const struct caps *caps, u64 pointer)
{
	if (!region_address(caps, pointer))
		return fail(VMERR_VMPTRLD_BAD_ADDRESS);
	return pointer == n->vmxon_pointer ? fail(VMERR_VMPTRLD_VMXON_POINTER) : INSN_OK;
}

struct insn_outcome insn_vmptrld_revision(const struct caps *caps, u32 revision)
{
	bool shadow = revision & VMCS12_SHADOW;

	if ((revision & ~VMCS12_SHADOW) != caps->revision ||
	    (shadow && !caps_has(caps, CI_PROC2_VMCS_SHADOWING)))
		return fail(VMERR_VMPTRLD_BAD_REVISION);
	return INSN_OK;
}

/* Bit 0 asks for the high half, which only 64-bit fields have. */
static struct insn_outcome find_field(const struct nested *n, const struct caps *caps, u64 encoding,
				      struct insn_field *field)
{
	if (n->current == NO_VMCS)
		return fail_invalid();
	int index = field_find(encoding & ~1ul);
	bool high = encoding & 1;
	if (index == FIELD_NONE || !caps_has_field(caps, (enum field_index)index) ||
	    (high && field_info[index].width != W64))
		return fail(VMERR_UNSUPPORTED_COMPONENT);
	*field = (struct insn_field){(enum field_index)index, high};
	return INSN_OK;
}

struct insn_outcome insn_vmread(const struct nested *n, const struct caps *caps, u64 encoding,
				struct insn_field *field)
{
	return find_field(n, caps, encoding, field);
}

struct insn_outcome insn_vmwrite(const struct nested *n, const struct caps *caps, u64 encoding,
				 struct insn_field *field)
{
	struct insn_outcome o = find_field(n, caps, encoding, field);
	if (o.kind == INSN_GO_ON && field_info[field->index].group == RO &&
	    !(caps->misc & VMX_MISC_VMWRITE_ANY))
		return fail(VMERR_VMWRITE_READ_ONLY);
	return o;
}

u64 insn_field_read(u64 value, struct insn_field field)
{
	return field.high ? value >> 32 : value;
}

u64 insn_field_written(u64 old, struct insn_field field, u64 value)
{
	if (field.high)
		return (old & 0xffffffff) | value << 32;
	return value & field_value_mask((enum field_width)field_info[field.index].width);
}

struct insn_outcome insn_entry(const struct nested *n, u32 interruptibility, bool launch)
{
	if (n->current == NO_VMCS || (n->v12->revision & VMCS12_SHADOW))
		return fail_invalid();
	if (interruptibility & BLOCKING_MOV_SS)
		return fail(VMERR_ENTRY_MOV_SS_BLOCKING);
	if (launch && n->v12->launch != VMCS12_CLEAR)
		return fail(VMERR_VMLAUNCH_NOT_CLEAR);
	if (!launch && n->v12->launch != VMCS12_LAUNCHED)
		return fail(VMERR_VMRESUME_NOT_LAUNCHED);
	return INSN_OK;
}

/* Types 1 and 2 of INVEPT are capability bits 25 and 26; types 0 to 3 of INVVPID bits 40 to 43. */
struct insn_outcome insn_invept_type(const struct caps *caps, u64 type)
{
	if (type < 1 || type > 2 || !(caps->ept_vpid & EPT_CAP_INVEPT_SINGLE << (type - 1)))
		return fail(VMERR_INVALID_INVEPT_INVVPID);
	return INSN_OK;
}

struct insn_outcome insn_invept(const struct caps *caps, u64 type, struct inv_descriptor d)
{
	if (type == 1 && !eptp_valid(caps, d.low))
		return fail(VMERR_INVALID_INVEPT_INVVPID);
	return INSN_OK;
}

struct insn_outcome insn_invvpid_type(const struct caps *caps, u64 type)
{
	if (type > 3 || !(caps->ept_vpid & VPID_CAP_ADDRESS << type))
		return fail(VMERR_INVALID_INVEPT_INVVPID);
	return INSN_OK;
}

struct insn_outcome insn_invvpid(const struct caps *caps, u64 type, struct inv_descriptor d)
{
	bool reserved = d.low >> 16, no_vpid = type != 2 && !(d.low & 0xffff);
	bool bad_address = type == 0 && !canonical(d.high, caps->linear_bits);

	if (reserved || no_vpid || bad_address)
		return fail(VMERR_INVALID_INVEPT_INVVPID);
	return INSN_OK;
}

u64 insn_flags(const struct nested *n, u64 rflags, struct insn_outcome outcome)
{
	rflags &= ~(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF);
	if (outcome.kind == INSN_FAIL_INVALID || (outcome.kind == INSN_FAIL && n->current == NO_VMCS))
		return rflags | RFLAGS_CF;
	return outcome.kind == INSN_FAIL ? rflags | RFLAGS_ZF : rflags;
}
