/*
 * The smallest L1: prints what its boot loader gave it, then ends in the way that the last word of
 * its command line asks for. It knows nothing of VMX; it is there to test loading, and the runner.
 */
#include <stdint.h>

struct multiboot {
	uint32_t flags, lower, upper, boot_device, command_line, module_count, modules;
};

struct module {
	uint32_t start, end, text, reserved;
};

struct tag {
	uint32_t type, size, data[];
};

enum { COM1 = 0x3F8, SHUTDOWN_PORT = 0x8900, ACPI_BOCHS = 0xB004, ACPI_QEMU = 0x604, ACPI_OFF = 0x2000 };

void triple_fault(void);
void probe_main(uint32_t magic, uint32_t info, uint32_t eflags, uint32_t cr0);

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void put(char c)
{
	out8(COM1, (uint8_t)c);
	while (!(in8(COM1 + 5) & 0x40)) /* until it is on the line: power may go any time */
		;
}

static void print(const char *text)
{
	while (*text)
		put(*text++);
}

static void print_hex(uint32_t value)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		put("0123456789abcdef"[value >> shift & 15]);
}

static void print_field(const char *name, uint32_t value)
{
	print(name);
	print_hex(value);
}

static void check(int well, const char *text)
{
	print(well ? "ok " : "FAIL ");
	print(text);
	print("\n");
}

static void print_module(uint32_t start, uint32_t end, const char *text)
{
	uint32_t sum = 0;

	for (const uint8_t *p = (const uint8_t *)start; p < (const uint8_t *)end; p++)
		sum = (sum << 1 | sum >> 31) + *p;
	print_field("module: size ", end - start);
	print_field(", sum ", sum);
	print(", text \"");
	print(text);
	print("\"\n");
	check(start % 4096 == 0, "the module begins a page");
}

static const char *read_multiboot(const struct multiboot *info)
{
	const struct module *modules = (const struct module *)info->modules;
	const char *line = info->flags & 4 ? (const char *)info->command_line : "(none)";

	check((info->flags & 0x45) == 0x45, "memory sizes, command line and memory map are given");
	print_field("~ lower KiB ", info->lower);
	print_field(", upper KiB ", info->upper);
	print("\ncommand line: \"");
	print(line);
	print("\"\n");
	for (uint32_t i = 0; info->flags & 8 && i < info->module_count; i++)
		print_module(modules[i].start, modules[i].end, (const char *)modules[i].text);
	return line;
}

static const char *read_multiboot2(uint32_t info)
{
	const char *line = "(none)";
	uint32_t seen = 0;

	for (const struct tag *tag = (const struct tag *)(info + 8); tag->type;
	     tag = (const struct tag *)((uintptr_t)tag + ((tag->size + 7) & ~7u))) {
		seen |= tag->type < 32 ? 1u << tag->type : 0;
		if (tag->type == 1) {
			line = (const char *)tag->data;
			print("command line: \"");
			print(line);
			print("\"\n");
		} else if (tag->type == 3) {
			print_module(tag->data[0], tag->data[1], (const char *)(tag->data + 2));
		}
	}
	check(info % 8 == 0, "the tags begin at a multiple of 8");
	check(seen >> 1 & 1, "a command line is given");
	check(seen >> 4 & 1, "memory sizes are given");
	check(seen >> 6 & 1, "a memory map is given");
	return line;
}

static int asks(const char *line, const char *word)
{
	const char *w = word, *last = line;

	for (; *line; line++)
		if (*line == ' ')
			last = line + 1;
	while (*w && *w == *last)
		w++, last++;
	return !*w && !*last;
}

void probe_main(uint32_t magic, uint32_t info, uint32_t eflags, uint32_t cr0)
{
	const char *line = "";

	out8(COM1 + 3, 3); /* 8n1, at the speed that is set */
	print_field("magic ", magic);
	print("\n");
	check((cr0 & 0x80000001) == 1, "protected mode, no paging");
	check(!(eflags & 0x20200), "interrupts off, no virtual-8086 mode");
	if (magic == 0x2BADB002)
		line = read_multiboot((const struct multiboot *)info);
	else if (magic == 0x36D76289)
		line = read_multiboot2(info);
	else
		check(0, "the magic number of a boot protocol");

	if (asks(line, "triple-fault"))
		triple_fault();
	if (asks(line, "reset-keyboard"))
		out8(0x64, 0xFE);
	if (asks(line, "reset-cf9"))
		out8(0xCF9, 6);
	if (asks(line, "hang"))
		return;
	for (const char *p = asks(line, "acpi") ? "" : "Shutdown"; *p; p++)
		out8(SHUTDOWN_PORT, (uint8_t)*p);
	out16(ACPI_BOCHS, ACPI_OFF);
	out16(ACPI_QEMU, ACPI_OFF);
}
