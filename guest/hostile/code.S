/*
 * Accesses of many kinds, and what L2 runs. All functions are for trap_call(): (address, 0, 0), and
 * give what they read, or all ones where they only write.
 */
#include "guest/hostile/event_vector.h"

	.text
	.code64
	.macro ACCESS name
	.globl access_\name
access_\name:
	.endm

	.macro WROTE
	mov $-1, %rax
	ret
	.endm

ACCESS read8
	mov $-1, %rax
	mov (%rdi), %al
	ret
ACCESS read16
	mov $-1, %rax
	mov (%rdi), %ax
	ret
ACCESS read32
	mov $-1, %rax
	mov (%rdi), %ecx
	shl $32, %rax
	or %rcx, %rax
	ret
ACCESS read64
	mov (%rdi), %rax
	ret
ACCESS movzx
	movzbl (%rdi), %eax
	or $-256, %rax
	ret
ACCESS movsx
	movsbq (%rdi), %rax
	ret
ACCESS unaligned
	mov 3(%rdi), %rax
	ret
ACCESS and
	mov $-1, %rax
	and (%rdi), %rax
	ret
ACCESS lodsb
	mov %rdi, %rsi
	mov $-1, %rax
	lodsb
	ret
ACCESS rep_movsb_out /* from the hole, to the stack */
	mov %rdi, %rsi
	push $0
	mov %rsp, %rdi
	mov $8, %ecx
	rep movsb
	pop %rax
	ret
ACCESS repe_cmpsb /* against itself: equal */
	mov %rdi, %rsi
	mov $16, %ecx
	repe cmpsb
	mov $-1, %rax
	je 1f
	xor %eax, %eax
1:	ret
ACCESS repe_scasb
	mov $-1, %rax
	mov $16, %ecx
	repe scasb
	je 1f
	xor %eax, %eax
1:	ret
ACCESS popq
	mov %rsp, %rcx
	mov %rdi, %rsp
	pop %rax
	mov %rcx, %rsp
	ret
ACCESS cmp_memory
	cmpq $-1, (%rdi)
	mov $-1, %rax
	je 1f
	xor %eax, %eax
1:	ret

ACCESS write8
	movb $0x55, (%rdi)
	WROTE
ACCESS write16
	movw $0x5555, (%rdi)
	WROTE
ACCESS write32
	movl $0x55555555, (%rdi)
	WROTE
ACCESS write64
	mov $0x5555, %eax
	mov %rax, (%rdi)
	WROTE
ACCESS write_unaligned
	movl $0, 5(%rdi)
	WROTE
ACCESS or_memory
	andq $0, (%rdi)
	WROTE
ACCESS incq
	incq (%rdi)
	WROTE
ACCESS xchg
	mov $0x55, %eax
	xchg %rax, (%rdi)
	ret
ACCESS lock_cmpxchg
	mov $-1, %rax
	xor %ecx, %ecx
	lock cmpxchg %rcx, (%rdi)
	ret
ACCESS lock_xadd
	mov $1, %eax
	lock xadd %rax, (%rdi)
	ret
ACCESS lock_btr
	lock btrq $5, (%rdi)
	WROTE
ACCESS rep_stosb
	xor %eax, %eax
	mov $100, %ecx
	rep stosb
	WROTE
ACCESS rep_stosq
	xor %eax, %eax
	mov $512, %ecx
	rep stosq
	WROTE
ACCESS rep_movsb_in /* from the stack, to the hole */
	mov %rsp, %rsi
	mov $16, %ecx
	rep movsb
	WROTE
ACCESS rep_movsq_within
	lea 0x800(%rdi), %rsi
	mov $16, %ecx
	rep movsq
	WROTE
ACCESS pushq
	mov %rsp, %rcx
	lea 8(%rdi), %rsp
	push $0x55
	mov %rcx, %rsp
	WROTE
ACCESS callq /* the return address goes to the hole; what is called comes back by itself */
	mov %rsp, %rcx
	lea 8(%rdi), %rsp
	call 1f
1:	mov %rcx, %rsp
	WROTE
ACCESS sgdt
	sgdt (%rdi)
	WROTE
ACCESS movnti
	movnti %rdi, (%rdi)
	WROTE
ACCESS setcc
	xor %eax, %eax
	sete (%rdi)
	WROTE
ACCESS insb /* from a port that nobody minds */
	mov $0x80, %edx
	insb
	WROTE
ACCESS lock_cmpxchg16b
	push %rbx
	mov $-1, %rax
	mov %rax, %rdx
	xor %ebx, %ebx
	xor %ecx, %ecx
	lock cmpxchg16b (%rdi)
	pop %rbx
	WROTE
ACCESS pushfq
	mov %rsp, %rcx
	lea 8(%rdi), %rsp
	pushfq
	mov %rcx, %rsp
	WROTE
ACCESS fnstcw
	fnstcw (%rdi)
	WROTE
ACCESS fxsave
	fxsave (%rdi)
	WROTE
ACCESS movups /* needs CR4.OSFXSR */
	mov %cr4, %rcx
	mov %rcx, %rax
	or $0x200, %rax
	mov %rax, %cr4
	movups %xmm0, (%rdi)
	mov %rcx, %cr4
	WROTE

/* The last bytes before the hole (RDI) and the first of it. */
ACCESS write_across
	movq $0, -4(%rdi)
	WROTE
ACCESS read_across /* the half in the hole */
	movl $0, -4(%rdi)
	mov -4(%rdi), %rcx
	mov $0xffffffff, %eax
	or %rcx, %rax
	ret

/* The stack is at RDI when something is delivered; `event_` is where its gate leads. */
ACCESS int_n
	mov %rsp, %rcx
	mov %rdi, %rsp
	int $EVENT_VECTOR
ACCESS ud2
	mov %rsp, %rcx
	mov %rdi, %rsp
	ud2
ACCESS nmi /* to ourselves: RSI is the local APIC's ID register */
	mov %rsp, %rcx
	mov (%rsi), %eax
	mov %eax, 0x2f0(%rsi)
	mov %rdi, %rsp
	movl $0x400, 0x2e0(%rsi)
1:	pause
	jmp 1b

	.globl event_frame, event_flags, event_nmi, event_timer
event_frame: /* all of the frame */
	mov (%rsp), %rax
	and 8(%rsp), %rax
	and 16(%rsp), %rax
	and 24(%rsp), %rax
	and 32(%rsp), %rax
	mov %rcx, %rsp
	ret
event_flags: /* RFLAGS in the frame */
	mov 16(%rsp), %rax
	mov %rcx, %rsp
	ret
event_nmi: /* as event_frame, and IRET ends blocking by NMI */
	mov (%rsp), %rax
	and 16(%rsp), %rax
	and 32(%rsp), %rax
	mov %rcx, %rsp
	mov %ss, %edx
	push %rdx
	push %rcx
	pushfq
	mov %cs, %edx
	push %rdx
	lea 1f(%rip), %rdx
	push %rdx
	iretq
1:	ret
event_timer: /* counts interrupts, and those that found the trap flag set */
	push %rax
	mov 24(%rsp), %rax
	shr $8, %eax
	and $1, %eax
	add %eax, timer_trap_flags(%rip)
	incl timer_interrupts(%rip)
	mov $0xfee000b0, %eax
	movl $0, (%rax)
	pop %rax
	iretq

/* RDI is written with the trap flag set by ourselves: the trap comes at single_stepped. */
	.globl single_stepped, mov_ss_stepped, breakpoint_met
ACCESS single_step
	pushfq
	orl $0x100, (%rsp)
	popfq
	movq $0, (%rdi)
single_stepped:
	ud2
ACCESS mov_ss
	mov %ss, %eax
	mov %eax, %ss
	movq $0, (%rdi)
	WROTE
ACCESS mov_ss_single_step
	mov %ss, %eax
	pushfq
	orl $0x100, (%rsp)
	popfq
	mov %eax, %ss
	movq $0, (%rdi)
mov_ss_stepped:
	ud2
ACCESS breakpoint /* on writes of 8 bytes */
	mov %rdi, %dr0
	mov $0x90401, %eax
	mov %rax, %dr7
	movq $0, (%rdi)
breakpoint_met:
	ud2
ACCESS debug_status /* DR6, and no breakpoints any more */
	mov %dr6, %rax
	mov $0x400, %ecx
	mov %rcx, %dr7
	mov $0xffff0ff0, %ecx
	mov %rcx, %dr6
	ret
/* The first half of RDI's 8 bytes can be written, and the page of the second faults. */
ACCESS write_into_fault
	movq $0, (%rdi)
	WROTE

ACCESS execute
	call *%rdi
	ret

/* ---- L2 */
	.globl l2_ports, l2_msr, l2_touch, l2_execute, l2_tpr, l2_ud2
l2_ports:
	out %al, $0x80
	vmcall
l2_msr: /* ECX */
	rdmsr
	vmcall
l2_touch: /* RBX: address. RAX: before, RDX: after it was written */
	mov (%rbx), %rax
	movq $0, (%rbx)
	mov (%rbx), %rdx
	vmcall
l2_execute: /* RBX: address */
	jmp *%rbx
l2_tpr: /* RAX: CR8 */
	mov %cr8, %rax
	mov $3, %ecx
	mov %rcx, %cr8
	vmcall
l2_ud2:
	ud2

	.bss
	.balign 4
	.globl timer_interrupts, timer_trap_flags
timer_interrupts:
	.skip 4
timer_trap_flags:
	.skip 4

	.section .note.GNU-stack, "", @progbits
