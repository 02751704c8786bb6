/*
 * What L1 does to have an interrupt or an NMI pending: it sends them to itself through its
 * local APIC. SDM: "Advanced Programmable Interrupt Controller (APIC)".
 */
#ifndef GUEST_EVENTS_APIC_H
#define GUEST_EVENTS_APIC_H

#include "vmx/types.h"

/* Enables the local APIC; the gate of NMIs becomes ours. Once. */
void apic_init(void);

/* L1 runs with IF = 0, so this stays pending. */
void apic_send(u8 vector);

/* An NMI that stays pending: NMIs are blocked for L1 until apic_unblock_nmi(). */
bool apic_send_nmi(void); /* false: L1 does not get the first one, that blocks */
void apic_unblock_nmi(void);

/* What L2 may write to this address, with its own hand, to send itself an NMI. */
#define APIC_ICR_ADDRESS 0xfee00300
u32 apic_nmi_command(void);

void apic_eoi(void);

/* The highest vector in IRR or ISR, or -1. */
int apic_requested(void);
int apic_in_service(void);

/* Takes and ends everything that is pending or in service; gives how many were pending. */
unsigned apic_drain(void);

#endif
