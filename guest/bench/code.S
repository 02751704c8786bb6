/*
 * L2: each piece does one thing for ever. L1 moves RIP over the instruction that exits.
 */
	.text
	.code64
	.macro piece name
	.globl l2_\name
	.balign 16
l2_\name:
	.endm

	.macro rdtsc_to reg
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, \reg
	.endm

	piece vmcall
1:	vmcall
	jmp 1b

	piece cpuid
1:	cpuid
	jmp 1b

	piece rdmsr
	mov $0xc0000102, %ecx /* IA32_KERNEL_GS_BASE */
1:	rdmsr
	jmp 1b

	piece in
1:	in $0x80, %al
	jmp 1b

	piece mov_cr3
	mov %cr3, %rax
1:	mov %rax, %cr3
	jmp 1b

	piece hlt
1:	hlt
	jmp 1b

	piece spin
1:	jmp 1b

/* RSI pages from RDI on are written to, each RCX behind the last; RAX: the instructions that took. */
	piece touch
	rdtsc_to %r8
1:	movb $1, (%rdi)
	add %rcx, %rdi
	dec %rsi
	jnz 1b
	rdtsc_to %rax
	sub %r8, %rax
	vmcall
	jmp l2_touch

	piece touch_one
1:	movb $1, (%rdi)
	vmcall
	jmp 1b

/* RSI reads of a port; RAX as above. */
	piece io
	rdtsc_to %r8
1:	in $0x80, %al
	dec %rsi
	jnz 1b
	rdtsc_to %rax
	sub %r8, %rax
	vmcall
	jmp l2_io

	piece interrupt
	iretq

	.section .note.GNU-stack, "", @progbits
