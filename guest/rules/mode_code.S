/*
 * An L1 that is not in IA-32e mode, for mode.c: 32-bit code that ends with INT 40H. MODE_ROUNDS times it enters the
 * VMCS at mode_vmcs, and keeps two words of each: mode_results.
 */
#include "guest/rules/mode.h"

#define FIELD_VM_INSTRUCTION_ERROR 0x4400
#define FIELD_EXIT_REASON 0x4402
#define FIELD_HOST_RSP 0x6c14

	.text
	.code32
/* Every VMLAUNCH fails: RFLAGS and the error number. */
	.globl mode_refused
mode_refused:
	vmxon mode_vmxon
	vmptrld mode_vmcs
	mov $mode_results, %ebx
	mov $MODE_ROUNDS, %ebp
1:	vmlaunch
	pushf
	pop (%ebx)
	mov $FIELD_VM_INSTRUCTION_ERROR, %edx
	vmread %edx, 4(%ebx)
	add $8, %ebx
	dec %ebp
	jnz 1b
leave_vmx:
	vmclear mode_vmcs
	vmxoff
	int $0x40

/* VMLAUNCH, and then VMRESUME, enters: the exit reason, and CR0.PG, IA32_EFER.LMA as 2, 1. */
	.globl mode_runs, mode_exit
mode_runs:
	vmxon mode_vmxon
	vmptrld mode_vmcs
	mov $FIELD_HOST_RSP, %edx
	vmwrite %esp, %edx
	mov $mode_results, %ebx
	mov $MODE_ROUNDS, %ebp
	vmlaunch
	jmp leave_vmx
mode_exit:
	mov $FIELD_EXIT_REASON, %edx
	vmread %edx, (%ebx)
	mov $0xc0000080, %ecx
	rdmsr
	shr $10, %eax
	and $1, %eax
	mov %cr0, %ecx
	shr $31, %ecx
	lea (%eax, %ecx, 2), %eax
	mov %eax, 4(%ebx)
	add $8, %ebx
	dec %ebp
	jz leave_vmx
	vmresume
	jmp leave_vmx

	.globl mode_l2
mode_l2:
	vmcall
	jmp mode_l2

	.bss
	.balign 8
	.globl mode_vmxon, mode_vmcs, mode_results
mode_vmxon:
	.skip 8
mode_vmcs:
	.skip 8
mode_results:
	.skip 8 * MODE_ROUNDS

	.section .note.GNU-stack, "", @progbits
