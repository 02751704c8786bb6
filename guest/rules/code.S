#include "guest/lib/selectors.h"

#define ARITHMETIC_FLAGS 0x8d7
#define VMCS_HOST_RSP 0x6c14
#define VMCS_HOST_RIP 0x6c16

/* ---- L2 */
	.text
	.code64
	.globl l2_vmcall, l2_vmfunc, l2_count
l2_vmcall:
	vmcall
	jmp l2_vmcall

l2_count:
	inc %rsp
	mov %eax, %es
	vmcall
	jmp l2_count

l2_vmfunc:
	vmfunc
	vmcall

/*
 * u64 enter_after_...(resume, 0, 0): RFLAGS of VMLAUNCH or VMRESUME behind the instruction, or all
 * ones after an exit of L2.
 */
	.macro ENTER_AFTER name, blocking:vararg
	.globl enter_after_\name
enter_after_\name:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_stack
	mov $VMCS_HOST_RSP, %eax
	vmwrite %rsp, %rax
	mov $VMCS_HOST_RIP, %eax
	lea 3f, %rcx
	vmwrite %rcx, %rax
	mov %ss, %ecx
	test %edi, %edi
	pushq $ARITHMETIC_FLAGS
	jnz 1f
	popfq
	\blocking
	vmlaunch
	jmp 2f
1:	popfq
	\blocking
	vmresume
2:	pushfq
	cli
	pop %rax
	jmp 4f
3:	mov $-1, %rax
4:	mov saved_stack, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.endm

ENTER_AFTER mov_ss, mov %ecx, %ss
ENTER_AFTER sti, sti

	.bss
	.balign 8
saved_stack:
	.skip 8

	.section .note.GNU-stack, "", @progbits
