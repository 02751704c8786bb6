/*
 * u64 vm_enter_raw(u64 *gpr, bool launched): into L2 with the registers gpr[], and back at its exit.
 *
 * The host stack of an exit is one saved word, so that HOST_RSP never has to be rewritten: it holds
 * the stack pointer to go back to, and below the caller's gpr.
 */
#define AT(n) (n) * 8(%rax)

	.text
	.code64
	.globl vm_enter_raw, vm_exit_rip
vm_enter_raw:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdi
	mov %rsp, vm_saved_stack
	mov %rdi, %rax
	test %sil, %sil /* nothing below changes ZF */
	mov AT(1), %rcx
	mov AT(2), %rdx
	mov AT(3), %rbx
	mov AT(5), %rbp
	mov AT(6), %rsi
	mov AT(7), %rdi
	mov AT(8), %r8
	mov AT(9), %r9
	mov AT(10), %r10
	mov AT(11), %r11
	mov AT(12), %r12
	mov AT(13), %r13
	mov AT(14), %r14
	mov AT(15), %r15
	mov AT(0), %rax
	jnz 1f
	vmlaunch
	jmp 2f
1:	vmresume
2:	pushfq /* it failed: nothing else has changed */
	pop %rax
	pop %rdi
	jmp 3f

vm_exit_rip: /* RSP is vm_saved_stack */
	mov %rax, vm_saved_rax
	mov (%rsp), %rsp
	pop %rax
	mov %rcx, AT(1)
	mov %rdx, AT(2)
	mov %rbx, AT(3)
	mov %rbp, AT(5)
	mov %rsi, AT(6)
	mov %rdi, AT(7)
	mov %r8, AT(8)
	mov %r9, AT(9)
	mov %r10, AT(10)
	mov %r11, AT(11)
	mov %r12, AT(12)
	mov %r13, AT(13)
	mov %r14, AT(14)
	mov %r15, AT(15)
	mov vm_saved_rax, %rcx
	mov %rcx, AT(0)
	xor %eax, %eax
3:	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.bss
	.balign 16
	.globl vm_saved_stack
vm_saved_stack:
	.skip 8
vm_saved_rax:
	.skip 8

	.section .note.GNU-stack, "", @progbits
