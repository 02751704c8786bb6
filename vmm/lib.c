#include "vmm/lib.h"

#include "vmx/cpu.h"

void *memcpy(void *to, const void *from, size_t size)
{
	return memmove(to, from, size);
}

/* Words where the size allows it: L0 clears and copies pages, and structs. */
void *memmove(void *to, const void *from, size_t size)
{
	u8 *d = to;
	const u8 *s = from;

	if (d > s && d < s + size)
		for (size_t i = size; i-- > 0;)
			((volatile u8 *)d)[i] = s[i];
	else if (size % 8 == 0)
		cpu_copy_words(d, s, size / 8);
	else
		cpu_copy_bytes(d, s, size);
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	u8 *d = to;
	size_t words = size / 8;

	cpu_fill_words(d, 0x0101010101010101ul * (u8)byte, words);
	for (size_t i = 8 * words; i < size; i++)
		((volatile u8 *)d)[i] = (u8)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const u8 *x = a, *y = b;
	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] || !a[i])
			return (u8)a[i] - (u8)b[i];
	return 0;
}

struct out {
	char *buf;
	size_t size, used;
};

static void put(struct out *out, char c)
{
	if (out->used + 1 < out->size)
		out->buf[out->used] = c;
	out->used++;
}

static void put_all(struct out *out, const char *text, size_t length)
{
	size_t room = out->used + 1 < out->size ? out->size - 1 - out->used : 0;

	if (room)
		memcpy(out->buf + out->used, text, length < room ? length : room);
	out->used += length;
}

struct spec {
	unsigned width, base;
	bool zero, left, prefix, is_signed;
};

static void put_padded(struct out *out, const struct spec *spec, const char *text, size_t length)
{
	size_t pad = spec->width > length ? spec->width - length : 0;
	for (size_t i = 0; i < pad && !spec->left; i++)
		put(out, spec->zero ? '0' : ' ');
	put_all(out, text, length);
	for (size_t i = 0; i < pad && spec->left; i++)
		put(out, ' ');
}

static void put_number(struct out *out, const struct spec *spec, u64 value)
{
	char text[24];
	size_t at = sizeof(text);
	bool negative = spec->is_signed && (s64)value < 0;

	if (negative)
		value = -value;
	do {
		text[--at] = "0123456789abcdef"[value % spec->base];
		value /= spec->base;
	} while (value);
	if (spec->prefix) {
		text[--at] = 'x';
		text[--at] = '0';
	}
	if (negative)
		text[--at] = '-';
	put_padded(out, spec, text + at, sizeof(text) - at);
}

static u64 next_number(va_list *args, bool wide, bool is_signed)
{
	if (wide)
		return va_arg(*args, u64);
	return is_signed ? (u64)(s64)va_arg(*args, int) : va_arg(*args, unsigned);
}

/* One conversion, after its '%'. Gives the place behind it. */
static const char *convert(struct out *out, const char *p, va_list *args)
{
	struct spec spec = {.base = 10};
	bool wide = false;

	for (;; p++) {
		if (*p == '0')
			spec.zero = true;
		else if (*p == '-')
			spec.left = true;
		else if (*p == '#')
			spec.prefix = true;
		else
			break;
	}
	for (; *p >= '0' && *p <= '9'; p++)
		spec.width = spec.width * 10 + (unsigned)(*p - '0');
	for (; *p == 'l' || *p == 'z'; p++)
		wide = true;
	switch (*p) {
	case 'c': {
		char c = (char)va_arg(*args, int);
		put_padded(out, &spec, &c, 1);
		break;
	}
	case 's': {
		const char *s = va_arg(*args, const char *);
		put_padded(out, &spec, s ? s : "(null)", strlen(s ? s : "(null)"));
		break;
	}
	case 'd':
		spec.is_signed = true;
		put_number(out, &spec, next_number(args, wide, true));
		break;
	case 'u':
		put_number(out, &spec, next_number(args, wide, false));
		break;
	case 'p':
		spec.prefix = wide = true; /* fallthrough */
	case 'x':
		spec.base = 16;
		put_number(out, &spec, next_number(args, wide, false));
		break;
	default:
		put(out, *p);
	}
	return *p ? p + 1 : p;
}

int fmt_va(char *buf, size_t size, const char *format, va_list args)
{
	struct out out = {buf, size, 0};
	va_list copy;

	va_copy(copy, args);
	while (*format) {
		if (*format == '%')
			format = convert(&out, format + 1, &copy);
		else
			put(&out, *format++);
	}
	va_end(copy);
	if (size)
		buf[out.used < size ? out.used : size - 1] = 0;
	return (int)out.used;
}

int fmt(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = fmt_va(buf, size, format, args);
	va_end(args);
	return n;
}
