/*
 * L2. RAX says what to do at RDI: 0 read into RDX (at 8), 1 write RSI (at 16), 2 call.
 */
	.text
	.code64
	.globl l2_access
	.balign 16
l2_access:
	cmp $1, %eax
	je 1f
	ja 2f
	mov 8(%rdi), %rdx
	jmp 3f
1:	mov %rsi, 16(%rdi)
	jmp 3f
2:	call *%rdi
3:	vmcall
	jmp l2_access

	.section .note.GNU-stack, "", @progbits
