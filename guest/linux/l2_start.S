# L2 begins in 32-bit protected mode without paging, and takes itself to long mode.
        .section .start, "ax"
        .code32
        .globl start
start:  mov     $stack_top, %esp
        # 0 - 32 MiB and the 2 MiB around the local APIC, mapped one to one; the rest is absent.
        movl    $(pdpt + 7), pml4
        movl    $(pd_low + 7), pdpt
        movl    $(pd_high + 7), pdpt + 3 * 8
        mov     $pd_low, %edi
        mov     $0x87, %eax
1:      mov     %eax, (%edi)
        add     $8, %edi
        add     $0x200000, %eax
        cmp     $0x2000087, %eax
        jb      1b
        movl    $(0xfee00000 + 0x9b), pd_high + 503 * 8        # uncached
        movl    $(0xd0000000 + 0x9b), pd_high + 128 * 8        # nothing there but the program's answers

        mov     %cr4, %eax
        or      $0x20, %eax             # PAE
        mov     %eax, %cr4
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx       # EFER.LME
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     %cr0, %eax
        or      $0x80010000, %eax       # PG, WP
        mov     %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $8, $long_mode

        .code64
long_mode:
        mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %esi, %edi              # the job
        call    l2_main
1:      hlt
        jmp     1b

        .section .rodata
        .balign 8
gdt:    .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word   . - gdt - 1
        .quad   gdt

        .bss
        .balign 4096
pml4:   .skip   4096
pdpt:   .skip   4096
pd_low: .skip   4096
pd_high:.skip   4096
        .skip   16384
stack_top:
        .section .note.GNU-stack, "", @progbits
