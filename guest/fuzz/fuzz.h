/*
 * The parts of the entry fuzzer, and what they hand to each other.
 *
 * An entry has a number. Seed and number choose a base (a VMCS whose entry succeeds), one to four
 * mutations of it, and so the whole entry; nothing depends on the entries before. ENTRIES_OF_BASE in a row have
 * the same base. What the entry does is brought to one number, its hash, for the bare and the nested run to be
 * compared by.
 */
#ifndef GUEST_FUZZ_FUZZ_H
#define GUEST_FUZZ_FUZZ_H

#include "guest/fuzz/random.h"
#include "guest/lib/vmx.h"

/* All fields of a VMCS, by enum field_index. */
struct image {
	u64 f[FI_COUNT];
};

/* ---- arena.c: the memory that an L2 works in, and what the processor reads for an entry */

#define MSR_SLOTS 8

struct msr_slot {
	u32 number, reserved;
	u64 value;
};

struct arena {
	u64 eptp; /* maps the L2's pages and nothing else; all but the stack are read-only */
	u64 eptp_empty;
	u64 cr3_64, cr3_pae, cr3_32;
	u64 code, stack_top, tss, gdt;
	u64 idt_64, idt_32, ivt;
	u64 scratch; /* two pages of memory that a VMCS may name for anything: bitmaps, APIC pages */
	u32 *vtpr; /* of the first of them */
	struct msr_slot *entry_msrs, *exit_msrs, *store_msrs; /* MSR_SLOTS of each */
	u64 link_good, link_shadow, link_revision; /* VMCS regions for the link pointer */
	u64 *pae_pdpt; /* the four entries at cr3_pae */
};
extern struct arena arena;

#define GDT_LIMIT 0x47
#define ARENA_SEL_CODE64 0x08
#define ARENA_SEL_DATA 0x10
#define ARENA_SEL_CODE32 0x18
#define ARENA_SEL_TSS 0x20

void arena_init(void);

/* Whether [address] lies in a page of the L2's own. */
bool arena_has(u64 address);

/* The memory that an entry may write or a mutation may have changed, as at the start. */
void arena_reset(void);

/* ---- bases.c */

struct base {
	const char *name;
	void *region;
	bool launched;
	struct image image; /* as its VMCS is before an entry */
	u64 seen[FI_COUNT]; /* the RO fields, as read last */
	bool seen_all; /* and nothing has been written to them since */
};

#define BASES_MAX 24
extern struct base bases[BASES_MAX];
extern unsigned base_count;

/* Makes those that this processor can have; each is entered once. */
void bases_init(void);

/* Whether the fuzzer knows the field: there is one, and L1 is shown it under Nestling too. */
extern bool field_known[FI_COUNT];

/* The bits of a control word that Nestling hides from L1: set nowhere. */
extern u32 hidden_controls[CONTROL_WORDS];

/* ---- mutate.c */

#define MUTATIONS_MAX 4
enum knob { KNOB_NONE, KNOB_VTPR, KNOB_ENTRY_MSR, KNOB_PDPTE };

struct mutation {
	int field; /* enum field_index, or -1: a knob */
	enum knob knob;
	unsigned slot;
	u64 value, more;
};

struct entry {
	u64 number;
	struct base *base;
	unsigned count;
	struct mutation mutation[MUTATIONS_MAX];
	bool clear_first; /* VMCLEAR, and then the instruction that does not fit the launch state */
	struct image image; /* what is entered */
};

/* Between them the VMCS stays current, and what has not changed in it need not be looked at again. */
#define ENTRIES_OF_BASE 8

/* The entry of this number. Mutations that meet a rule of exclude.c are made again. */
void mutate(struct entry *e, u64 seed, u64 number);

/* ---- exclude.c: what is not entered, each rule by name, and counted */

/* False: this entry must not be done. */
bool exclude_passes(const struct entry *e);
void exclude_print(void);

/* ---- masks.c */

/* The bits of a field, after the entry, that are not compared; where some are, that is counted. */
u64 mask_bits(const struct entry *e, enum field_index field);
void mask_print(void);

/* ---- result.c */

enum outcome_kind { FAILED, REFUSED, EXITED, OUTCOME_KINDS };

struct result {
	u64 flags; /* of the entry instruction, or after the exit */
	enum outcome_kind kind;
	u64 hash;
	u32 error, reason;
	u64 qualification;
};

/* Once, behind bases_init(). */
void result_init(void);

/*
 * Does the entry and puts everything back. full: all fields are read; otherwise those that nothing but an
 * error could change only now and then. print: everything that enters the hash is printed.
 */
void result_of(struct entry *e, bool full, bool print, struct result *r);

/* u64 fuzz_enter(bool resume, u64 *flags): 0 after an exit; *flags as in struct result. */
u64 fuzz_enter(bool resume, u64 *flags);

#endif
