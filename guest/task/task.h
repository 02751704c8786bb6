/*
 * Between the 64-bit program and its 32-bit tasks. For C and assembly.
 */
#ifndef GUEST_TASK_TASK_H
#define GUEST_TASK_TASK_H

/* The GDT has the program's own selectors first: guest/lib/selectors.h. */
#define SEL_END 0x48 /* a TSS for the way back */
#define SEL_MAIN 0x50
#define SEL_A 0x58
#define SEL_GATE 0x60 /* a task gate to A */
#define SEL_SCRATCH 0x68 /* as a test wants it */
#define SEL_LDT 0x70
#define SEL_USER_CODE32 0x7b
#define SEL_HANDLER 0x80 /* a task for exceptions that leave no stack */
#define GDT_ENTRIES 17

#define LOW_CODE 0x8000 /* UD2, for tasks of 16 bits */

/* struct seen, in 32-bit words */
#define SEEN_TIMES 0
#define SEEN_GPR 1
#define SEEN_EFLAGS 9
#define SEEN_SELECTORS 10 /* ES, CS, SS, DS, FS, GS, LDTR, TR */
#define SEEN_CR0 18
#define SEEN_CR3 19
#define SEEN_DR7 20
#define SEEN_DR6 21
#define SEEN_STACK 22 /* six words from ESP on */
#define SEEN_WORDS 28

#ifndef __ASSEMBLER__
#include "vmx/types.h"

extern u32 task_seen_main[SEEN_WORDS], task_seen_a[SEEN_WORDS], task_seen_exception[SEEN_WORDS];
extern u32 task_vector; /* of the exception */
extern u32 task_skip; /* A adds it to the EIP of main, which goes on there */
extern u32 task_by_jump; /* A goes back by JMP, not by IRET */
extern u32 task_cr3; /* not 0: PAE paging by these tables */
extern u32 task_main_tss[26], task_a_tss[26], task_handler_tss[26];
extern u64 task_gdt[GDT_ENTRIES], task_idt[64];
extern const char task_entries[32][8]; /* of exceptions */
extern char task_main_stack[], task_a_stack[], task_ring0_stack[];

/* Code of main, and of A. */
extern const char task_call[], task_jump[], task_call_gate[], task_int[], task_undefined[],
	task_protection[], task_iret[], task_sti_call[], task_long_mode[], task_a[], task_ud2[],
	task_handler[];

/* Runs one of main's in 32-bit protected mode until it ends, or an exception comes to an interrupt gate. */
void task_run(u64 code);
#endif

#endif
