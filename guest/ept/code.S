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

/* Reads, then writes SIL, at RDI unless that is 0, exits unless R8 is 0, and reads the MSR in ECX. */
	.globl l2_msr
	.balign 16
l2_msr:
	test %rdi, %rdi
	jz 1f
	mov (%rdi), %dl
	mov %sil, (%rdi)
1:	test %r8, %r8
	jz 2f
	vmcall
2:	rdmsr
	vmcall
	jmp l2_msr

	.section .note.GNU-stack, "", @progbits
