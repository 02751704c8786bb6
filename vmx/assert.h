/*
 * Our own bugs. Never for anything that L1 or L2 can choose.
 */
#ifndef VMX_ASSERT_H
#define VMX_ASSERT_H

/* Prints, with a backtrace, and stops the machine. Defined by whoever links vmx/ (boot/fault.c). */
void __attribute__((noreturn, format(printf, 3, 4)))
panic(const char *file, int line, const char *format, ...);

#define PANIC(...) panic(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(condition, ...) \
	do { \
		if (!(condition)) \
			PANIC(#condition ": " __VA_ARGS__); \
	} while (0)

#endif
