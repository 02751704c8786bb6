/* The way into a guest and back. Contract in vmx/entry.h; slots of gpr[] as in enum gpr. */
#include "vmx/count.h"
#include "vmx/entry.h"

	.macro count_one place
#ifdef NESTLING_COUNTERS
	incl	count_of + 4 * \place(%rip)
#endif
	.endm

	.text
	.globl	entry_loop, entry_vm_exit, entry_nmi_fixup
	.type	entry_loop, @function
	.type	entry_vm_exit, @function
	.type	entry_nmi_fixup, @function

/*
 * Into the guest: rdi gpr, rdx nmi. Up to .Lwindow an NMI may come and set *nmi; from there to the entry its
 * handler sends L0 to .Lnot_done (entry_nmi_fixup).
 */
	.macro enter insn, window, window_end
	mov	8*1(%rdi), %rcx
	mov	8*3(%rdi), %rbx
	mov	8*5(%rdi), %rbp
	mov	8*6(%rdi), %rsi
	mov	8*8(%rdi), %r8
	mov	8*9(%rdi), %r9
	mov	8*10(%rdi), %r10
	mov	8*11(%rdi), %r11
	mov	8*12(%rdi), %r12
	mov	8*13(%rdi), %r13
	mov	8*14(%rdi), %r14
	mov	8*15(%rdi), %r15
\window:
	cmpb	$0, (%rdx)
	jne	.Lnot_done
	mov	8*0(%rdi), %rax
	mov	8*2(%rdi), %rdx
	mov	8*7(%rdi), %rdi
	\insn
\window_end:
	.endm

/*
 * rdi gpr, rsi nmi. The frame that each exit comes back to: (%rsp) gpr, 8(%rsp) nmi. No register is kept for
 * C across an exit, since nobody returns to it.
 */
entry_loop:
	push	%rbp
	mov	%rsp, %rbp
	push	%rsi
	push	%rdi
	mov	$ENTRY_NOT_DONE, %esi
	jmp	.Lnext
.Lnot_done:
	mov	$ENTRY_NOT_DONE, %esi
	jmp	.Lagain
.Lfailed:
	mov	$ENTRY_FAILED, %esi
.Lagain:
	mov	(%rsp), %rdi
	lea	16(%rsp), %rbp
	jmp	.Lnext

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
	xor	%esi, %esi			/* ENTRY_EXITED */
.Lnext:
	call	vcpu_next			/* rdi gpr, esi how the last entry ended: al launched */
	mov	(%rsp), %rdi
	mov	8(%rsp), %rdx
	test	%al, %al
	jz	.Lfirst
	enter	vmresume, .Lwindow, .Lwindow_end
	jmp	.Lfailed

/* HOST_RSP is the same at each entry: a VMCS gets it at its first. */
.Lfirst:
	mov	$0x6c14, %ecx			/* HOST_RSP */
	vmwrite	%rsp, %rcx
	count_one COUNT_vmwrite
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
	lea	.Lnot_done(%rip), %rax
1:	ret
	.size	entry_nmi_fixup, . - entry_nmi_fixup

	.section .note.GNU-stack, "", @progbits
