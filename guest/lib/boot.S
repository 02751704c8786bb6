/*
 * From the multiboot loader (32-bit protected mode, no paging) to main() in 64-bit mode, with the
 * first 4 GiB mapped one to one by 2 MiB pages. Every page is user accessible and writable: ring 3 is
 * entered only by tests, with code of our own.
 */
#include "guest/lib/selectors.h"

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 3 /* modules on page boundaries, memory map wanted */

#define ENTRY_TABLE 7 /* present, writable, user */
#define ENTRY_2M 0x87

	.section .multiboot, "a"
	.balign 4
	.long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

	.text
	.code32
	.globl boot_start
boot_start:
	cli
	cld
	mov %eax, boot_magic
	mov %ebx, boot_info
	mov $stack_top, %esp

	movl $boot_pdpt + ENTRY_TABLE, boot_pml4
	mov $boot_pd + ENTRY_TABLE, %eax
	mov $boot_pdpt, %edi
	mov $4, %ecx
1:	mov %eax, (%edi)
	add $4096, %eax
	add $8, %edi
	loop 1b

	mov $ENTRY_2M, %eax
	mov $boot_pd, %edi
	mov $4 * 512, %ecx
2:	mov %eax, (%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 2b

	mov $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov $boot_pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx /* IA32_EFER.LME */
	rdmsr
	or $0x100, %eax
	wrmsr
	mov $0x80000031, %eax /* PG, NE, ET, PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $SEL_CODE64, $boot_64

	.code64
boot_64:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	mov boot_magic, %edi
	mov boot_info, %esi
	call lib_start
3:	hlt
	jmp 3b

	.data
	.balign 16
	.globl gdt, gdt_end, gdt_pointer
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* SEL_CODE64 */
	.quad 0x00cf93000000ffff /* SEL_DATA */
	.quad 0x00cf9b000000ffff /* SEL_CODE32 */
	.quad 0x00009b000000ffff /* SEL_CODE16 */
	.quad 0x000093000000ffff /* SEL_DATA16 */
	.quad 0x00cff3000000ffff /* SEL_USER_DATA */
	.quad 0x00affb000000ffff /* SEL_USER_CODE */
	.quad 0, 0 /* SEL_TSS: trap_init() */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt
boot_magic:
	.long 0
boot_info:
	.long 0

	.bss
	.balign 4096
	.globl boot_pml4
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_pd:
	.skip 4 * 4096
	.skip 32 * 1024
stack_top:

	.section .note.GNU-stack, "", @progbits
