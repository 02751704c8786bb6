#include "guest/lib/selectors.h"
#include "guest/rules/legacy.h"

#define CR0_PE 1
#define CR0_PG 0x80000000
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define RFLAGS_V86 0x23002 /* VM, IOPL 3: INT n goes through the IDT */
#define VECTORS LEGACY_VECTORS
#define LOW(label) (LOW_CODE + (label - low_code))

/* u64 legacy_run(u64 code, u64 mode, u64 tss) */
	.text
	.code64
	.globl legacy_run
legacy_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_stack
	mov 4(%rdx), %rax
	mov %rax, saved_tss_stack
	mov %rdx, saved_tss
	mov %cr3, %rax
	mov %rax, saved_cr3
	sidt saved_idt
	push $SEL_CODE32
	push $leave_long_mode
	lretq

	/* EDI is the code, ESI the mode, EDX the TSS. */
	.code32
leave_long_mode:
	mov %edx, %ebx
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov $MSR_EFER, %ecx
	rdmsr
	and $~EFER_LME, %eax
	wrmsr
	lidt idt_32
	mov %edi, %eax
	mov $LOW_OPERAND, %edi
	cmp $LEGACY_PROTECTED, %esi
	je 1f
	cmp $LEGACY_V86, %esi
	je 2f
	cmp $LEGACY_PAE, %esi
	je 3f
	ljmp $SEL_CODE16, $LOW(enter_real)
3:	mov legacy_cr3, %ecx
	mov %ecx, %cr3
	mov %cr0, %ecx
	or $CR0_PG, %ecx
	mov %ecx, %cr0
1:	xor %esi, %esi
	jmp *%eax
2:	movl $exception_stack, 4(%ebx) /* ESP0 */
	movl $SEL_DATA, 8(%ebx) /* SS0 */
	xor %esi, %esi
	push $0 /* GS, FS, DS, ES, SS */
	push $0
	push $0
	push $0
	push $0
	push $LOW_STACK
	push $RFLAGS_V86
	push $0
	push %eax
	iretl

	/* One entry for each vector, 8 bytes long: its number is where it was called from. */
	.balign 8
	.globl legacy_entries_32
legacy_entries_32:
	.rept VECTORS
	call exception_32
	.balign 8
	.endr

exception_32: /* from protected mode or virtual-8086 mode */
	mov $SEL_DATA, %eax
	mov %eax, %ds
	pop %eax
	sub $legacy_entries_32, %eax
	shr $3, %eax
	mov %eax, LOW(low_vector)

back:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov saved_cr3, %eax
	mov %eax, %cr3
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
	mov saved_tss, %rdx
	mov saved_tss_stack, %rax
	mov %rax, 4(%rdx)
	mov LOW(low_vector), %eax
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* ---- copied to LOW_CODE, and run there */
	.balign 16
	.code16
	.globl low_code, low_code_end
low_code:
enter_real: /* 16-bit protected mode; EAX is the code */
	mov $SEL_DATA16, %cx
	mov %cx, %ds
	mov %cx, %es
	mov %cx, %fs
	mov %cx, %gs
	mov %cx, %ss
	lidtl LOW(idt_real)
	mov %cr0, %ecx
	and $~CR0_PE, %ecx
	mov %ecx, %cr0
	ljmp $0, $LOW(in_real)
in_real:
	xor %cx, %cx
	mov %cx, %ds
	mov %cx, %es
	mov %cx, %ss
	mov $LOW_STACK, %sp
	xor %esi, %esi
	jmp *%ax

	/* The same as legacy_entries_32, 4 bytes each. */
	.balign 4
entries_real:
	.rept VECTORS
	call exception_real
	.balign 4
	.endr

exception_real:
	pop %ax
	sub $LOW(entries_real), %ax
	shr $2, %ax
	movzwl %ax, %eax
	mov %eax, LOW(low_vector)
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
low_vector:
	.long 0
idt_real:
	.word 4 * VECTORS - 1
	.long LOW(table_real)
	.balign 4
table_real: /* segment 0 */
	.set at, 0
	.rept VECTORS
	.word LOW(entries_real) + at
	.word 0
	.set at, at + 4
	.endr
low_code_end:

	.section .rodata
	.balign 8
	.globl snippet16
snippet16:
#define X(name, ...) .quad in16_##name ;
#include "guest/rules/snippets.def"
#undef X

idt_32:
	.word 8 * VECTORS - 1
	.long legacy_idt_32

	.bss
	.balign 8
	.globl legacy_idt_32
legacy_idt_32: /* snippets.c fills it: a relocation cannot halve an address */
	.skip 8 * VECTORS
saved_stack:
	.skip 8
saved_tss:
	.skip 8
saved_cr3:
	.skip 8
	.globl legacy_cr3
legacy_cr3:
	.skip 8
saved_tss_stack:
	.skip 8
saved_idt:
	.skip 16
	.skip 256
exception_stack:

	.section .note.GNU-stack, "", @progbits
