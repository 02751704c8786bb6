/*
 * From boot.S to the program's main().
 */
#include "guest/lib/start.h"

#include "guest/lib/asm.h"
#include "guest/lib/console.h"
#include "guest/lib/multiboot.h"
#include "guest/lib/trap.h"

#define PIC1_MASK 0x21
#define PIC2_MASK 0xa1

void lib_start(u32 magic, u64 info);

/* The firmware's timer would otherwise interrupt any L2 that allows interrupts. */
static void devices_silence(void)
{
	outb(PIC1_MASK, 0xff);
	outb(PIC2_MASK, 0xff);
}

void lib_start(u32 magic, u64 info)
{
	console_init();
	devices_silence();
	trap_init();
	if (!multiboot_init(magic, info))
		print("FAIL not started by a multiboot loader\n");
	else
		guest_main();
	power_off();
}
