#include "vmm/console.h"

#include "vmm/lib.h"
#include "vmm/option.h"
#include "vmx/cpu.h"

#define COM1 0x3f8
#define COM2 0x2f8
#define PORT_E9 0xe9

enum sink { SINK_E9 = 1, SINK_COM1 = 2, SINK_COM2 = 4, SINK_SCREEN = 8 };

static struct {
	unsigned sinks, urgent_sinks;
	bool com_ready[2];
	bool fixed; /* chosen on the command line */
	u16 *screen;
	unsigned row;
} console;

static void com_init(u16 port)
{
	cpu_out8(port + 1, 0);
	cpu_out8(port + 3, 0x80);
	cpu_out8(port + 0, 1);
	cpu_out8(port + 1, 0);
	cpu_out8(port + 3, 3);
	cpu_out8(port + 2, 7);
	cpu_out8(port + 4, 3);
}

/* Bounded: a port that is not there must not stop us. */
static void com_put(u16 port, char c)
{
	bool *ready = &console.com_ready[port == COM2];
	if (!*ready)
		com_init(port);
	*ready = true;
	for (unsigned i = 0; i < 100000 && !(cpu_in8(port + 5) & 0x20); i++)
		cpu_pause();
	cpu_out8(port, (u8)c);
}

static void screen_line(const char *text)
{
	if (console.row >= 25)
		console.row = 0;
	for (unsigned x = 0; x < 80; x++)
		console.screen[console.row * 80 + x] = 0x0700 |
						       (u8)(*text && *text != '\n' ? *text++ : ' ');
	console.row++;
}

static void emit(unsigned sinks, const char *text)
{
	if (sinks & SINK_E9)
		cpu_out8_all(PORT_E9, text, strlen(text));
	for (const char *p = text; *p && (sinks & (SINK_COM1 | SINK_COM2)); p++) {
		if (*p == '\n' && (sinks & SINK_COM1))
			com_put(COM1, '\r');
		if (sinks & SINK_COM1)
			com_put(COM1, *p);
		if (sinks & SINK_COM2)
			com_put(COM2, *p);
	}
	if ((sinks & SINK_SCREEN) && console.screen)
		screen_line(text);
}

void console_init(const char *args, u16 *text_screen)
{
	char option[8];
	bool e9 = cpu_in8(PORT_E9) == PORT_E9;

	option_value(args, "log", option, sizeof(option));
	console.screen = text_screen;
	console.fixed = true;
	if (strcmp(option, "e9") == 0) {
		console.sinks = SINK_E9;
	} else if (strcmp(option, "com1") == 0) {
		console.sinks = SINK_COM1;
	} else if (strcmp(option, "com2") == 0) {
		console.sinks = SINK_COM2;
	} else if (strcmp(option, "none") == 0) {
		console.sinks = 0;
	} else {
		console.sinks = e9 ? SINK_E9 : SINK_COM1 | SINK_SCREEN;
		console.fixed = false;
	}
	console.urgent_sinks = console.sinks | SINK_COM1 | SINK_SCREEN | (e9 ? SINK_E9 : 0);
}

void console_l1_started(void)
{
	if (!console.fixed)
		console.sinks &= SINK_E9;
	console.com_ready[0] = false; /* L1 may set it up in its own way */
}

static void line(unsigned sinks, const char *prefix, const char *format, va_list args)
{
	char text[512];
	int used;

	if (!sinks)
		return;
	used = fmt(text, sizeof(text) - 1, "nestling: %s", prefix);
	used += fmt_va(text + used, sizeof(text) - 1 - (size_t)used, format, args);
	if ((size_t)used > sizeof(text) - 2)
		used = sizeof(text) - 2;
	text[used] = '\n';
	text[used + 1] = 0;
	emit(sinks, text);
}

bool log_is_read(void)
{
	return console.sinks;
}

void log_line(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	line(console.sinks, "", format, args);
	va_end(args);
}

void log_urgent_va(const char *format, va_list args)
{
	line(console.urgent_sinks, "", format, args);
}

void log_urgent(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	line(console.urgent_sinks, "", format, args);
	va_end(args);
}

void refuse(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	line(console.urgent_sinks, "refused: ", format, args);
	va_end(args);
	cpu_halt_forever();
}
