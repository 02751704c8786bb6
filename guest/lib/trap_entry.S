/*
 * The 256 entries of the IDT, and trap_call().
 */
#include "guest/lib/selectors.h"

	.text
	.code64
	.balign 16
	.globl trap_stubs
trap_stubs: /* each 16 bytes */
	.set vector, 0
	.rept 256
	.balign 16
	/* Vectors that push an error code: 8, 10 to 14, 17, 21. */
	.if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21)
	push $0
	.endif
	push $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

trap_common:
	cld
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	push %rdi
	push %rsi
	push %rbp
	push %rbx
	push %rdx
	push %rcx
	push %rax
	mov %rsp, %rdi
	call trap_handle
	pop %rax
	pop %rcx
	pop %rdx
	pop %rbx
	pop %rbp
	pop %rsi
	pop %rdi
	pop %r8
	pop %r9
	pop %r10
	pop %r11
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	add $16, %rsp /* vector and error code */
	iretq

/* u64 trap_call_raw(function, a, b, c): an exception continues at trap_call_return. */
	.globl trap_call_raw, trap_call_return
trap_call_raw:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, trap_call_stack
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	call *%rax
trap_call_return: /* also with the data segments and the stack of another ring or mode */
	mov $SEL_DATA, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	mov %ecx, %ss
	mov trap_call_stack, %rsp
	movq $0, trap_call_stack
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret

	.bss
	.balign 8
	.globl trap_call_stack
trap_call_stack: /* not 0: a trap_call() is under way */
	.skip 8

	.section .note.GNU-stack, "", @progbits
