/*
 * Hardware task switches, as far as they are a matter of bytes: TSSs, segment descriptors and their checks.
 * Pure. SDM: volume 3A, chapter "Task Management"; "Segment Descriptors".
 */
#ifndef VMM_TASK_PURE_H
#define VMM_TASK_PURE_H

#include "vmx/types.h"
#include "vmx/x86.h"

/* Exit qualification 31:30. SDM: volume 3C, "Exit Qualification for Task Switches". */
enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };

#define TASK_TSS_MAX 104 /* bytes of the larger TSS */
#define TASK_SELECTORS 7 /* ES to GS, and LDTR, as enum segment numbers them */

/* What a switch saves and loads. A 16-bit TSS has no CR3, FS, GS and trap flag. */
struct task {
	u32 cr3, eip, eflags, gpr[8];
	u16 selector[TASK_SELECTORS];
	bool trap; /* T: a debug trap before the first instruction */
};

/* The least size of a TSS, in bytes; what is saved to it lies at these offsets. */
static inline u32 task_tss_size(bool wide)
{
	return wide ? 104 : 44;
}

/* Stores EIP, EFLAGS, the general registers and ES to GS (DS, for a 16-bit TSS); nothing else. */
void task_save(u8 *tss, bool wide, const struct task *t);
/* The upper halves that a 16-bit TSS lacks: ones in general registers, else 0. */
void task_load(const u8 *tss, bool wide, struct task *t);

struct descriptor {
	u32 base, limit; /* in bytes */
	u32 ar; /* as in the VMCS */
};
struct descriptor descriptor_decode(u64 raw);
#define DESCRIPTOR_ACCESSED BIT(40)
#define DESCRIPTOR_TSS_BUSY BIT(41)

/* Is it a TSS, wide: of 32 bits, that is busy or not as wanted? */
bool descriptor_is_tss(const struct descriptor *d, bool busy);
bool descriptor_is_wide_tss(const struct descriptor *d);

#define TASK_NO_FAULT (-1)
/*
 * The checks on a segment of the new task: the vector of the exception, whose error code is the selector.
 * The selector is not null (null is refused for CS and SS by the same call, d is not looked at then, and
 * legal for the others). cpl: the new CS's RPL. SDM: table "Exception Conditions Checked During a Task
 * Switch".
 */
int task_check_segment(enum segment s, u16 selector, const struct descriptor *d, unsigned cpl);

/* A segment register of virtual-8086 mode. SDM: volume 3C, "Checks on Guest Segment Registers". */
struct descriptor task_v86_segment(u16 selector);

/* May `size` bytes be pushed at ESP? Gives the new ESP (16 bits of it where the stack has 16). */
bool task_push(const struct descriptor *ss, u32 *esp, unsigned size, u32 *offset);

/*
 * What comes of a second exception while a first event was being delivered: the second, #DF, or
 * TASK_TRIPLE_FAULT. SDM: "Interrupt 8 - Double Fault Exception (#DF)".
 */
#define TASK_TRIPLE_FAULT (-2)
int task_combine(u32 first_info, enum vector second);

#endif
