#include "boot/fault.h"

#include "vmm/layout.h"
#include "vmm/console.h"
#include "vmm/lib.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"
#include "vmx/entry.h"
#include "vmx/x86.h"

struct fault_frame {
	u64 rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	u64 vector, error_code, rip, cs, rflags, rsp, ss;
};

struct symbol {
	u64 address;
	const char *name;
};
struct extable_row {
	u64 fault, resume;
};

/* The first of the two links has no symbols. */
extern const struct symbol symbol_table[] __attribute__((weak));
extern const u64 symbol_count __attribute__((weak));
extern const struct extable_row extable_start[], extable_end[];
extern u8 fault_stubs[], stack_nmi_end[], stack_df_end[], stack_mc_end[];
extern u8 stack_boot_guard[], stack_mc_end[], l0_text[], l0_rodata[];
extern void boot_load_segments(void);
void fault_handle(struct fault_frame *frame);

static int *fault_interrupt;

static void print_place(const char *what, u64 address)
{
	u64 count = &symbol_count ? symbol_count : 0, i = 0;
	while (i < count && symbol_table[i].address <= address)
		i++;
	if (i == 0)
		log_urgent("  %s %#lx", what, address);
	else
		log_urgent("  %s %#lx %s+%#lx", what, address, symbol_table[i - 1].name,
			   address - symbol_table[i - 1].address);
}

/* Frame pointers are only followed inside the stacks, upwards. */
static void print_backtrace(u64 frame_pointer)
{
	for (unsigned depth = 0; depth < 24; depth++) {
		if (frame_pointer < (u64)stack_boot_guard || frame_pointer + 16 > (u64)stack_mc_end ||
		    (frame_pointer & 7))
			return;
		const u64 *frame = (const u64 *)frame_pointer;
		print_place("from", frame[1]);
		if (frame[0] <= frame_pointer)
			return;
		frame_pointer = frame[0];
	}
}

void panic(const char *file, int line, const char *format, ...)
{
	va_list args;
	log_urgent("PANIC at %s:%d", file, line);
	va_start(args, format);
	log_urgent_va(format, args);
	va_end(args);
	print_backtrace(cpu_frame_pointer());
	cpu_halt_forever();
}

static void print_registers(const struct fault_frame *f)
{
	log_urgent("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	log_urgent("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
	log_urgent("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
	log_urgent("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
	log_urgent("  cr0 %016lx cr2 %016lx cr3 %016lx cr4 %016lx", cpu_read_cr0(), cpu_read_cr2(),
		   cpu_read_cr3(), cpu_read_cr4());
	log_urgent("  rflags %lx cs %lx ss %lx", f->rflags, f->cs, f->ss);
}

void fault_handle(struct fault_frame *f)
{
	if (f->vector == VEC_NMI) {
		entry_nmi = true;
		f->rip = entry_nmi_fixup(f->rip);
		return;
	}
	if (f->rflags & RFLAGS_IF) { /* cpu_interrupt_window(): nothing in it can fault */
		*fault_interrupt = (int)f->vector;
		f->rflags &= ~RFLAGS_IF;
		return;
	}
	for (const struct extable_row *row = extable_start; row < extable_end; row++) {
		if (row->fault == f->rip && (f->vector == VEC_GP || f->vector == VEC_UD)) {
			f->rip = row->resume;
			return;
		}
	}
	log_urgent("PANIC: exception %lu in L0, error code %#lx", f->vector, f->error_code);
	print_registers(f);
	print_place("at", f->rip);
	print_backtrace(f->rbp);
	cpu_halt_forever();
}

static void set_tss_stack(u32 *tss, unsigned ist, const u8 *end)
{
	u64 address = (u64)end;
	memcpy(&tss[7 + 2 * ist], &address, 8); /* IST1 is at byte 36 */
}

void fault_init(struct descriptor_tables *t, int *interrupt)
{
	u64 tss = (u64)t->tss, limit = sizeof(t->tss) - 1;
	struct table_register gdtr = {sizeof(t->gdt) - 1, (u64)t->gdt};
	struct table_register idtr = {sizeof(t->idt) - 1, (u64)t->idt};

	fault_interrupt = interrupt;
	memset(t, 0, sizeof(*t));
	t->gdt[1] = 0x00af9b000000fffful;
	t->gdt[2] = 0x00cf93000000fffful;
	t->gdt[3] = limit | (tss & 0xffffff) << 16 | 0x89ul << 40 | (tss >> 24 & 0xff) << 56;
	t->gdt[4] = tss >> 32;
	set_tss_stack(t->tss, 1, stack_nmi_end);
	set_tss_stack(t->tss, 2, stack_df_end);
	set_tss_stack(t->tss, 3, stack_mc_end);
	t->tss[25] = sizeof(t->tss) << 16; /* no I/O bitmap */
	for (unsigned v = 0; v < ARRAY_LEN(t->idt); v++) {
		u64 handler = (u64)(fault_stubs + 16 * v);
		u64 ist = v == VEC_NMI ? 1 : v == VEC_DF ? 2 : v == VEC_MC ? 3 : 0;
		t->idt[v].low = (handler & 0xffff) | SEL_CODE << 16 | ist << 32 | 0x8eul << 40 |
				(handler >> 16 & 0xffff) << 48;
		t->idt[v].high = handler >> 32;
	}
	cpu_lgdt(&gdtr);
	boot_load_segments();
	cpu_ltr(SEL_TSS);
	cpu_lidt(&idtr);
}
