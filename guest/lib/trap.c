#include "guest/lib/trap.h"

#include "guest/lib/asm.h"
#include "guest/lib/console.h"
#include "guest/lib/selectors.h"

/* As pushed by trap_entry.S and the processor. */
struct frame {
	u64 rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_middle;
	u32 offset_high, reserved;
};

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u8 reserved2[10];
	u16 io_map;
} __attribute__((packed));

#define GATE_INTERRUPT 0x8e
#define GATE_USER 0x60 /* DPL 3: an INT n from ring 3 may use it */
#define TSS_AVAILABLE 0x89
#define STACK_SIZE 8192

struct trap trap_last;
volatile u32 trap_interrupts[256];
void (*trap_interrupt)(u32 vector);

static struct gate idt[256] __attribute__((aligned(16)));
static struct tss tss __attribute__((aligned(16)));
static u8 ring0_stack[STACK_SIZE] __attribute__((aligned(16)));
static u8 fatal_stack[STACK_SIZE] __attribute__((aligned(16)));

extern const char trap_stubs[256][16], trap_call_return[];
extern u64 trap_call_stack;
extern u64 gdt[];
extern const u64 extable_start[][2], extable_end[][2];

u64 trap_call_raw(trap_function *function, u64 a, u64 b, u64 c);
void trap_handle(struct frame *f);

static void gate_set(unsigned vector, unsigned ist)
{
	u64 offset = (u64)trap_stubs[vector];
	idt[vector] = (struct gate){
		.offset_low = (u16)offset,
		.selector = SEL_CODE64,
		.ist = (u8)ist,
		.type = GATE_INTERRUPT | (vector >= 32 ? GATE_USER : 0),
		.offset_middle = (u16)(offset >> 16),
		.offset_high = (u32)(offset >> 32),
	};
}

static void tss_load(void)
{
	u64 base = (u64)&tss;
	tss.rsp[0] = (u64)(ring0_stack + STACK_SIZE);
	tss.ist[0] = (u64)(fatal_stack + STACK_SIZE);
	tss.io_map = sizeof(tss);
	gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & BITS(23, 0)) << 16 | (u64)TSS_AVAILABLE << 40 |
			   (base & BITS(31, 24)) << 32;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	load_tr(SEL_TSS);
}

void trap_init(void)
{
	for (unsigned i = 0; i < 256; i++)
		gate_set(i, i == VEC_DF || i == VEC_NMI || i == VEC_MC);
	load_idtr(&(struct table_pointer){sizeof(idt) - 1, (u64)idt});
	tss_load();
}

static u64 fixup_find(u64 rip)
{
	for (const u64(*e)[2] = extable_start; e != extable_end; e++)
		if ((*e)[0] == rip)
			return (*e)[1];
	return 0;
}

static void trap_record(const struct frame *f)
{
	trap_last = (struct trap){
		.vector = (int)f->vector,
		.error = (u32)f->error,
		.rip = f->rip,
		.cs = f->cs,
		.rflags = f->rflags,
		.cr2 = f->vector == VEC_PF ? read_cr2() : 0,
	};
}

static void trap_fatal(const struct frame *f)
{
	print("FAIL exception %u error 0x%x at 0x%lx, cs 0x%lx rflags 0x%lx rsp 0x%lx cr2 0x%lx\n",
	      (u32)f->vector, (u32)f->error, f->rip, f->cs, f->rflags, f->rsp, read_cr2());
	power_off();
}

void trap_handle(struct frame *f)
{
	u64 fixup = fixup_find(f->rip);

	if (fixup) {
		trap_record(f);
		f->rip = fixup;
	} else if (trap_call_stack) {
		trap_record(f);
		f->rip = (u64)trap_call_return;
		f->cs = SEL_CODE64;
		f->ss = SEL_DATA;
		f->rsp = trap_call_stack;
		f->rflags = RFLAGS_FIXED1;
	} else if (f->vector >= 32) {
		trap_interrupts[f->vector]++;
		if (trap_interrupt)
			trap_interrupt((u32)f->vector);
	} else {
		trap_fatal(f);
	}
}

struct trap trap_call(trap_function *function, u64 a, u64 b, u64 c)
{
	trap_last.vector = NO_EXCEPTION;
	return trap_result(trap_call_raw(function, a, b, c));
}

u64 trap_tss_base(void)
{
	return (u64)&tss;
}
