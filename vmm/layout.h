/*
 * L0's addresses. Included by assembly and the linker script too.
 *
 *   L0_BASE        L0's own memory, wherever it lies physically: image, then page pool. W^X.
 *   DIRECT_BASE    all physical memory but L0's own, writable, not executable.
 */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

#define L0_LOAD 0x400000 /* where GRUB puts the image; 2 MiB-aligned; free again once L0 has moved */
#define L0_BASE 0xffffffff80000000
#define L0_IMAGE_MAX 0x400000
#define DIRECT_BASE 0xffff800000000000
#define STACK_SIZE 0x4000

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS 0x18

#endif
