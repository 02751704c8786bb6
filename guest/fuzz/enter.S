/*
 * u64 fuzz_enter(bool resume, u64 *flags): enters the current VMCS, and gives 0 after an exit, 1 where the
 * instruction failed; RFLAGS, as either leaves them, are in *flags.
 */
	.text
	.code64
	.globl fuzz_enter, fuzz_exit
fuzz_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi
	mov %rsp, fuzz_saved_stack
	test %edi, %edi
	jnz 1f
	vmlaunch
	jmp 2f
1:	vmresume
2:	pushfq
	pop %rcx
	mov $1, %eax
	jmp 3f

fuzz_exit: /* RSP is fuzz_saved_stack */
	mov (%rsp), %rsp
	pushfq
	pop %rcx
	xor %eax, %eax
3:	pop %rsi
	mov %rcx, (%rsi)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.bss
	.balign 16
	.globl fuzz_saved_stack
fuzz_saved_stack:
	.skip 8

	.section .note.GNU-stack, "", @progbits
