/* The way into a guest and back. Contract in vmx/entry.h; slots of gpr[] as in enum gpr. */
#include "vmx/count.h"

	.macro count_one place
#ifdef NESTLING_COUNTERS
	incl	count_of + 4 * \place(%rip)
#endif
	.endm

	.text
	.globl	entry_loop, entry_vm_exit, entry_nmi_fixup, entry_nmi
	.type	entry_loop, @function
	.type	entry_vm_exit, @function
	.type	entry_nmi_fixup, @function

/*
 * Into the guest: rax gpr. Up to the window an NMI may come and set entry_nmi; from there to the entry its
 * handler sends L0 to .Lnmi (entry_nmi_fixup).
 */
	.macro enter insn, window, window_end
	mov	8*1(%rax), %rcx
	mov	8*2(%rax), %rdx
	mov	8*3(%rax), %rbx
	mov	8*5(%rax), %rbp
	mov	8*6(%rax), %rsi
	mov	8*7(%rax), %rdi
	mov	8*8(%rax), %r8
	mov	8*9(%rax), %r9
	mov	8*10(%rax), %r10
	mov	8*11(%rax), %r11
	mov	8*12(%rax), %r12
	mov	8*13(%rax), %r13
	mov	8*14(%rax), %r14
	mov	8*15(%rax), %r15
\window:
	cmpb	$0, entry_nmi(%rip)
	jne	.Lnmi
	mov	8*0(%rax), %rax
	\insn
\window_end:
	.endm

/*
 * rdi gpr. The frame that each exit comes back to: (%rsp) gpr. No register is kept for C across an exit, since
 * nobody returns to it.
 */
entry_loop:
	push	%rbp
	mov	%rsp, %rbp
	sub	$8, %rsp
	push	%rdi
	call	vcpu_next
	jmp	.Lenter
.Lnmi:
	mov	(%rsp), %rdi
	lea	16(%rsp), %rbp
	call	vcpu_next
	jmp	.Lenter
.Lfailed:
	mov	(%rsp), %rdi
	lea	16(%rsp), %rbp
	call	vcpu_not_entered
	jmp	.Lenter

entry_vm_exit:
	count_one COUNT_exit
	push	%rdi
	mov	8(%rsp), %rdi			/* gpr */
	mov	%rax, 8*0(%rdi)
	mov	%rcx, 8*1(%rdi)
	mov	%rdx, 8*2(%rdi)
	mov	%rbx, 8*3(%rdi)
	mov	%rbp, 8*5(%rdi)
	mov	%rsi, 8*6(%rdi)
	pop	8*7(%rdi)
	mov	%r8, 8*8(%rdi)
	mov	%r9, 8*9(%rdi)
	mov	%r10, 8*10(%rdi)
	mov	%r11, 8*11(%rdi)
	mov	%r12, 8*12(%rdi)
	mov	%r13, 8*13(%rdi)
	mov	%r14, 8*14(%rdi)
	mov	%r15, 8*15(%rdi)
	lea	16(%rsp), %rbp			/* of entry_loop: for backtraces */
	call	vcpu_exited
.Lenter:
	test	%rax, %rax
	jz	.Lfirst
	enter	vmresume, .Lwindow, .Lwindow_end
	jmp	.Lfailed

/* HOST_RSP is the same at each entry: a VMCS gets it at its first. */
.Lfirst:
	mov	$0x6c14, %ecx			/* HOST_RSP */
	vmwrite	%rsp, %rcx
	count_one COUNT_vmwrite
	mov	(%rsp), %rax
	enter	vmlaunch, .Lfirst_window, .Lfirst_window_end
	jmp	.Lfailed
	.size	entry_loop, . - entry_loop

/* rdi rip: gives in rax where to go on. */
entry_nmi_fixup:
	mov	%rdi, %rax
	lea	.Lwindow(%rip), %rcx
	lea	.Lwindow_end(%rip), %rdx
	call	.Lfixup
	lea	.Lfirst_window(%rip), %rcx
	lea	.Lfirst_window_end(%rip), %rdx
.Lfixup:
	cmp	%rcx, %rdi
	jb	1f
	cmp	%rdx, %rdi
	jae	1f
	lea	.Lnmi(%rip), %rax
1:	ret
	.size	entry_nmi_fixup, . - entry_nmi_fixup

	.bss
entry_nmi:
	.skip	1

	.section .note.GNU-stack, "", @progbits
