#include "guest/rules/l2_rows.h"

#define AX 0
#define CX 1
#define DX 2
#define BX 3
#define SP 4
#define BP 5
#define SI 6
#define DI 7
#define R8 8
#define R9 9
#define R10 10
#define R11 11
#define R12 12
#define R13 13
#define R14 14
#define R15 15

#define ES SEGMENT(0)
#define CS SEGMENT(1)
#define SS SEGMENT(2)
#define DS SEGMENT(3)
#define FS SEGMENT(4)
#define GS SEGMENT(5)

#define M64 ADDRESS_64 + NO_INDEX /* base only */
#define M32 ADDRESS_32 + NO_INDEX
#define M16 ADDRESS_16 + NO_INDEX

#define VMCALL 18
#define VMCLEAR 19
#define VMLAUNCH 20
#define VMPTRLD 21
#define VMPTRST 22
#define VMREAD 23
#define VMRESUME 24
#define VMWRITE 25
#define VMXOFF 26
#define VMXON 27
#define INVEPT 50
#define INVVPID 53

	.macro ROW reason, info, displacement, insn:vararg
	.text
8:	\insn
9:
	.section .rodata.text, "a"
7:	.asciz "\insn"
	.section .rodata.rows, "a"
	.quad 8b, 9b, \displacement, 7b
	.long \reason, (\info) & 0xffffffff
	.endm

	.section .rodata.rows, "a"
	.balign 8
	.globl l2_rows_64, l2_rows_64_end, l2_rows_32, l2_rows_32_end
	.code64
l2_rows_64:
ROW VMCALL, 0, 0, vmcall
ROW VMLAUNCH, 0, 0, vmlaunch
ROW VMRESUME, 0, 0, vmresume
ROW VMXOFF, 0, 0, vmxoff
ROW VMXON, M64 + DS + BASE(AX), 0, vmxon (%rax)
ROW VMCLEAR, M64 + DS + BASE(CX), 0, vmclear (%rcx)
ROW VMPTRLD, M64 + DS + BASE(DX), 0, vmptrld (%rdx)
ROW VMPTRST, M64 + DS + BASE(BX), 0, vmptrst (%rbx)
ROW VMCLEAR, M64 + SS + BASE(SP), 0, vmclear (%rsp)
ROW VMCLEAR, M64 + SS + BASE(BP), 0, vmclear (%rbp)
ROW VMCLEAR, M64 + DS + BASE(SI), 0, vmclear (%rsi)
ROW VMCLEAR, M64 + DS + BASE(DI), 0, vmclear (%rdi)
ROW VMCLEAR, M64 + DS + BASE(R8), 0, vmclear (%r8)
ROW VMCLEAR, M64 + DS + BASE(R12), 0, vmclear (%r12)
ROW VMCLEAR, M64 + DS + BASE(R13), 0, vmclear (%r13)
ROW VMPTRLD, M64 + DS + BASE(R15), 0, vmptrld (%r15)
ROW VMPTRLD, M64 + DS + BASE(AX), 0x10, vmptrld 0x10(%rax)
ROW VMPTRLD, M64 + DS + BASE(AX), -0x10, vmptrld -0x10(%rax)
ROW VMPTRLD, M64 + DS + BASE(R9), 0x12345678, vmptrld 0x12345678(%r9)
ROW VMPTRLD, M64 + DS + BASE(R9), -0x12345678, vmptrld -0x12345678(%r9)
ROW VMPTRLD, M64 + SS + BASE(BP), -8, vmptrld -8(%rbp)
ROW VMPTRLD, M64 + SS + BASE(SP), 0x80, vmptrld 0x80(%rsp)
ROW VMXON, ADDRESS_64 + DS + BASE(AX) + INDEX(CX) + SCALE_1, 0, vmxon (%rax,%rcx)
ROW VMXON, ADDRESS_64 + DS + BASE(DX) + INDEX(BX) + SCALE_2, 8, vmxon 8(%rdx,%rbx,2)
ROW VMXON, ADDRESS_64 + DS + BASE(R10) + INDEX(R11) + SCALE_4, 0x1000, vmxon 0x1000(%r10,%r11,4)
ROW VMXON, ADDRESS_64 + DS + BASE(R14) + INDEX(R15) + SCALE_8, -1, vmxon -1(%r14,%r15,8)
ROW VMXON, ADDRESS_64 + DS + BASE(R12) + INDEX(R12) + SCALE_2, 0, vmxon (%r12,%r12,2)
ROW VMXON, ADDRESS_64 + SS + BASE(SP) + INDEX(BP) + SCALE_1, 0, vmxon (%rsp,%rbp)
ROW VMXON, ADDRESS_64 + SS + BASE(BP) + INDEX(AX) + SCALE_1, 0, vmxon (%rbp,%rax)
ROW VMPTRST, ADDRESS_64 + DS + NO_BASE + INDEX(CX) + SCALE_8, 0x40, vmptrst 0x40(,%rcx,8)
ROW VMPTRST, M64 + DS + NO_BASE, 0x12340, vmptrst 0x12340
ROW VMPTRST, M64 + DS + NO_BASE, row_label, vmptrst row_label(%rip)
ROW VMPTRST, M64 + FS + BASE(AX), 0x18, vmptrst %fs:0x18(%rax)
ROW VMPTRST, ADDRESS_64 + GS + BASE(AX) + INDEX(DX) + SCALE_4, 0x18, vmptrst %gs:0x18(%rax,%rdx,4)
ROW VMPTRST, M64 + GS + BASE(BP), 0, vmptrst %gs:(%rbp)
ROW VMPTRST, M32 + DS + BASE(AX), 0x20, vmptrst 0x20(%eax)
ROW VMPTRST, ADDRESS_32 + DS + BASE(R8) + INDEX(R9) + SCALE_2, 4, vmptrst 4(%r8d,%r9d,2)
ROW VMREAD, REGISTER_FORM + REG1(CX) + REG2(AX), 0, vmread %rax, %rcx
ROW VMREAD, REGISTER_FORM + REG1(SP) + REG2(R15), 0, vmread %r15, %rsp
ROW VMREAD, REGISTER_FORM + REG1(R8) + REG2(DI), 0, vmread %rdi, %r8
ROW VMREAD, M64 + DS + BASE(BX) + REG2(SI), 0, vmread %rsi, (%rbx)
ROW VMREAD, ADDRESS_64 + DS + BASE(R13) + INDEX(R9) + SCALE_8 + REG2(R14), 0x7f, vmread %r14, 0x7f(%r13,%r9,8)
ROW VMREAD, M64 + SS + BASE(SP) + REG2(BP), 8, vmread %rbp, 8(%rsp)
ROW VMREAD, M64 + DS + NO_BASE + REG2(DX), row_label, vmread %rdx, row_label(%rip)
ROW VMREAD, M64 + GS + BASE(R10) + REG2(R11), 0, vmread %r11, %gs:(%r10)
ROW VMWRITE, REGISTER_FORM + REG1(CX) + REG2(AX), 0, vmwrite %rcx, %rax
ROW VMWRITE, REGISTER_FORM + REG1(R12) + REG2(SP), 0, vmwrite %r12, %rsp
ROW VMWRITE, REGISTER_FORM + REG1(DI) + REG2(R9), 0, vmwrite %rdi, %r9
ROW VMWRITE, M64 + DS + BASE(SI) + REG2(DI), 0x100, vmwrite 0x100(%rsi), %rdi
ROW VMWRITE, ADDRESS_64 + DS + NO_BASE + INDEX(R14) + SCALE_4 + REG2(R8), 0x100, vmwrite 0x100(,%r14,4), %r8
ROW INVEPT, M64 + DS + BASE(AX) + REG2(CX), 0, invept (%rax), %rcx
ROW INVEPT, ADDRESS_64 + FS + BASE(R11) + INDEX(R12) + SCALE_2 + REG2(R13), -4, invept %fs:-4(%r11,%r12,2), %r13
ROW INVVPID, M64 + DS + BASE(DX) + REG2(BX), 0x30, invvpid 0x30(%rdx), %rbx
ROW INVVPID, M64 + DS + NO_BASE + REG2(R15), row_label, invvpid row_label(%rip), %r15
	.section .rodata.rows, "a"
l2_rows_64_end:

	.code32
l2_rows_32:
ROW VMCALL, 0, 0, vmcall
ROW VMLAUNCH, 0, 0, vmlaunch
ROW VMRESUME, 0, 0, vmresume
ROW VMXOFF, 0, 0, vmxoff
ROW VMXON, M32 + DS + BASE(AX), 0, vmxon (%eax)
ROW VMCLEAR, M32 + SS + BASE(BP), -8, vmclear -8(%ebp)
ROW VMCLEAR, ADDRESS_32 + SS + BASE(SP) + INDEX(SI) + SCALE_4, 0x1234, vmclear 0x1234(%esp,%esi,4)
ROW VMPTRLD, ADDRESS_32 + DS + NO_BASE + INDEX(DX) + SCALE_8, 0x40, vmptrld 0x40(,%edx,8)
ROW VMPTRLD, M32 + DS + NO_BASE, 0x12340, vmptrld 0x12340
ROW VMPTRST, M32 + CS + BASE(BX), 0, vmptrst %cs:(%ebx)
ROW VMPTRST, M32 + ES + BASE(BP), 4, vmptrst %es:4(%ebp)
ROW VMPTRST, M32 + DS + BASE(BP), 4, vmptrst %ds:4(%ebp)
ROW VMPTRST, M32 + SS + BASE(AX), 4, vmptrst %ss:4(%eax)
ROW VMPTRST, M32 + FS + BASE(DI), 4, vmptrst %fs:4(%edi)
ROW VMREAD, REGISTER_FORM + REG1(CX) + REG2(AX), 0, vmread %eax, %ecx
ROW VMREAD, M32 + DS + BASE(BX) + REG2(SI), 0, vmread %esi, (%ebx)
ROW VMWRITE, REGISTER_FORM + REG1(DI) + REG2(SP), 0, vmwrite %edi, %esp
ROW VMWRITE, M32 + DS + BASE(SI) + REG2(DI), 0x100, vmwrite 0x100(%esi), %edi
ROW INVEPT, M32 + DS + BASE(AX) + REG2(CX), 0, invept (%eax), %ecx
ROW INVVPID, M32 + DS + BASE(DX) + REG2(BX), 0x30, invvpid 0x30(%edx), %ebx
ROW VMXON, M16 + DS + BASE(BX), 0, vmxon (%bx)
ROW VMXON, M16 + DS + BASE(SI), 4, vmxon 4(%si)
ROW VMCLEAR, ADDRESS_16 + DS + BASE(BX) + INDEX(SI), 0, vmclear (%bx,%si)
ROW VMCLEAR, ADDRESS_16 + DS + BASE(BX) + INDEX(DI), 0x1234, vmclear 0x1234(%bx,%di)
ROW VMPTRLD, ADDRESS_16 + SS + BASE(BP) + INDEX(SI), -2, vmptrld -2(%bp,%si)
ROW VMPTRLD, M16 + SS + BASE(BP), 8, vmptrld 8(%bp)
ROW VMPTRST, M16 + GS + BASE(DI), 8, vmptrst %gs:8(%di)
ROW VMREAD, M16 + DS + BASE(SI) + REG2(DX), 0, vmread %edx, (%si)
ROW VMWRITE, ADDRESS_16 + DS + BASE(BX) + INDEX(SI) + REG2(DI), 2, vmwrite 2(%bx,%si), %edi
	.section .rodata.rows, "a"
l2_rows_32_end:

	.bss
row_label:
	.skip 16

	.section .note.GNU-stack, "", @progbits
