#include "guest/lib/console.h"

#include "guest/lib/asm.h"

/* The 16550 UART: registers by their offset. */
#define COM1 0x3f8
enum { UART_DATA, UART_INTERRUPTS, UART_FIFO, UART_LINE, UART_MODEM, UART_STATUS };
#define UART_LINE_8N1 0x03
#define UART_LINE_DIVISOR 0x80
#define UART_STATUS_CAN_SEND 0x20
#define UART_STATUS_ALL_SENT 0x40

#define BOCHS_SHUTDOWN 0x8900
#define QEMU_PM1A_CONTROL 0x604
#define QEMU_PM1A_CONTROL_UEFI 0xb004 /* where OVMF puts it */
#define PM1_SLEEP_ENABLE 0x2000

#define LINE 400
#define DEBUG_LINE 1200
#define DEBUG_PORT 0xe9 /* reads as its own number, where it is */

void console_init(void)
{
	outb(COM1 + UART_INTERRUPTS, 0);
	outb(COM1 + UART_LINE, UART_LINE_DIVISOR);
	outb(COM1 + UART_DATA, 1); /* divisor: 115200 */
	outb(COM1 + UART_INTERRUPTS, 0);
	outb(COM1 + UART_LINE, UART_LINE_8N1);
	outb(COM1 + UART_FIFO, 0x07);
	outb(COM1 + UART_MODEM, 0x03);
}

static void put(char c)
{
	while (!(inb(COM1 + UART_STATUS) & UART_STATUS_CAN_SEND))
		;
	outb(COM1 + UART_DATA, (u8)c);
}

struct out {
	char *at, *end;
};

static void out_char(struct out *o, char c)
{
	if (o->at < o->end)
		*o->at++ = c;
}

static void out_padded(struct out *o, const char *s, unsigned length, unsigned width, bool left, char pad)
{
	if (!left)
		for (unsigned i = length; i < width; i++)
			out_char(o, pad);
	for (unsigned i = 0; i < length; i++)
		out_char(o, s[i]);
	if (left)
		for (unsigned i = length; i < width; i++)
			out_char(o, ' ');
}

/* The digits of `value` at the end of buffer[24]; gives their first. */
static char *digits(char *buffer, u64 value, unsigned base, bool negative)
{
	char *p = buffer + 24;
	do
		*--p = "0123456789abcdef"[value % base];
	while (value /= base);
	if (negative)
		*--p = '-';
	return p;
}

static void out_number(struct out *o, va_list *args, char kind, bool wide, unsigned width, bool left,
		       char pad)
{
	char buffer[24];
	u64 value = wide ? va_arg(*args, u64) : va_arg(*args, u32);
	bool negative = kind == 'd' && (wide ? (s64)value < 0 : (int32_t)value < 0);
	u64 positive = !negative ? value : wide ? 0 - value : (u32)(0 - value);
	char *p = digits(buffer, positive, kind == 'x' ? 16 : 10, negative);
	out_padded(o, p, (unsigned)(buffer + 24 - p), width, left, pad);
}

static unsigned string_length(const char *s)
{
	unsigned n = 0;
	while (s[n])
		n++;
	return n;
}

/* One conversion, after its '%'; gives what follows it. */
static const char *out_conversion(struct out *o, const char *f, va_list *args)
{
	bool left = false, wide = false;
	char pad = ' ';
	unsigned width = 0;

	for (; *f == '-' || *f == '0'; f++) {
		left = left || *f == '-';
		if (*f == '0')
			pad = '0';
	}
	for (; *f >= '0' && *f <= '9'; f++)
		width = width * 10 + (unsigned)(*f - '0');
	for (; *f == 'l'; f++)
		wide = true;
	if (*f == 's') {
		const char *s = va_arg(*args, const char *);
		out_padded(o, s, string_length(s), width, left, ' ');
	} else if (*f == 'c' || *f == '%') {
		char one = *f;
		if (*f == 'c')
			one = (char)va_arg(*args, int);
		out_padded(o, &one, 1, width, left, ' ');
	} else {
		out_number(o, args, *f, wide, width, left, pad);
	}
	return f + 1;
}

size_t format_list(char *buffer, size_t size, const char *f, va_list list)
{
	struct out o = {buffer, buffer + size - 1};
	va_list args;

	va_copy(args, list);
	while (*f) {
		if (*f == '%')
			f = out_conversion(&o, f + 1, &args);
		else
			out_char(&o, *f++);
	}
	va_end(args);
	*o.at = 0;
	return (size_t)(o.at - buffer);
}

size_t format(char *buffer, size_t size, const char *f, ...)
{
	va_list args;
	va_start(args, f);
	size_t n = format_list(buffer, size, f, args);
	va_end(args);
	return n;
}

void print(const char *f, ...)
{
	char line[LINE];
	va_list args;
	va_start(args, f);
	format_list(line, sizeof(line), f, args);
	va_end(args);
	for (const char *p = line; *p; p++)
		put(*p);
}

void print_debug(const char *f, ...)
{
	char line[DEBUG_LINE];
	va_list args;

	if (inb(DEBUG_PORT) != DEBUG_PORT)
		return;
	va_start(args, f);
	format_list(line, sizeof(line), f, args);
	va_end(args);
	for (const char *p = line; *p; p++)
		outb(DEBUG_PORT, (u8)*p);
}

void power_off(void)
{
	while (!(inb(COM1 + UART_STATUS) & UART_STATUS_ALL_SENT))
		;
	for (const char *p = "Shutdown"; *p; p++)
		outb(BOCHS_SHUTDOWN, (u8)*p);
	outw(QEMU_PM1A_CONTROL, PM1_SLEEP_ENABLE);
	outw(QEMU_PM1A_CONTROL_UEFI, PM1_SLEEP_ENABLE);
	for (;;)
		halt();
}
