/*
 * The few library functions that freestanding code needs. On a host the tests link the C library's
 * own, and fmt() as vsnprintf().
 */
#ifndef VMM_LIB_H
#define VMM_LIB_H

#include <stdarg.h>

#include "vmx/types.h"

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);

/*
 * snprintf with %s %c %d %u %x %p, the sizes l and z, a width, '-', '0' and '#': always ends the
 * string, gives the length it would have had.
 */
int fmt(char *buf, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int fmt_va(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

#endif
