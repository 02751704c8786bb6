#include "guest/lib/selectors.h"
#include "guest/rules/real_mode.h"

#define CR0_PE 1
#define CR0_PG 0x80000000
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define VECTORS 0x41 /* up to the one that says "no exception" */
#define LOW(label) (REAL_CODE + (label - real_code))

/* u64 real_run(u64 code) */
	.text
	.code64
	.globl real_run
real_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_stack
	sidt saved_idt
	push $SEL_CODE32
	push $leave_long_mode
	lretq

	.code32
leave_long_mode:
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov $MSR_EFER, %ecx
	rdmsr
	and $~EFER_LME, %eax
	wrmsr
	ljmp $SEL_CODE16, $LOW(real_enter)

back:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	ljmp $SEL_CODE64, $back_in_long_mode

	.code64
back_in_long_mode:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	mov saved_stack, %rsp
	lidt saved_idt
	movzbl LOW(real_vector), %eax
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* ---- copied to REAL_CODE, and run there */
	.balign 16
	.code16
	.globl real_code, real_code_end
real_code:
real_enter: /* 16-bit protected mode; DI is the code to run */
	mov $SEL_DATA16, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %ax, %ss
	lidtl LOW(real_idt)
	mov %cr0, %eax
	and $~CR0_PE, %eax
	mov %eax, %cr0
	ljmp $0, $LOW(real_here)
real_here:
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $REAL_STACK, %sp
	mov %edi, %eax
	mov $REAL_OPERAND, %edi
	xor %esi, %esi
	jmp *%ax

	/* One entry for each vector, 4 bytes long: its number is where it was called from. */
	.balign 4
real_vectors:
	.rept VECTORS
	call real_exception
	.balign 4
	.endr

real_exception:
	pop %ax
	sub $LOW(real_vectors), %ax
	shr $2, %ax
	mov %al, LOW(real_vector)
	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $SEL_CODE32, $back

#define A %edi
#define S %esi
#define X(name, ...) in16_##name: __VA_ARGS__ ; int $0x40 ;
#include "guest/rules/snippets.def"
#undef X
#undef A
#undef S

	.balign 4
real_vector:
	.long 0
real_idt:
	.word 4 * VECTORS - 1
	.long LOW(real_table)
	.balign 4
real_table: /* segment 0 */
	.set at, 0
	.rept VECTORS
	.word LOW(real_vectors) + at
	.word 0
	.set at, at + 4
	.endr
real_code_end:

	.section .rodata
	.balign 8
	.globl real_snippet
real_snippet:
#define X(name, ...) .quad in16_##name ;
#include "guest/rules/snippets.def"
#undef X

	.bss
	.balign 8
saved_stack:
	.skip 8
saved_idt:
	.skip 16

	.section .note.GNU-stack, "", @progbits
