/*
 * What the tests of EPT stand on: an L2 that reads, writes or executes where it is told to, and an EPT12
 * with a part to play with.
 */
#ifndef GUEST_EPT_PLAY_H
#define GUEST_EPT_PLAY_H

#include "guest/lib/ept.h"
#include "guest/lib/vmx.h"

#define SIZE_2M 0x200000ull
#define SIZE_1G 0x40000000ull
#define EPT_A BIT(8)
#define EPT_D BIT(9)
#define EPTP_AD BIT(6)
#define ENTRY_ADDRESS BITS(51, 12)

/* L2's linear and physical address of the part to play with: 1 GiB from here, under PDPT entry 3. */
#define PLAY 0xc0000000ull
#define PLAY_INDEX 3

/* The tables of that part, one of each level, and the root and PDPT that L2's own memory shares. */
struct play {
	u64 *pml4, *pdpt, *directory, *table;
	u64 eptp;
};

enum access { READ, WRITE, EXECUTE, ACCESSES };
extern const char *const access_name[ACCESSES];
extern const u64 access_right[ACCESSES]; /* EPT_R, EPT_W, EPT_X */

/* A new EPT12: L2's own memory by 2 MiB pages, nothing in the part to play with but the tables. */
void play_create(struct play *p);

/* The same tables below another root and PDPT. */
void play_create_beside(struct play *p, const struct play *other);

/* A new L2 under this EPT12, its VMCS current ; and the same L2 under another. */
void play_launch(const struct play *p);
void play_launch_without(void); /* no EPT */
void play_switch(const struct play *p);

/*
 * L2 makes one access. Gives the exit: VMCALL where it was done, then play_seen is what was read; the
 * next access starts anew also after another exit. A write writes play_written.
 */
const struct vm_exit *play_access(enum access access, u64 address);
extern u64 play_seen, play_written;

/* L2 runs other code, with these in its registers. */
const struct vm_exit *play_run(const char *code, u64 rcx, u64 rdi, u64 rsi, u64 r8);
const struct vm_exit *play_resume(void); /* behind the exit */

/* A series of the same with the exit that is expected. */
struct series;
void play_works(struct series *s, const char *item, enum access access, u64 address);
void play_reads(struct series *s, const char *item, u64 address, u64 value);
void play_violates(struct series *s, const char *item, enum access access, u64 address, u64 rights);
void play_misconfigured(struct series *s, const char *item, enum access access, u64 address);

void play_invept(const struct play *p); /* single-context */
void play_invept_all(void);

/* Whether there is EPT, with these capabilities. */
bool play_has(u64 ept_caps);

/* Pages of L1 for L2 to play with: each begins with a RET and holds a value of its own. */
u64 page_value(unsigned i);
u64 page_of(unsigned i); /* its address; i < PAGES */
#define PAGES 64

/* Memory behind the program, zeroed, in pages; the machine needs 128 MiB. */
void *far_alloc(u64 size, u64 alignment);

void test_rights(void);
void test_misconfigured(void);
void test_leaves(void);
void test_flags(void);
void test_changes(void);
void test_pointers(void);
void test_many(void);
void test_bitmaps(void);

#endif
