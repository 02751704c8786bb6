/*
 * From GRUB to boot_main(): multiboot2 header, then 32-bit protected mode to long mode with page
 * tables that are good enough until boot/memory.c has moved L0 and made the real ones.
 */
#include "vmm/layout.h"

#define MB2_MAGIC 0xe85250d6
#define PTE_P_W 0x003
#define PTE_P_W_PS 0x083

	.section .multiboot, "a"
	.align	8
mb2_header:
	.long	MB2_MAGIC, 0, mb2_end - mb2_header, -(MB2_MAGIC + mb2_end - mb2_header)
mb2_request:
	.short	1, 0				/* information request: memory map */
	.long	mb2_request_end - mb2_request
	.long	6
mb2_request_end:
	.align	8
	.short	6, 0				/* modules page-aligned */
	.long	8
	.short	0, 0
	.long	8
mb2_end:

	.section .boot, "ax"
	.code32
	.globl	boot_entry
boot_entry:
	cli
	cld
	mov	$boot_stack_end, %esp
	mov	%eax, %ebp			/* magic; ebx: information */
	mov	%ebx, %edi
	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	.Lno_long_mode
	mov	$0x80000001, %eax
	cpuid
	bt	$29, %edx
	jnc	.Lno_long_mode
	bt	$20, %edx			/* execute disable */
	jnc	.Lno_long_mode

	/* The first 4 GiB at 0 and at DIRECT_BASE; 16 MiB from L0_LOAD at L0_BASE. */
	movl	$boot_pdpt_low + PTE_P_W, boot_pml4
	movl	$boot_pdpt_low + PTE_P_W, boot_pml4 + 8 * 256
	movl	$boot_pdpt_high + PTE_P_W, boot_pml4 + 8 * 511
	movl	$boot_pd_high + PTE_P_W, boot_pdpt_high + 8 * 510
	mov	$boot_pd_low, %esi
	xor	%ecx, %ecx
1:	mov	%ecx, %eax
	shl	$21, %eax
	or	$PTE_P_W_PS, %eax
	mov	%eax, (%esi, %ecx, 8)
	inc	%ecx
	cmp	$2048, %ecx
	jb	1b
	xor	%ecx, %ecx
2:	mov	%ecx, %eax
	shl	$12, %eax
	add	$boot_pd_low + PTE_P_W, %eax
	mov	%eax, boot_pdpt_low(, %ecx, 8)
	inc	%ecx
	cmp	$4, %ecx
	jb	2b
	xor	%ecx, %ecx
3:	mov	%ecx, %eax
	shl	$21, %eax
	add	$L0_LOAD + PTE_P_W_PS, %eax
	mov	%eax, boot_pd_high(, %ecx, 8)
	inc	%ecx
	cmp	$8, %ecx
	jb	3b

	mov	%cr4, %eax
	or	$0x20, %eax			/* PAE */
	mov	%eax, %cr4
	mov	$boot_pml4, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER: LME, NXE */
	rdmsr
	or	$0x900, %eax
	wrmsr
	mov	%cr0, %eax
	and	$~0xc, %eax			/* EM TS off; CD NW as firmware left them: they are L1's */
	or	$0x80010022, %eax		/* PG WP NE MP */
	mov	%eax, %cr0
	lgdt	boot_gdt_pointer
	ljmp	$SEL_CODE, $boot_64

/* No 64-bit processor has got here, so none with VMX that we can use. */
.Lno_long_mode:
	mov	$boot_refusal, %esi
1:	lodsb
	test	%al, %al
	jz	3f
	mov	%al, %bl
	out	%al, $0xe9
	mov	$0x3f8 + 5, %dx
	mov	$100000, %ecx
2:	in	%dx, %al
	test	$0x20, %al
	loopz	2b
	mov	%bl, %al
	mov	$0x3f8, %dx
	out	%al, %dx
	jmp	1b
3:	cli
	hlt
	jmp	3b
boot_refusal:
	.asciz	"nestling: refused: this is no 64-bit processor with execute-disable; use one with Intel VT-x\n"

	.code64
boot_64:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%edi, %esi			/* information */
	mov	%ebp, %edi			/* magic */
	mov	$stack_boot_end, %rsp
	xor	%ebp, %ebp
	mov	$boot_main, %rax
	call	*%rax
1:	cli
	hlt
	jmp	1b

	.align	8
boot_gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_pointer:
	.short	boot_gdt_pointer - boot_gdt - 1
	.quad	boot_gdt

	.section .boot.bss, "aw", @nobits
	.align	4096
boot_pml4:	.skip	4096
boot_pdpt_low:	.skip	4096
boot_pdpt_high:	.skip	4096
boot_pd_high:	.skip	4096
boot_pd_low:	.skip	4 * 4096
boot_stack:	.skip	256
boot_stack_end:

/* Each stack has a page below it that the real page tables leave out. */
	.section .stacks, "aw", @nobits
	.macro	stack name
	.globl	\name\()_guard, \name\()_end
	.align	4096
\name\()_guard:	.skip	4096
	.skip	STACK_SIZE
\name\()_end:
	.endm
	stack	stack_boot
	stack	stack_nmi
	stack	stack_df
	stack	stack_mc

	.text
/*
 * boot_move(rdi to, rsi from, rdx size, rcx cr3): copies the running image, this stack in it, and goes
 * on in the copy. Nothing may be written between the copy and the new CR3.
 */
	.globl	boot_move
	.type	boot_move, @function
boot_move:
	mov	%rcx, %rax
	mov	%rdx, %rcx
	cld
	rep movsb
	mov	%rax, %cr3
	ret
	.size	boot_move, . - boot_move

/* boot_load_segments(): CS, DS, ES, SS, FS, GS from the GDT that is loaded now. */
	.globl	boot_load_segments
	.type	boot_load_segments, @function
boot_load_segments:
	pop	%rax
	pushq	$SEL_CODE
	push	%rax
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	lretq
	.size	boot_load_segments, . - boot_load_segments

/*
 * One stub per vector: error code (or 0), vector, then fault_common. Whether there is an error code shows
 * in the stack: the processor aligns it to 16 bytes before it pushes five words, or six. (An external
 * interrupt has none, whatever its vector.)
 */
	.globl	fault_stubs
	.align	16
fault_stubs:
	.set	vector, 0
	.rept	256
	.align	16
	push	$vector
	jmp	fault_common
	.set	vector, vector + 1
	.endr

fault_common:
	test	$8, %spl
	jnz	1f
	push	(%rsp)				/* vector */
	movq	$0, 8(%rsp)			/* error code */
1:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	mov	%rsp, %rdi
	cld
	call	fault_handle
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
