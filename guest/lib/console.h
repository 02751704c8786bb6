/*
 * Text on COM1 (115200 8N1, polled) and on the debug port, and the end of the program.
 */
#ifndef GUEST_LIB_CONSOLE_H
#define GUEST_LIB_CONSOLE_H

#include <stdarg.h>

#include "vmx/types.h"

void console_init(void);

/*
 * The usual %s %c %u %d %x %% with l, a width, "-" and "0"; nothing else.
 */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The same to the emulator's debug port, where a character costs one instruction and not some 17,000, and into
 * L0's log; lines begin with "L1: ". Without such a port: nothing.
 */
void print_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same into a buffer, cut to its size; gives the length without the final 0. */
size_t format(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t format_list(char *buffer, size_t size, const char *format, va_list args);

/* Powers the machine off, the way Bochs and QEMU know; elsewhere halts for good. */
void power_off(void) __attribute__((noreturn));

#endif
