/*
 * VMX instructions with operands of every form.
 */
#include "guest/rules/code.h"

/* The preprocessor does not look into the quoted operands below. */
	.set fs_base, FORM_FS_BASE
	.set gs_base, FORM_GS_BASE

	.macro FORM_BEGIN
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_stack
	.endm

	.macro FORM_END
	mov saved_stack, %rsp
	pushfq
	pop %rax
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.endm

/*
 * Functions form_<insn>_<name>(address, field), and a row of forms[]. `set` makes the registers from
 * the address in RDI, \address is the operand.
 */
	.macro FORM name, text, address, set
	.text
	.globl form_vmread_\name, form_vmwrite_\name, form_vmptrst_\name, form_vmptrld_\name
form_vmread_\name:
	FORM_BEGIN
	\set
	vmread %rsi, \address
	FORM_END
form_vmwrite_\name:
	FORM_BEGIN
	\set
	vmwrite \address, %rsi
	FORM_END
form_vmptrst_\name:
	FORM_BEGIN
	\set
	vmptrst \address
	FORM_END
form_vmptrld_\name:
	FORM_BEGIN
	\set
	vmptrld \address
	FORM_END
	.section .rodata.text, "a"
form_text_\name:
	.asciz "\text"
	.section .rodata.forms, "a"
	.quad form_text_\name, form_vmread_\name, form_vmwrite_\name, form_vmptrst_\name, form_vmptrld_\name
	.endm

	.section .rodata.forms, "a"
	.balign 8
	.globl forms, forms_end
forms:
FORM rdi, "(rdi)", "(%rdi)", "nop"
FORM rax, "(rax)", "(%rax)", "mov %rdi, %rax"
FORM rcx, "(rcx)", "(%rcx)", "mov %rdi, %rcx"
FORM rdx, "(rdx)", "(%rdx)", "mov %rdi, %rdx"
FORM rbx, "(rbx)", "(%rbx)", "mov %rdi, %rbx"
FORM rsp, "(rsp)", "(%rsp)", "mov %rdi, %rsp"
FORM rbp, "(rbp)", "(%rbp)", "mov %rdi, %rbp"
FORM r8, "(r8)", "(%r8)", "mov %rdi, %r8"
FORM r12, "(r12)", "(%r12)", "mov %rdi, %r12"
FORM r13, "(r13)", "(%r13)", "mov %rdi, %r13"
FORM r15, "(r15)", "(%r15)", "mov %rdi, %r15"
FORM disp8, "disp8(rax)", "0x10(%rax)", "lea -0x10(%rdi), %rax"
FORM disp8_negative, "-disp8(rax)", "-0x10(%rax)", "lea 0x10(%rdi), %rax"
FORM disp32, "disp32(rbx)", "0x12340(%rbx)", "lea -0x12340(%rdi), %rbx"
FORM disp32_negative, "-disp32(r14)", "-0x12340(%r14)", "lea 0x12340(%rdi), %r14"
FORM sib1, "(rax+rcx)", "(%rax, %rcx)", "mov $24, %ecx ; lea -24(%rdi), %rax"
FORM sib2, "(rax+rcx*2)", "(%rax, %rcx, 2)", "mov $24, %ecx ; lea -48(%rdi), %rax"
FORM sib4, "disp8(rbx+rdx*4)", "8(%rbx, %rdx, 4)", "mov $3, %edx ; lea -20(%rdi), %rbx"
FORM sib8, "disp32(r9+r10*8)", "0x1000(%r9, %r10, 8)", "mov $5, %r10 ; lea -0x1028(%rdi), %r9"
FORM sib_negative, "(rax+r15*8), r15 negative", "(%rax, %r15, 8)", "mov $-2, %r15 ; lea 16(%rdi), %rax"
FORM sib_r12, "(rax+r12*2)", "(%rax, %r12, 2)", "mov $8, %r12 ; lea -16(%rdi), %rax"
FORM sib_rsp, "disp8(rsp+rax)", "8(%rsp, %rax)", "mov $8, %eax ; lea -16(%rdi), %rsp"
FORM sib_rbp, "(rbp+rax)", "(%rbp, %rax)", "mov $8, %eax ; lea -8(%rdi), %rbp"
FORM no_base, "disp32(rcx*8)", "0x100(, %rcx, 8)", "lea -0x100(%rdi), %rcx ; shr $3, %rcx"
FORM absolute, "disp32", "form_cell", "nop"
FORM rip, "disp32(rip)", "form_cell(%rip)", "nop"
FORM fs, "fs:(rax)", "%fs:(%rax)", "lea -fs_base(%rdi), %rax"
FORM gs, "gs:disp8(rax+rcx*4)", "%gs:8(%rax, %rcx, 4)", "mov $4, %ecx ; lea -gs_base-24(%rdi), %rax"
FORM gs_rbp, "gs:(rbp)", "%gs:(%rbp)", "lea -gs_base(%rdi), %rbp"
FORM addr32, "(eax), RAX wider", "(%eax)", "movabs $0x5500000000, %rax ; or %rdi, %rax"
FORM addr32_wrap, "disp32(ecx), wrapping", "0x7fffff00(%ecx)", "lea -0x7fffff00(%rdi), %rcx"
FORM addr32_fs, "fs:(edx)", "%fs:(%edx)", "lea -fs_base(%rdi), %rdx"
FORM addr32_sib, "disp8(r8d+r9d*2)", "4(%r8d, %r9d, 2)", "mov $6, %r9d ; lea -16(%rdi), %r8"
	.section .rodata.forms, "a"
forms_end:

/* ---- registers: (field, value) */

/* `field` holds RDI's value, in a register that is not \reg. */
	.macro REGISTER number, reg, field
	.text
vmread_to_\number:
	FORM_BEGIN
	mov %rdi, \field
	vmread \field, \reg
	mov \reg, form_cell
	FORM_END
vmread_field_\number:
	FORM_BEGIN
	mov %rdi, \reg
	vmread \reg, \field
	mov \field, form_cell
	FORM_END
vmwrite_from_\number:
	FORM_BEGIN
	mov %rdi, \field
	mov %rsi, \reg
	vmwrite \reg, \field
	FORM_END
	.endm

REGISTER 0, %rax, %rdi
REGISTER 1, %rcx, %rdi
REGISTER 2, %rdx, %rdi
REGISTER 3, %rbx, %rdi
REGISTER 4, %rsp, %rdi
REGISTER 5, %rbp, %r8
REGISTER 6, %rsi, %r9
REGISTER 7, %rdi, %r10
REGISTER 8, %r8, %rdi
REGISTER 9, %r9, %r13
REGISTER 10, %r10, %r15
REGISTER 11, %r11, %rdi
REGISTER 12, %r12, %rax
REGISTER 13, %r13, %rdi
REGISTER 14, %r14, %rbx
REGISTER 15, %r15, %r14

	.section .rodata
	.balign 8
	.macro TABLE name
	.globl \name
\name:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.quad \name\()_\n
	.endr
	.endm
TABLE vmread_to
TABLE vmread_field
TABLE vmwrite_from

	.bss
	.balign 8
	.globl form_cell
form_cell:
	.skip 8
saved_stack:
	.skip 8

	.section .note.GNU-stack, "", @progbits
