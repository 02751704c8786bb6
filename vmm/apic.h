/*
 * L1's local APIC. L0 takes every external interrupt (external-interrupt exiting in vmcs01 and vmcs02);
 * what came from the physical local APIC waits here, in IRR and ISR of its own, under L1's TPR, for L1 to
 * take it. All that has nothing to do with priorities (LVT, timer, ID, SVR, ...) is the physical register.
 *
 * An interrupt of the 8259 (ExtINT) is never acknowledged before it can be taken: it stays in the 8259,
 * where L1 can see it, mask it and reset it, as on the bare machine.
 *
 * SDM: volume 3A, chapter "Advanced Programmable Interrupt Controller (APIC)".
 */
#ifndef VMM_APIC_H
#define VMM_APIC_H

#include "vmm/vcpu.h"

/* Requires vmcs01 loaded and VMX operation; the physical APIC is as firmware and GRUB left it. */
void apic_init(struct vcpu *v);

/* An INIT: the APIC as after one. */
void apic_reset(struct vcpu *v);

/*
 * Exit 1 was taken, nothing is acknowledged. What the physical local APIC can deliver is accepted into
 * the virtual one; if there is nothing, it is an ExtINT that waits (see apic_extint_waits).
 */
void apic_external_interrupt(struct vcpu *v);

/* An external interrupt, of either kind, would now be recognized by L1's processor if its IF allowed. */
bool apic_pending(const struct vcpu *v);

/* It is an ExtINT: until it is taken, external-interrupt exiting would only exit again and again. */
bool apic_extint_waits(const struct vcpu *v);

/*
 * Takes the interrupt with the highest priority, as the processor's acknowledge cycle does (IRR to ISR, or
 * INTA to the 8259). Gives its vector; -1 where nothing is left to take.
 */
int apic_acknowledge(struct vcpu *v);

/* IA32_APIC_BASE. False: #GP. */
bool apic_write_base(struct vcpu *v, u64 value);

/* The x2APIC MSRs that are virtual. False: #GP, also where the APIC is not in x2APIC mode. */
bool apic_read_msr(struct vcpu *v, u32 number, u64 *value);
bool apic_write_msr(struct vcpu *v, u32 number, u64 *value);

/* TPR, as CR8 reaches it. */
u8 apic_tpr(const struct vcpu *v);
void apic_set_tpr(struct vcpu *v, u8 value);

/*
 * An EPT violation in the xAPIC's page: executes the instruction. address: l1pa of the access. Requires
 * v->exit filled.
 */
void apic_access(struct vcpu *v, l1pa_t address);

/*
 * L2 has the xAPIC's page as its APIC-access page: hardware virtualizes all its accesses, if the page is
 * mapped. L1 must not run while it is. Requires vmcs02 loaded, or that L2 has just ended.
 */
void apic_show_page(struct vcpu *v, bool shown);

/* Before each entry of L1: when a lower TPR must exit. Requires vmcs01 loaded. */
void apic_update_threshold(struct vcpu *v);

#endif
