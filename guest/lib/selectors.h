/*
 * The selectors of the program's own GDT (boot.S). For C and assembly.
 */
#ifndef GUEST_LIB_SELECTORS_H
#define GUEST_LIB_SELECTORS_H

#define SEL_CODE64 0x08
#define SEL_DATA 0x10
#define SEL_CODE32 0x18 /* compatibility mode, ring 0 */
#define SEL_CODE16 0x20 /* on the way to real mode */
#define SEL_DATA16 0x28
#define SEL_USER_DATA 0x33
#define SEL_USER_CODE 0x3b
#define SEL_TSS 0x40

#endif
