/*
 * From the first instruction in long mode to L1's first: the order of everything, on one screen.
 */
#include "boot/acpi.h"
#include "boot/fault.h"
#include "boot/memory.h"
#include "boot/multiboot2.h"
#include "boot/processors.h"
#include "vmm/bios.h"
#include "vmm/console.h"
#include "vmm/ept01.h"
#include "vmm/hardware.h"
#include "vmm/lib.h"
#include "vmm/msr.h"
#include "vmm/start.h"
#include "vmx/cpu.h"

#define TAGS_MAX 65536

static struct boot_info boot;
static struct machine machine;
static struct vcpu vcpu;
static struct descriptor_tables tables;
static u8 tags[TAGS_MAX] __attribute__((aligned(8)));
static int interrupt;

void boot_main(u32 magic, u32 information);

/* VGA text memory, if GRUB left the screen in text mode. */
static u16 *text_screen(void)
{
	u32 size;
	const u8 *tag = multiboot2_tag(&boot, MB2_FRAMEBUFFER, &size);
	if (tag && size >= 30 && tag[29] == 2)
		return (u16 *)(DIRECT_BASE + 0xb8000);
	return 0;
}

static void read_boot_information(u32 magic, u32 information)
{
	const u8 *from = (const u8 *)(DIRECT_BASE + information);
	const char *why = "no multiboot2 information: load this with GRUB's `multiboot2` command";
	u32 size = 0;

	if (magic == MB2_BOOT_MAGIC)
		memcpy(&size, from, 4);
	boot.tags = tags;
	boot.tags_size = size < TAGS_MAX ? size : TAGS_MAX;
	memcpy(tags, from, boot.tags_size);
	int error = magic == MB2_BOOT_MAGIC ? multiboot2_read(&boot, &why) : -1;
	console_init(boot.args, text_screen());
	if (error)
		refuse("%s", why);
	if (size > TAGS_MAX)
		refuse("the boot loader's information is %u bytes, more than %u", size, TAGS_MAX);
}

static void make_msr_bitmap(struct machine *m)
{
	u8 *page = page_alloc_must(m);
	msr_make_bitmap(page);
	m->msr_bitmap = l0_pa(m, page);
}

void boot_main(u32 magic, u32 information)
{
	struct machine *m = &machine;

	fault_init(&tables, &interrupt);
	read_boot_information(magic, information);
	log_line("Nestling, a nested hypervisor; %s", boot.loader);
	acpi_read(&boot);
	m->boot = &boot;
	m->interrupt = &interrupt;
	hardware_check(m);
	memory_init(m);
	log_line("L0 lives at %#lx to %#lx; %u processor%s", m->l0_base, m->l0_base + m->l0_size - 1,
		 boot.cpu_count, boot.cpu_count == 1 ? "" : "s, of which L1 gets one");
	processors_hide(&boot);
	hardware_vmxon(m);
	ept01_init(m);
	bios_hook(m);
	make_msr_bitmap(m);
	start_load_l1(m);
	vcpu_init(&vcpu, m);
	start_enter_l1(&vcpu);
	vcpu_run(&vcpu);
}
