/*
 * The VMX instructions of snippets.def as 64-bit and 32-bit code, and the ways into them.
 */
#include "guest/lib/selectors.h"

#define NO_FAULT 0x40

	.text
	.code64
#define A %rdi
#define S %rsi
#define X(name, ...) in64_##name: __VA_ARGS__ ; int $NO_FAULT ;
#include "guest/rules/snippets.def"
#undef X
#undef A
#undef S

	.code32
#define A %edi
#define S %esi
#define X(name, ...) in32_##name: __VA_ARGS__ ; int $NO_FAULT ;
#include "guest/rules/snippets.def"
#undef X
#undef A
#undef S

	.section .rodata
	.balign 8
	.globl snippet64, snippet32, snippet_name
snippet64:
#define X(name, ...) .quad in64_##name ;
#include "guest/rules/snippets.def"
#undef X
snippet32:
#define X(name, ...) .quad in32_##name ;
#include "guest/rules/snippets.def"
#undef X
snippet_name:
#define X(name, ...) .quad text_##name ;
#include "guest/rules/snippets.def"
#undef X
#define X(name, ...) text_##name: .asciz #name ;
#include "guest/rules/snippets.def"
#undef X

/* u64 enter_ring3(code, RDI, RSI), and so on: end with an exception. */
	.text
	.code64
	.globl enter_ring3, enter_compatibility, enter_ring0
enter_ring3:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	push $SEL_USER_DATA
	push $ring3_stack
	push $2
	push $SEL_USER_CODE
	push %rax
	iretq

enter_compatibility:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	push $SEL_CODE32
	push %rax
	lretq

enter_ring0:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	jmp *%rax

	.bss
	.balign 16
	.skip 1024
ring3_stack:

	.section .note.GNU-stack, "", @progbits
