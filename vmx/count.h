/*
 * How many exits L0 takes, and how many VMREADs, VMWRITEs and VMPTRLDs it executes: what costs most on
 * silicon. Only in an image built with NESTLING_COUNTERS (`make bench` builds one beside the ordinary
 * image), where L1 reads them by CPUID leaf COUNT_LEAF in EAX, EBX, ECX and EDX. In the ordinary image
 * nothing of this exists. For C and assembly.
 */
#ifndef VMX_COUNT_H
#define VMX_COUNT_H

#define COUNT_LEAF 0x4e455301

/* The places in count_of[]. Those behind COUNT_vmptrld are not shown. */
#define COUNT_exit 0
#define COUNT_vmread 1
#define COUNT_vmwrite 2
#define COUNT_vmptrld 3
#define COUNT_vmclear 4
#define COUNT_vmxon 5
#define COUNT_PLACES 6

#ifdef NESTLING_COUNTERS
#ifndef __ASSEMBLER__
#include "vmx/cpu.h"

extern u32 count_of[COUNT_PLACES];
#define COUNT_ONE(what) (count_of[COUNT_##what]++)

static inline void count_cpuid(u32 leaf, struct cpuid_regs *r)
{
	if (leaf == COUNT_LEAF)
		*r = (struct cpuid_regs){count_of[COUNT_exit], count_of[COUNT_vmread],
					 count_of[COUNT_vmwrite], count_of[COUNT_vmptrld]};
}
#endif
#else
#define COUNT_ONE(what) ((void)0)
#define count_cpuid(leaf, r) ((void)0)
#endif

#endif
