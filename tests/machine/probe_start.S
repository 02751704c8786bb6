# Header and entry of the probe: multiboot, or with -DMULTIBOOT2 multiboot2.
        .text
#ifdef MULTIBOOT2
        .balign 8
header: .long   0xE85250D6, 0, header_end - header, -(0xE85250D6 + header_end - header)
#ifdef UNKNOWN_TAG
        .word   99, 0           # not optional, and nobody knows it
        .long   8
#endif
        .word   0, 0
        .long   8
header_end:
#else
#ifndef FLAGS
#define FLAGS 3                 /* page-aligned modules, memory map */
#endif
        .balign 4
header: .long   0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)
        .long   header, header, 0, _end, start          # where FLAGS says so, in place of ELF's
#endif

        .globl  start
start:  mov     $stack_top, %esp
        pushf
        pop     %ecx
        push    $0
        popf
        mov     %cr0, %edx
        push    %edx
        push    %ecx
        push    %ebx
        push    %eax
        call    probe_main
1:      hlt
        jmp     1b

        .globl  triple_fault
triple_fault:
        lidt    no_idt
        int3

        .section .rodata
no_idt: .quad   0

        .bss
        .balign 16
        .skip   8192
stack_top:
        .section .note.GNU-stack, "", @progbits
