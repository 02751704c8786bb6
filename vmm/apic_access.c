/* The xAPIC's page: an instruction that reads or writes it is executed here. */
#include "vmm/apic.h"

#include "vmm/apic_registers.h"
#include "vmm/console.h"
#include "vmm/decode.h"
#include "vmm/walk.h"
#include "vmx/ept_entry.h"

/* Registers are 4 bytes, each at the start of 16; between them there is nothing. */
static u64 read_memory(struct vcpu *v, u32 offset, unsigned size)
{
	u32 within = offset & 15;
	u64 value = within < 4 ? apic_read_register(v, offset & 0xff0) >> (8 * within) : 0;
	return size < 4 ? value & (BIT(8 * size) - 1) : value;
}

/* SDM: "The Local APIC Block Diagram": only aligned accesses of 32 bits are defined. */
static void write_memory(struct vcpu *v, u32 offset, unsigned size, u64 value)
{
	if ((offset & 15) == 0 && size >= 4)
		apic_write_register(v, offset, (u32)value);
}

static u64 address_mask(const struct decoded *d)
{
	return d->address_size == 8 ? ~0ul : BIT(8 * d->address_size) - 1;
}

/* A count or pointer of the instruction's address size; 32 bits of it clear the rest. */
static void set_address(struct vcpu *v, const struct decoded *d, enum gpr reg, u64 value)
{
	u64 mask = address_mask(d), keep = d->address_size == 2 ? ~mask : 0;
	vcpu_set_gpr(v, reg, (vcpu_gpr(v, reg) & keep) | (value & mask));
}

/* One step of STOS or LODS: the pointer moves. True: the instruction is not over. */
static bool string_step(struct vcpu *v, const struct decoded *d)
{
	enum gpr pointer = d->op == OP_STOS ? RDI : RSI;
	bool down = vcpu_read(v, VMCS_GUEST_RFLAGS) & RFLAGS_DF;
	u64 at = vcpu_gpr(v, pointer);

	set_address(v, d, pointer, down ? at - d->size : at + d->size);
	if (!d->repeat)
		return false;
	set_address(v, d, RCX, vcpu_gpr(v, RCX) - 1);
	return vcpu_gpr(v, RCX) & address_mask(d);
}

/* All of the processor's state first: what is written to the APIC may reset it. */
static void execute(struct vcpu *v, const struct decoded *d, u32 offset)
{
	bool string = d->op == OP_STOS || d->op == OP_LODS;
	struct operands o = {.reg = vcpu_gpr(v, (enum gpr)d->reg),
			     .rflags = vcpu_read(v, VMCS_GUEST_RFLAGS)};

	if (decode_reads(d))
		o.memory = read_memory(v, offset, d->size);
	decode_execute(d, &o);
	if (!d->immediate)
		vcpu_set_gpr(v, (enum gpr)d->reg, o.reg);
	vcpu_write(v, VMCS_GUEST_RFLAGS, o.rflags);
	if (!string || !string_step(v, d)) {
		vcpu_set_insn_length(v, d->length);
		vcpu_skip(v);
	}
	if (decode_writes(d))
		write_memory(v, offset, d->size, o.memory);
}

static unsigned code_bits(const struct vcpu *v)
{
	u64 ar = vcpu_read(v, VMCS_GUEST_CS_AR);
	return ar & AR_L ? 64 : ar & AR_DB ? 32 : 16;
}

void apic_access(struct vcpu *v, l1pa_t address)
{
	u64 data = EPTV_GLA_VALID | EPTV_GLA_FINAL, q = v->exit.qualification;
	u8 bytes[DECODE_MAX] = {0};
	struct decoded d;

	if ((v->exit.vectoring_info & INTR_VALID) || (q & EPTV_FETCH) || (q & data) != data)
		vcpu_shutdown(v, "the local APIC's page is used as code, stack or table");
	unsigned count = walk_fetch(v, bytes, sizeof(bytes));
	if (decode(&d, bytes, count, code_bits(v))) {
		execute(v, &d, (u32)(address.v & (PAGE_SIZE - 1)));
		return;
	}
	log_line(
		"an instruction that L0 cannot execute on the local APIC, raised #UD: %02x %02x %02x %02x %02x "
		"%02x %02x %02x",
		bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]);
	vcpu_fault(v, VEC_UD, 0);
}
