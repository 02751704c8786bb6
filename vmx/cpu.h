/*
 * The privileged instructions outside VMX, and the only inline assembly beside vmx/insn.h.
 * The _safe forms give -1 where the instruction raised #GP or #UD (boot/fault.c finds the place in
 * the exception table), 0 otherwise.
 */
#ifndef VMX_CPU_H
#define VMX_CPU_H

#include "vmx/types.h"

#define EXTABLE(fault, resume) \
	".pushsection .extable, \"a\"\n\t.quad " fault ", " resume "\n\t.popsection\n"

/* Of 32 bits each: CPUID clears the others. */
struct cpuid_regs {
	u64 eax, ebx, ecx, edx;
};
struct table_register {
	u16 limit;
	u64 base;
} __attribute__((packed));

static inline struct cpuid_regs cpu_cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;
	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline void cpu_copy_words(void *to, const void *from, u64 words)
{
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static inline void cpu_copy_bytes(void *to, const void *from, u64 bytes)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static inline void cpu_fill_words(void *to, u64 word, u64 words)
{
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
}

static inline u64 cpu_rdmsr(u32 msr)
{
	u32 low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void cpu_wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static inline int cpu_rdmsr_safe(u32 msr, u64 *value)
{
	u32 low = 0, high = 0;
	int error;
	__asm__ volatile("mov $-1, %2\n"
			 "1: rdmsr\n\t"
			 "mov $0, %2\n"
			 "2:\n" EXTABLE("1b", "2b")
			 : "+a"(low), "+d"(high), "=&r"(error)
			 : "c"(msr));
	*value = (u64)high << 32 | low;
	return error;
}

static inline int cpu_wrmsr_safe(u32 msr, u64 value)
{
	int error;
	__asm__ volatile("mov $-1, %0\n"
			 "1: wrmsr\n\t"
			 "mov $0, %0\n"
			 "2:\n" EXTABLE("1b", "2b")
			 : "=&r"(error)
			 : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
	return error;
}

static inline int cpu_xsetbv_safe(u32 xcr, u64 value)
{
	int error;
	__asm__ volatile("mov $-1, %0\n"
			 "1: xsetbv\n\t"
			 "mov $0, %0\n"
			 "2:\n" EXTABLE("1b", "2b")
			 : "=&r"(error)
			 : "c"(xcr), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
	return error;
}

#define CPU_CR_ACCESS(n) \
	static inline u64 cpu_read_cr##n(void) \
	{ \
		u64 value; \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value)); \
		return value; \
	} \
	static inline void cpu_write_cr##n(u64 value) \
	{ \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory"); \
	}
CPU_CR_ACCESS(0)
CPU_CR_ACCESS(2)
CPU_CR_ACCESS(3)
CPU_CR_ACCESS(4)
#undef CPU_CR_ACCESS

static inline u8 cpu_in8(u16 port)
{
	u8 value;
	__asm__ volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u16 cpu_in16(u16 port)
{
	u16 value;
	__asm__ volatile("inw %w1, %w0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u32 cpu_in32(u16 port)
{
	u32 value;
	__asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void cpu_out8(u16 port, u8 value)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port));
}

/* Byte after byte to the same port. */
static inline void cpu_out8_all(u16 port, const char *bytes, u64 count)
{
	__asm__ volatile("rep outsb" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
}

static inline void cpu_out16(u16 port, u16 value)
{
	__asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port));
}

static inline void cpu_out32(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port));
}

static inline void cpu_lgdt(const struct table_register *table)
{
	__asm__ volatile("lgdt %0" : : "m"(*table));
}

static inline void cpu_lidt(const struct table_register *table)
{
	__asm__ volatile("lidt %0" : : "m"(*table));
}

/* No VMCS field: what L1 has in DR6 stays there. */
static inline u64 cpu_read_dr6(void)
{
	u64 value;
	__asm__ volatile("mov %%dr6, %0" : "=r"(value));
	return value;
}

static inline void cpu_write_dr6(u64 value)
{
	__asm__ volatile("mov %0, %%dr6" : : "r"(value));
}

static inline void cpu_sgdt(struct table_register *table)
{
	__asm__ volatile("sgdt %0" : "=m"(*table));
}

static inline void cpu_sidt(struct table_register *table)
{
	__asm__ volatile("sidt %0" : "=m"(*table));
}

static inline void cpu_lldt(u16 selector)
{
	__asm__ volatile("lldt %0" : : "r"(selector));
}

static inline void cpu_ltr(u16 selector)
{
	__asm__ volatile("ltr %0" : : "r"(selector));
}

/* SDM: "Handling Multiple NMIs": an IRET ends the blocking, whatever it returns from. */
static inline void cpu_unblock_nmis(void)
{
	u64 stack, value;
	__asm__ volatile("mov %%rsp, %0\n\tmov %%ss, %k1\n\tpush %1\n\tpush %0\n\tpushfq\n\t"
			 "mov %%cs, %k1\n\tpush %1\n\tlea 1f(%%rip), %1\n\tpush %1\n\tiretq\n1:"
			 : "=&r"(stack), "=&r"(value)
			 :
			 : "cc", "memory");
}

static inline void cpu_wbinvd(void)
{
	__asm__ volatile("wbinvd" : : : "memory");
}

/* Lets one external interrupt in, if there is one: the boot/fault.c handler stores its vector. */
static inline void cpu_interrupt_window(void)
{
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause");
}

static inline u64 cpu_rdtsc(void)
{
	u32 low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static inline u64 cpu_frame_pointer(void)
{
	return (u64)__builtin_frame_address(0);
}

static inline void __attribute__((noreturn)) cpu_halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

/* Shuts the processor down: a fault with no IDT is a triple fault. */
static inline void __attribute__((noreturn)) cpu_triple_fault(void)
{
	struct table_register none = {0, 0};
	cpu_lidt(&none);
	for (;;)
		__asm__ volatile("ud2");
}

/* size: a multiple of 8 */
static inline void cpu_zero(void *at, u64 size)
{
	u64 words = size / 8;
	__asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(0ul) : "memory");
}

#endif
