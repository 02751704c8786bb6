/*
 * L0's descriptor tables and its own exceptions. SDM: volume 3A, "Interrupt and Exception Handling".
 */
#ifndef BOOT_FAULT_H
#define BOOT_FAULT_H

#include "vmx/types.h"

struct descriptor_tables {
	u64 gdt[5]; /* null, code, data, TSS (two slots) */
	u32 tss[26];
	struct {
		u64 low, high;
	} idt[256];
};

/*
 * Loads GDT, TSS (with stacks of their own for NMI, #DF and #MC) and IDT. *nmi is set by an NMI. What
 * comes where L0 allows interrupts (cpu_interrupt_window) is stored in *interrupt, and closes the window.
 */
void fault_init(struct descriptor_tables *tables, int *interrupt);

#endif
