/*
 * All inline assembly of the guest programs: ports, control registers, MSRs, and the VMX instructions.
 *
 * What may fault is run by TRY(), which comes back with the exception instead of dying of it.
 */
#ifndef GUEST_LIB_ASM_H
#define GUEST_LIB_ASM_H

#include "guest/lib/trap.h"
#include "vmx/types.h"
#include "vmx/x86.h"

static inline void outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(u16 port, u16 value)
{
	asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;
	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void halt(void)
{
	asm volatile("cli; hlt" : : : "memory");
}

static inline void interrupts_on(void)
{
	asm volatile("sti; nop" : : : "memory");
}

static inline void interrupts_off(void)
{
	asm volatile("cli" : : : "memory");
}

/* SDM: "Handling Multiple NMIs": an IRET ends the blocking, whatever it returns from. */
static inline void unblock_nmis(void)
{
	u64 stack, value;
	asm volatile("mov %%rsp, %0\n\tmov %%ss, %k1\n\tpush %1\n\tpush %0\n\tpushfq\n\tmov %%cs, %k1\n\t"
		     "push %1\n\tlea 1f(%%rip), %1\n\tpush %1\n\tiretq\n1:"
		     : "=&r"(stack), "=&r"(value)
		     :
		     : "cc", "memory");
}

static inline void zero_quads(u64 *to, u64 count)
{
	asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0ul) : "memory");
}

/* Lets one interrupt that is pending in. */
static inline void interrupts_take(void)
{
	asm volatile("sti; nop; cli" : : : "memory");
}

static inline void copy_quads(void *to, const void *from, u64 count)
{
	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static inline u64 rdtsc(void)
{
	u32 low, high;
	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf)
{
	struct cpuid r;
	asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
	return r;
}

#define CONTROL_REGISTER(name) \
	static inline u64 read_##name(void) \
	{ \
		u64 value; \
		asm volatile("mov %%" #name ", %0" : "=r"(value) : : "memory"); \
		return value; \
	} \
	static inline void write_##name(u64 value) \
	{ \
		asm volatile("mov %0, %%" #name : : "r"(value) : "memory"); \
	}
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(cr8)
#undef CONTROL_REGISTER

#define SELECTOR(name) \
	static inline u16 read_##name(void) \
	{ \
		u16 value; \
		asm volatile("mov %%" #name ", %0" : "=r"(value)); \
		return value; \
	}
SELECTOR(cs)
SELECTOR(ds)
SELECTOR(es)
SELECTOR(fs)
SELECTOR(gs)
SELECTOR(ss)
#undef SELECTOR

#define WRITE_SELECTOR(name) \
	static inline void write_##name(u16 value) \
	{ \
		asm volatile("mov %0, %%" #name : : "r"(value) : "memory"); \
	}
WRITE_SELECTOR(ds)
WRITE_SELECTOR(es)
WRITE_SELECTOR(fs)
WRITE_SELECTOR(gs)
WRITE_SELECTOR(ss)
#undef WRITE_SELECTOR

static inline u16 read_ldtr(void)
{
	u16 value;
	asm volatile("sldt %0" : "=m"(value));
	return value;
}

static inline u16 read_tr(void)
{
	u16 value;
	asm volatile("str %0" : "=r"(value));
	return value;
}

static inline void load_tr(u16 selector)
{
	asm volatile("ltr %0" : : "r"(selector));
}

struct table_pointer {
	u16 limit;
	u64 base;
} __attribute__((packed));

static inline struct table_pointer read_gdtr(void)
{
	struct table_pointer p;
	asm volatile("sgdt %0" : "=m"(p));
	return p;
}

static inline struct table_pointer read_idtr(void)
{
	struct table_pointer p;
	asm volatile("sidt %0" : "=m"(p));
	return p;
}

static inline void load_idtr(const struct table_pointer *p)
{
	asm volatile("lidt %0" : : "m"(*p));
}

static inline u64 read_dr7(void)
{
	u64 value;
	asm volatile("mov %%dr7, %0" : "=r"(value));
	return value;
}

static inline u64 read_dr6(void)
{
	u64 value;
	asm volatile("mov %%dr6, %0" : "=r"(value));
	return value;
}

static inline void write_dr6(u64 value)
{
	asm volatile("mov %0, %%dr6" : : "r"(value));
}

static inline void invlpg(u64 address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline u64 rdmsr(u32 number)
{
	u32 low, high;
	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 number, u64 value)
{
	asm volatile("wrmsr" : : "c"(number), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/*
 * Runs one instruction with the arithmetic flags of `flags`; gives what it did. An exception raised
 * at label 1 continues at label 2. Flags such as DF do not leak out. `inout` is one operand that it
 * may write; inputs follow.
 */
#define TRY_INOUT(flags, text, inout, ...) \
	({ \
		u64 try_flags_ = (flags) | RFLAGS_FIXED1; \
		trap_last.vector = NO_EXCEPTION; \
		asm volatile("push %[fl]\n\tpopfq\n1:\t" text \
			     "\n\tpushfq\n\tpop %[fl]\n2:\tpush $2\n\tpopfq\n\t" \
			     ".pushsection .extable, \"a\"\n\t.quad 1b, 2b\n\t.popsection" \
			     : [fl] "+r"(try_flags_), inout:__VA_ARGS__ \
			     : "memory", "cc"); \
		trap_result(try_flags_); \
	})

#define TRY(flags, text, ...) \
	({ \
		u64 try_unused_ = 0; \
		TRY_INOUT(flags, text, "+r"(try_unused_), __VA_ARGS__); \
	})

static inline struct trap try_write_cr0(u64 value)
{
	return TRY(0, "mov %[v], %%cr0", [v] "r"(value));
}

static inline struct trap try_write_cr4(u64 value)
{
	return TRY(0, "mov %[v], %%cr4", [v] "r"(value));
}

static inline struct trap try_wrmsr(u32 number, u64 value)
{
	return TRY(0, "wrmsr", "c"(number), "a"((u32)value), "d"((u32)(value >> 32)));
}

/* The flags that the VMX instructions write. SDM: "Conventions". */
#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* The flags before each VMX instruction: all set at first, so that one that should be cleared shows. */
extern u64 vmx_flags_before;

/*
 * The VMX instructions. A pointer is the linear address of the memory operand, and may be bad on
 * purpose.
 */
#define VMX_INSN(name) \
	static inline struct trap name(void) \
	{ \
		return TRY(vmx_flags_before, #name); \
	}
VMX_INSN(vmxoff)
VMX_INSN(vmcall)
VMX_INSN(vmlaunch)
VMX_INSN(vmresume)
#undef VMX_INSN

#define VMX_INSN_MEMORY(name) \
	static inline struct trap name(const void *operand) \
	{ \
		return TRY(vmx_flags_before, #name " (%[p])", [p] "r"(operand)); \
	}
VMX_INSN_MEMORY(vmxon)
VMX_INSN_MEMORY(vmclear)
VMX_INSN_MEMORY(vmptrld)
VMX_INSN_MEMORY(vmptrst)
#undef VMX_INSN_MEMORY

/* VMXON with a register operand: no assembler writes that. */
static inline struct trap vmxon_register(void)
{
	return TRY(vmx_flags_before, ".byte 0xf3, 0x0f, 0xc7, 0xf0");
}

#define VMX_INSN_INVALIDATE(name) \
	static inline struct trap name(u64 type, const void *descriptor) \
	{ \
		return TRY(vmx_flags_before, #name " (%[p]), %[t]", [p] "r"(descriptor), [t] "r"(type)); \
	}
/* Types of INVEPT and INVVPID. */
#define INVEPT_SINGLE_CONTEXT 1
#define INVEPT_GLOBAL 2
#define INVVPID_ADDRESS 0
#define INVVPID_SINGLE_CONTEXT 1
#define INVVPID_ALL 2
#define INVVPID_SINGLE_KEEP_GLOBALS 3
VMX_INSN_INVALIDATE(invept)
VMX_INSN_INVALIDATE(invvpid)
#undef VMX_INSN_INVALIDATE

static inline struct trap vmread(u64 field, u64 *value)
{
	return TRY_INOUT(vmx_flags_before, "vmread %[f], %[v]", [v] "+r"(*value), [f] "r"(field));
}

static inline struct trap vmwrite(u64 field, u64 value)
{
	return TRY(vmx_flags_before, "vmwrite %[v], %[f]", [v] "r"(value), [f] "r"(field));
}

static inline struct trap vmread_memory(u64 field, void *value)
{
	return TRY(vmx_flags_before, "vmread %[f], (%[p])", [p] "r"(value), [f] "r"(field));
}

static inline struct trap vmwrite_memory(u64 field, const void *value)
{
	return TRY(vmx_flags_before, "vmwrite (%[p]), %[f]", [p] "r"(value), [f] "r"(field));
}

/* For fields known to be there: an exception ends the program, and a failure does not show. */
static inline u64 vmread_fast(u64 field)
{
	u64 value = 0;
	asm volatile("vmread %1, %0" : "+r"(value) : "r"(field) : "cc", "memory");
	return value;
}

static inline void vmwrite_fast(u64 field, u64 value)
{
	asm volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc", "memory");
}

#endif
