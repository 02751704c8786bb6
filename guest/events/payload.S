/*
 * payload.inc, once for each mode, and tables of where its pieces start and end; and how L1 itself
 * comes to be blocked by NMI.
 */
#include "guest/lib/selectors.h"

#define NMI_PATIENCE 100000 /* turns of a loop */

#define CAT_(a, b, c, d) a##b##c##d
#define CAT(a, b, c, d) CAT_(a, b, c, d)
#define CODE(name) CAT(events, BITS, _, name)

	.section .payload, "ax"
#define BITS 16
	.code16
#include "guest/events/payload.inc"
#undef BITS
#define BITS 32
	.code32
#include "guest/events/payload.inc"
#undef BITS
#define BITS 64
	.code64
#include "guest/events/payload.inc"
#undef BITS

	.section .rodata
	.balign 8
	.globl events16, events32, events64
#define X(name) .quad CODE(name), CODE(name##_end);
#define BITS 16
events16:
#include "guest/events/payload.def"
#undef BITS
#define BITS 32
events32:
#include "guest/events/payload.def"
#undef BITS
#define BITS 64
events64:
#include "guest/events/payload.def"
#undef X

	.text
	.code64
/*
 * bool nmi_block_raw(u32 *icr, u32 command): sends this processor an NMI by *icr = command, and leaves
 * its handler without IRET: NMIs are blocked from here on. False: it did not come.
 * Any other NMI is only counted.
 */
	.globl nmi_block_raw, nmi_block_handler, nmi_unblock
nmi_block_raw:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, nmi_block_stack
	mov %esi, (%rdi)
	mov $NMI_PATIENCE, %ecx
1:	pause
	loop 1b
	xor %eax, %eax
	jmp 3f
nmi_block_handler:
	cmpq $0, nmi_block_stack
	jne 2f
	incl nmi_strays
	iretq
2:	mov nmi_block_stack, %rsp
	mov $1, %eax
3:	movq $0, nmi_block_stack
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* void nmi_unblock(void): an IRET to the caller. */
nmi_unblock:
	pop %rdx
	mov %rsp, %rax
	push $SEL_DATA
	push %rax
	push $2
	push $SEL_CODE64
	push %rdx
	iretq

	.bss
	.balign 8
nmi_block_stack: /* not 0: the next NMI is to block */
	.skip 8
	.globl nmi_strays
nmi_strays:
	.skip 4

	.section .note.GNU-stack, "", @progbits
