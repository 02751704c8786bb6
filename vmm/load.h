/*
 * Loading L1: from the file that GRUB left in memory to a machine that is about to run its first
 * instruction. Pure: load_plan() decides and says what to copy where; the caller does it.
 *
 *     load_plan(&plan, &in, why, sizeof(why))    < 0: print `why`, one line, and halt
 *     for each plan.op[i], in order              load_op
 *     the registers of plan.state, and go
 *
 * What L1 finds is what GRUB 2.06 would have given it on the bare machine, less L0's memory:
 *   Multiboot 1    Multiboot Specification 0.6.96
 *   Multiboot 2    Multiboot2 Specification 2.0
 *   Linux bzImage  Documentation/arch/x86/boot.rst, "32-bit Boot Protocol"
 * tried in this order. The image is never trusted: any bytes give a plan that stays inside L1's RAM,
 * or a refusal.
 */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

#include "boot/boot_info.h"

#define LOAD_MAX_OPS 512
#define LOAD_MAX_SEGMENTS 32
#define LOAD_INFO_SIZE 65536

enum load_op_kind {
	LOAD_COPY, /* memmove(dst, src, len): src and dst are physical, and may overlap */
	LOAD_ZERO, /* memset(dst, 0, len) */
	LOAD_INFO, /* memcpy(dst, plan.info + src, len) */
};

/* A step. Steps rely on their order: a later one may read what an earlier one wrote. */
struct load_op {
	enum load_op_kind kind;
	u64 dst, src, len; /* len is never 0 */
};

/*
 * Protected mode without paging, interrupts off. Flat segments of 4 GiB: CS execute/read, and DS, ES,
 * FS, GS, SS read/write, as in the GDT that is part of plan.info. CR0 = PE|ET, CR4 = 0, EFER = 0, an
 * empty IDT; all else as at power-up. Registers not named are 0.
 */
struct load_state {
	u32 eip, esp, eflags; /* eflags: only the bit that is always 1 */
	u32 eax, ebx, ecx, edx, esi, edi, ebp;
	u16 cs, ds; /* selectors; ds is for all data segments */
	u32 gdt_base;
	u16 gdt_limit;
};

enum load_protocol { LOAD_MULTIBOOT1, LOAD_MULTIBOOT2, LOAD_LINUX };

struct load_in {
	/*
	 * Used: module[] ([0] is L1; base, size, args), loader, rsdp, tags. Where the modules lie must
	 * still hold what GRUB put there.
	 */
	const struct boot_info *boot;
	const u8 *image; /* module[0].size bytes: L1's file, readable through this pointer */
	/*
	 * The memory map that L1 is shown: boot's map less L0's memory. Sorted, not overlapping. L1 is
	 * loaded into its MEM_RAM; it is handed on as it is.
	 */
	const struct mem_range *map;
	unsigned map_count;
	u64 l0_base, l0_size; /* L0's memory, whole pages: no step writes there */
	/* The only protocol to try: multiboot, multiboot2 or linux; 0, "" or auto: all, in this order. */
	const char *protocol;
};

/* A part of the image: `size` bytes at `dst`, of which the first file_size come from the file. */
struct load_segment {
	u64 dst, size, file_offset, file_size;
	bool zero; /* the rest is zeroed; otherwise it is only kept free */
};

/* Memory that is spoken for. */
struct load_place {
	u64 base, size;
	u32 kind; /* PLACE_ in load_parts.h */
	u32 module; /* whose source this is */
};

/* load_plan()'s own notes: nothing here is for the caller. */
struct load_work {
	const struct load_in *in;
	struct load_plan *plan;
	char *why;
	size_t why_size;
	struct load_segment segment[LOAD_MAX_SEGMENTS];
	unsigned segment_count;
	struct load_place place[LOAD_MAX_SEGMENTS + 2 * BOOT_MAX_MODULES + 8];
	unsigned place_count;
	u64 entry; /* physical, of L1's first instruction */
	u64 load_base; /* lowest byte of the image in its place; what its address tag says */
	u64 image_at; /* where the file lies when segments are copied from it */
	u64 module_at[BOOT_MAX_MODULES]; /* where L1 finds its modules */
	u64 initrd_at, initrd_size; /* Linux */
	struct {
		u64 table; /* file offset */
		u32 count, entry_size, names;
		bool is64;
		u64 at, size; /* the block that holds the sections that are not part of segments */
	} elf; /* count 0: no ELF, or no sections */
	struct {
		u32 align, protected_offset;
	} linux_image;
	size_t info_used; /* grows also where plan.info is full */
	size_t gdt_offset;
};

/* About 90 KiB: not for a stack. Filled by load_plan(). */
struct load_plan {
	enum load_protocol protocol;
	const char *format; /* for the log: "multiboot 1, ELF32" */
	struct load_state state;
	struct load_op op[LOAD_MAX_OPS];
	unsigned op_count;
	u64 image_base, image_end; /* L1's image in its place, bss included, from lowest to highest */
	u64 info_base; /* where plan.info goes */
	u32 info_size;
	u8 info[LOAD_INFO_SIZE];
	struct load_work work;
};

/* Why a load was refused; each comes with its sentence. */
enum load_refusal {
	LOAD_UNKNOWN = -1, /* no known format */
	LOAD_TRUNCATED = -2, /* the file ends before what its headers name */
	LOAD_BAD = -3, /* headers that contradict themselves */
	LOAD_IN_USE = -4, /* wants memory that is not free RAM */
	LOAD_UNSUPPORTED = -5, /* asks for what cannot be given */
	LOAD_NO_MEMORY = -6, /* fits nowhere */
};

/*
 * Returns 0 and fills *plan, or returns an enum load_refusal and writes to `why` one line without
 * newline: what is missing and what to do. `plan` then holds nothing of use.
 */
int load_plan(struct load_plan *plan, const struct load_in *in, char *why, size_t why_size);

#endif
