/* The way into a guest and back. Contract in vmx/entry.h; slots of gpr[] as in enum gpr. */
#include "vmx/count.h"

	.macro count_one place
#ifdef NESTLING_COUNTERS
	incl	count_of + 4 * \place(%rip)
#endif
	.endm

	.text
	.globl	entry_run, entry_vm_exit, entry_nmi_fixup
	.type	entry_run, @function
	.type	entry_vm_exit, @function
	.type	entry_nmi_fixup, @function

/* rdi gpr, esi launched, rdx nmi */
entry_run:
	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx
	push	%rdi
	mov	$0x6c14, %eax			/* HOST_RSP */
	vmwrite	%rsp, %rax
	count_one COUNT_vmwrite
	mov	%rdi, %rax
	mov	8*1(%rax), %rcx
	mov	8*3(%rax), %rbx
	mov	8*5(%rax), %rbp
	mov	8*7(%rax), %rdi
	mov	8*8(%rax), %r8
	mov	8*9(%rax), %r9
	mov	8*10(%rax), %r10
	mov	8*11(%rax), %r11
	mov	8*12(%rax), %r12
	mov	8*13(%rax), %r13
	mov	8*14(%rax), %r14
	mov	8*15(%rax), %r15
.Lwindow:
	cmpb	$0, (%rdx)
	jne	.Lnot_done
	test	%esi, %esi
	mov	8*2(%rax), %rdx			/* mov leaves ZF */
	mov	8*6(%rax), %rsi
	mov	8*0(%rax), %rax
	jz	.Llaunch
	vmresume
	jmp	.Lfailed
.Llaunch:
	vmlaunch
.Lwindow_end:
.Lfailed:
	mov	$1, %eax
	jmp	.Lout
.Lnot_done:
	mov	$2, %eax
	jmp	.Lout

entry_vm_exit:
	count_one COUNT_exit
	push	%rax
	mov	8(%rsp), %rax			/* gpr */
	mov	%rcx, 8*1(%rax)
	mov	%rdx, 8*2(%rax)
	mov	%rbx, 8*3(%rax)
	mov	%rbp, 8*5(%rax)
	mov	%rsi, 8*6(%rax)
	mov	%rdi, 8*7(%rax)
	mov	%r8, 8*8(%rax)
	mov	%r9, 8*9(%rax)
	mov	%r10, 8*10(%rax)
	mov	%r11, 8*11(%rax)
	mov	%r12, 8*12(%rax)
	mov	%r13, 8*13(%rax)
	mov	%r14, 8*14(%rax)
	mov	%r15, 8*15(%rax)
	pop	%rcx
	mov	%rcx, 8*0(%rax)
	xor	%eax, %eax
.Lout:
	pop	%rdi
	pop	%rdx
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	entry_run, . - entry_run

/* rdi rip. An NMI inside the window leaves through .Lnot_done: its handler has set *nmi. */
entry_nmi_fixup:
	lea	.Lwindow(%rip), %rax
	cmp	%rax, %rdi
	jb	1f
	lea	.Lwindow_end(%rip), %rax
	cmp	%rax, %rdi
	jae	1f
	lea	.Lnot_done(%rip), %rax
	ret
1:	mov	%rdi, %rax
	ret
	.size	entry_nmi_fixup, . - entry_nmi_fixup
