#include "guest/lib/selectors.h"
#include "guest/task/task.h"

#define CR0_PG 0x80000000
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define AT(seen, word) %ss:seen + 4 * (word)

	.text
	.code64
	.globl task_run
task_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_stack
	sidt saved_idt
	lgdt gdt_32
	push $SEL_CODE32
	push $leave_long_mode
	lretq

	.code32
leave_long_mode:
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov $MSR_EFER, %ecx
	rdmsr
	and $~EFER_LME, %eax
	wrmsr
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	mov $task_main_stack, %esp
	lidt idt_32
	mov $SEL_MAIN, %eax
	ltr %ax
	mov task_cr3, %eax
	test %eax, %eax
	jz 1f
	mov %eax, %cr3
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
1:	mov %cr0, %eax
	and $~8, %eax /* TS */
	mov %eax, %cr0
	mov $0x555, %eax
	mov %eax, %dr7
	mov %edi, %ebp
	mov $0x11111111, %eax
	mov $0x22222222, %ecx
	mov $0x33333333, %edx
	mov $0x44444444, %ebx
	mov $0x66666666, %esi
	mov $0x77777777, %edi
	jmp *%ebp

	.macro RECORD to
	incl AT(\to, SEEN_TIMES)
	mov %eax, AT(\to, SEEN_GPR)
	mov %ecx, AT(\to, SEEN_GPR + 1)
	mov %edx, AT(\to, SEEN_GPR + 2)
	mov %ebx, AT(\to, SEEN_GPR + 3)
	mov %esp, AT(\to, SEEN_GPR + 4)
	mov %ebp, AT(\to, SEEN_GPR + 5)
	mov %esi, AT(\to, SEEN_GPR + 6)
	mov %edi, AT(\to, SEEN_GPR + 7)
	pushfl
	popl AT(\to, SEEN_EFLAGS)
	mov %es, %eax
	mov %eax, AT(\to, SEEN_SELECTORS)
	mov %cs, %eax
	mov %eax, AT(\to, SEEN_SELECTORS + 1)
	mov %ss, %eax
	mov %eax, AT(\to, SEEN_SELECTORS + 2)
	mov %ds, %eax
	mov %eax, AT(\to, SEEN_SELECTORS + 3)
	mov %fs, %eax
	mov %eax, AT(\to, SEEN_SELECTORS + 4)
	mov %gs, %eax
	mov %eax, AT(\to, SEEN_SELECTORS + 5)
	xor %eax, %eax
	sldt %ax
	mov %eax, AT(\to, SEEN_SELECTORS + 6)
	str %ax
	mov %eax, AT(\to, SEEN_SELECTORS + 7)
	mov %cr0, %eax
	mov %eax, AT(\to, SEEN_CR0)
	mov %cr3, %eax
	mov %eax, AT(\to, SEEN_CR3)
	mov %dr7, %eax
	mov %eax, AT(\to, SEEN_DR7)
	mov %dr6, %eax
	mov %eax, AT(\to, SEEN_DR6)
	mov %esp, %ebp
	cmp $0xffff0000, %ebp /* a stack of 16 bits */
	jb 9f
	movzwl %bp, %ebp
9:	.set word, 0
	.rept 6
	mov 4 * word(%ebp), %eax
	mov %eax, AT(\to, SEEN_STACK + word)
	.set word, word + 1
	.endr
	.endm

	.globl task_a, task_ud2
task_a:
	RECORD task_seen_a
	mov %ss:task_skip, %eax
	add %eax, %ss:task_main_tss + 32
	cmpl $0, %ss:task_by_jump
	jne 1f
	iretl
	jmp task_a
1:	ljmp $SEL_MAIN, $0
	jmp task_a
task_ud2:
	ud2

	.globl task_call, task_jump, task_call_gate, task_int, task_undefined, task_protection, task_iret, task_sti_call, task_long_mode
task_call:
	lcall $SEL_A, $0
	jmp end_of_main
task_jump:
	ljmp $SEL_A, $0
	jmp end_of_main
task_call_gate:
	lcall $SEL_GATE, $0
	jmp end_of_main
task_int:
	int $0x30
	jmp end_of_main
task_undefined:
	ud2
	jmp end_of_main
task_protection: /* 2 bytes that fault, with the error code 0FFF8H */
	mov $0xfff8, %eax
	mov %eax, %es
	jmp end_of_main
task_iret: /* to the back link of main */
	pushfl
	orl $0x4000, (%esp)
	popfl
	iretl
	jmp end_of_main
task_long_mode: /* activates IA-32e mode, with A's TSS */
	mov $SEL_A, %eax
	ltr %ax
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov $boot_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG, %eax
	xor $0x20, %eax /* NE: a bit that a hypervisor keeps for itself */
	mov %eax, %cr0
	jmp end_of_main
task_sti_call: /* nothing is masked by STI in the new task */
	sti
	lcall $SEL_A, $0
	cli
	jmp end_of_main

end_of_main:
	RECORD task_seen_main
	jmp back

	.balign 8
	.globl task_entries
task_entries:
	.rept 32
	call exception
	.balign 8
	.endr

exception:
	popl %ss:task_vector
	RECORD task_seen_exception
	subl $task_entries, %ss:task_vector
	shrl $3, %ss:task_vector

	jmp back

	.globl task_handler
task_handler:
	RECORD task_seen_exception
	movl $0xee, task_vector

back:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $task_ring0_stack, %esp
	mov $SEL_END, %eax /* IA-32e mode refuses a 16-bit TSS */
	ltr %ax
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov $boot_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	pushl $2
	popfl
	mov %cr0, %eax
	or $CR0_PG, %eax
	and $~8, %eax
	mov %eax, %cr0
	ljmp $SEL_CODE64, $back_in_long_mode

	.code64
back_in_long_mode:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	mov saved_stack, %rsp
	lidt saved_idt
	xor %eax, %eax
	lldt %ax
	mov $0x400, %eax
	mov %rax, %dr7
	lgdt gdt_pointer
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.section .rodata
gdt_32:
	.word 8 * GDT_ENTRIES - 1
	.quad task_gdt
idt_32:
	.word 8 * 64 - 1
	.long task_idt

	.bss
	.balign 16
	.globl task_gdt, task_idt, task_main_tss, task_a_tss
task_gdt:
	.skip 8 * GDT_ENTRIES
task_idt:
	.skip 8 * 64
	.balign 128
task_main_tss:
	.skip 128
task_a_tss:
	.skip 128
	.globl task_handler_tss
task_handler_tss:
	.skip 128
	.globl task_seen_main, task_seen_a, task_seen_exception, task_vector, task_skip, task_by_jump, task_cr3
task_seen_main:
	.skip 4 * SEEN_WORDS
task_seen_a:
	.skip 4 * SEEN_WORDS
task_seen_exception:
	.skip 4 * SEEN_WORDS
task_vector:
	.skip 4
task_skip:
	.skip 4
task_by_jump:
	.skip 4
task_cr3:
	.skip 4
saved_stack:
	.skip 8
saved_idt:
	.skip 16
	.globl task_main_stack, task_a_stack, task_ring0_stack
	.skip 256
task_main_stack:
	.skip 256
task_a_stack:
	.skip 256
task_ring0_stack:
	.skip 256

	.section .note.GNU-stack, "", @progbits
