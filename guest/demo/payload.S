/*
 * payload.inc, once for each mode, and tables of where its pieces are.
 */

#define CAT_(a, b, c, d) a##b##c##d
#define CAT(a, b, c, d) CAT_(a, b, c, d)
#define CODE(name) CAT(code, BITS, _, name)

	.section .payload, "ax"
	.balign 4096
	.globl payload16_page
payload16_page:
#define BITS 16
	.code16
#include "guest/demo/payload.inc"
#undef BITS
	.balign 4096
#define BITS 32
	.code32
#include "guest/demo/payload.inc"
#undef BITS
#define BITS 64
	.code64
#include "guest/demo/payload.inc"
#undef BITS

	.section .rodata
	.balign 8
	.globl payload16, payload32, payload64
#define X(name) .quad CODE(name);
#define BITS 16
payload16:
#include "guest/demo/payload.def"
#undef BITS
#define BITS 32
payload32:
#include "guest/demo/payload.def"
#undef BITS
#define BITS 64
payload64:
#include "guest/demo/payload.def"

	.section .note.GNU-stack, "", @progbits
