/*
 * L0's log. Where it goes is settled at boot (console_init): the debug port 0xE9 where there is one
 * (Bochs, QEMU's debugcon), else the serial port COM1 until L1 is started; `log=e9|com1|com2|none` on
 * L0's command line overrules. A refusal or a panic goes everywhere, the VGA text screen included.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include <stdarg.h>

#include "vmx/types.h"

/* args: L0's command line. text_screen: VGA text memory is in use, at this virtual address, or 0. */
void console_init(const char *args, u16 *text_screen);

/* From here on COM1 is L1's: only an explicit log=com1, a refusal or a panic still writes there. */
void console_l1_started(void);

/* Whether a line of log goes anywhere: what makes one is not needed otherwise. */
bool log_is_read(void);

/* One line of log, `nestling: ` before it and a newline after. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, everywhere. For what ends the run. */
void log_urgent(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_urgent_va(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* Says `refused: ...` and halts for good. The text tells what is missing and what to do. */
void __attribute__((noreturn, format(printf, 1, 2))) refuse(const char *format, ...);

#endif
