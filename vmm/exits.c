/*
 * L0's handlers: what an exit of L1 (or one of L2 that is L0's) does on this machine. Each row of
 * vmx/exits.def names one.
 */
#include "vmm/exits.h"

#include "vmm/apic.h"
#include "vmm/bios.h"
#include "vmm/console.h"
#include "vmm/cr.h"
#include "vmm/ept01.h"
#include "vmm/ept02.h"
#include "vmm/event.h"
#include "vmm/msr.h"
#include "vmm/step.h"
#include "vmm/task_switch.h"
#include "vmm/vmx_insn.h"
#include "vmm/watch.h"
#include "vmx/assert.h"
#include "vmx/count.h"
#include "vmx/cpu.h"
#include "vmx/ept_entry.h"

void l0_unexpected(struct vcpu *v)
{
	vcpu_report(v);
	PANIC("%s exit %u (%s) was not asked for", v->loaded->name, v->exit.reason & 0xffff,
	      exit_reason_name(v->exit.reason & 0xffff));
}

void l0_undefined(struct vcpu *v)
{
	vcpu_fault(v, VEC_UD, 0);
}

void l0_exception_nmi(struct vcpu *v)
{
	if (INTR_TYPE(v->exit.intr_info) != INTR_NMI)
		l0_unexpected(v);
	event_pend(v, EVENT_NMI);
	cpu_unblock_nmis(); /* the exit has blocked them, and no handler of L0's returns from it */
}

void l0_triple_fault(struct vcpu *v)
{
	vcpu_shutdown(v, "triple fault");
}

void l0_init_signal(struct vcpu *v)
{
	event_pend(v, EVENT_INIT);
}

void l0_external_interrupt(struct vcpu *v)
{
	apic_external_interrupt(v);
}

/* Asked for while an interrupt waits for its window: vmm/event.c. */
void l0_hlt(struct vcpu *v)
{
	vcpu_skip(v);
	vcpu_write(v, VMCS_GUEST_ACTIVITY_STATE, HLT);
}

void l0_sipi(struct vcpu *v)
{
	v->events.sipi_vector = (u8)v->exit.qualification;
	event_pend(v, EVENT_SIPI);
}

/* The window that L0 waits for is open, or the forced exit has come: the decision is made anew. */
void l0_event(struct vcpu *v)
{
	(void)v;
}

void l0_task_switch(struct vcpu *v)
{
	task_switch(v);
}

void l0_cpuid(struct vcpu *v)
{
	u32 leaf = (u32)v->gpr[RAX], subleaf = (u32)v->gpr[RCX];
	struct cpuid_regs r = cpu_cpuid(leaf, subleaf);

	/*
	 * Bits that mirror L1's own CR4, where no mask of ours hides them; and what is not virtualized: SMX, SGX, processor trace, CET, user
	 * interrupts, supervisor protection keys.
	 */
	if (leaf == 1) {
		r.ecx = (r.ecx & ~(u32)(BIT(27) | BIT(6))) |
			(vcpu_read(v, VMCS_GUEST_CR4) & CR4_OSXSAVE ? BIT(27) : 0);
	} else if (leaf == 7 && subleaf == 0) {
		r.ecx = (r.ecx & ~(u32)(BIT(4) | BIT(7) | BIT(30) | BIT(31))) |
			(vcpu_read(v, VMCS_GUEST_CR4) & CR4_PKE ? BIT(4) : 0);
		r.edx &= ~(u32)(BIT(5) | BIT(20));
		r.ebx &= ~(u32)(BIT(2) | BIT(25));
		if (!caps_has(&v->machine->hw, CI_PROC2_ENABLE_USER_WAIT))
			r.ecx &= ~(u32)BIT(5);
	} else if (leaf == 0x12 || leaf == 0x14) {
		r = (struct cpuid_regs){0, 0, 0, 0};
	}
	count_cpuid(leaf, &r);
	v->gpr[RAX] = r.eax;
	v->gpr[RBX] = r.ebx;
	v->gpr[RCX] = r.ecx;
	v->gpr[RDX] = r.edx;
	vcpu_skip(v);
}

/* Caches are written back, not thrown away: L0's lines are in them too. */
void l0_invd(struct vcpu *v)
{
	cpu_wbinvd();
	vcpu_skip(v);
}

/* L1 has no dual-monitor treatment. SDM: "VMCALL - Call to VM Monitor". */
void l0_vmcall(struct vcpu *v)
{
	if (!bios_vmcall(v))
		vmx_insn_vmcall(v);
}

void l0_vmx_insn(struct vcpu *v)
{
	vmx_insn_execute(v);
}

void l0_vmx_entry(struct vcpu *v)
{
	vmx_insn_enter(v);
}

/* SDM: volume 3A, "Task Priority in IA-32e Mode": CR8 is bits 7:4 of TPR. */
static bool cr8_access(struct vcpu *v, bool load, enum gpr reg)
{
	u64 value = vcpu_gpr(v, reg);

	if (!load)
		vcpu_set_gpr(v, reg, apic_tpr(v) >> 4);
	else if (value > 15)
		return false;
	else
		apic_set_tpr(v, (u8)(value << 4));
	return true;
}

/* Exit qualification: control register 3:0, access 5:4 (0: MOV to), general register 11:8. */
void l0_cr_access(struct vcpu *v)
{
	u64 q = v->exit.qualification;
	u64 value = vcpu_gpr(v, (enum gpr)(q >> 8 & 15));
	bool done;

	bool load = (q >> 4 & 3) == 0;

	ASSERT((q & 15) == 8 || (load && ((q & 15) == 0 || (q & 15) == 4)), "qualification %#lx", q);
	if (!(vcpu_read(v, VMCS_GUEST_CS_AR) & AR_L))
		value &= 0xffffffff;
	if ((q & 15) == 8)
		done = cr8_access(v, load, (enum gpr)(q >> 8 & 15));
	else
		done = (q & 15) == 0 ? cr0_write(v, value) : cr4_write(v, value);
	if (done)
		vcpu_skip(v);
	else
		vcpu_fault(v, VEC_GP, 0);
}

/* What is written to these ports with this value resets the machine. */
static bool resets(u16 port, unsigned size, u32 value)
{
	return size == 1 && ((port == 0x64 && (value & 0xf1) == 0xf0) || (port == 0x92 && (value & 1)) ||
			     (port == 0xcf9 && (value & 4)));
}

static void io_write(u16 port, unsigned size, u32 value)
{
	if (size == 1)
		cpu_out8(port, (u8)value);
	else if (size == 2)
		cpu_out16(port, (u16)value);
	else
		cpu_out32(port, value);
}

static u32 io_read(u16 port, unsigned size)
{
	return size == 1 ? cpu_in8(port) : size == 2 ? cpu_in16(port) : cpu_in32(port);
}

static void stop_watching_resets(struct vcpu *v)
{
	u64 proc = vcpu_read(v, VMCS_PROC_CONTROLS);
	log_line("string I/O on a reset port: resets are no longer reported");
	vcpu_write(v, VMCS_PROC_CONTROLS, proc & ~(u64)PROC_USE_IO_BITMAPS);
}

/*
 * Only the ports that reset the machine exit: L0 tells what L1 was doing, and lets it.
 * Exit qualification: size - 1 in 2:0, IN bit 3, string bit 4, port 31:16.
 */
void l0_io(struct vcpu *v)
{
	u64 q = v->exit.qualification;
	u16 port = (u16)(q >> 16);
	unsigned size = (unsigned)(q & 7) + 1;
	u64 mask = size == 4 ? 0xffffffff : BIT(8 * size) - 1;

	if (q & BIT(4)) {
		stop_watching_resets(v);
		return;
	}
	if (q & BIT(3)) {
		u64 keep = size == 4 ? 0 : v->gpr[RAX] & ~mask;
		v->gpr[RAX] = keep | io_read(port, size);
	} else {
		u32 value = (u32)(v->gpr[RAX] & mask);
		if (resets(port, size, value)) {
			log_urgent("L1 ended: reset through port %#x", port);
			vcpu_report(v);
		}
		io_write(port, size, value);
	}
	vcpu_skip(v);
}

void l0_rdmsr(struct vcpu *v)
{
	u64 value;
	if (!msr_read(v, (u32)v->gpr[RCX], &value)) {
		vcpu_fault(v, VEC_GP, 0);
		return;
	}
	v->gpr[RAX] = value & 0xffffffff;
	v->gpr[RDX] = value >> 32;
	vcpu_skip(v);
}

void l0_wrmsr(struct vcpu *v)
{
	u64 value = (v->gpr[RDX] & 0xffffffff) << 32 | (v->gpr[RAX] & 0xffffffff);
	if (msr_write(v, (u32)v->gpr[RCX], value))
		vcpu_skip(v);
	else
		vcpu_fault(v, VEC_GP, 0);
}

/* SDM: volume 2, "XSETBV": CPL and CR4.OSXSAVE were checked before the exit. */
void l0_xsetbv(struct vcpu *v)
{
	u64 value = (v->gpr[RDX] & 0xffffffff) << 32 | (v->gpr[RAX] & 0xffffffff);
	if (AR_DPL(vcpu_read(v, VMCS_GUEST_SS_AR)) == 0 && xcr_write(v, (u32)v->gpr[RCX], value))
		vcpu_skip(v);
	else
		vcpu_fault(v, VEC_GP, 0);
}

/* vmcs01's state is L0's doing. */
void l0_entry_failed(struct vcpu *v)
{
	vcpu_report(v);
	PANIC("entry with %s failed: exit reason %#x, qualification %#lx", v->loaded->name,
	      v->exit.reason, v->exit.qualification);
}

/* Maps what was missed. False: no page is left for tables. */
static bool map_missed(struct vcpu *v, l1pa_t address, bool write)
{
	struct machine *m = v->machine;

	if (write)
		watch_written(m, address, 1);
	if (!write || !ept01_read_only(m, address))
		return ept01_fill(m, address);
	u64 *leaf = ept01_split(m, address);
	if (leaf)
		step_write(v, leaf);
	return leaf;
}

void l0_ept_violation(struct vcpu *v)
{
	l1pa_t address = {v->exit.gpa};
	bool write = v->exit.qualification & EPTV_WRITE;

	if (ept01_is_apic(v->machine, address)) {
		apic_access(v, address);
		return;
	}
	if (map_missed(v, address, write))
		return;
	step_forget(v);
	ept01_drop(v->machine);
	if (!map_missed(v, address, write))
		PANIC("no page for EPT01");
}

void l0_ept_misconfig(struct vcpu *v)
{
	PANIC("EPT01 is misconfigured for %#lx", v->exit.gpa);
}
