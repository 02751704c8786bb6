/*
 * VM entries that pass every check, for tests that change one thing.
 *
 *   CHECK_TEST(id) { change e; FIRES(e); change it to the nearest legal value; PASSES(e); }
 *
 * begins with entry_64(e). FIRES means that of all rules exactly `id` does not hold.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include "nested/check.h"
#include "test.h"

struct entry {
	struct vmcs12 v;
	struct caps caps;
	struct check_in in;
	enum check_id id; /* of the rule that is tested */
};

#define CURRENT_VMCS 0x5000ull
#define LINKED_VMCS 0x6000ull

/* A 64-bit guest of a 64-bit host. The others start from it. */
void entry_64(struct entry *e);

/* Guests in protected mode with 32-bit paging, PAE paging, and in virtual-8086 mode. */
void entry_32(struct entry *e);
void entry_pae(struct entry *e);
void entry_v86(struct entry *e);

/* An unrestricted guest in real mode. */
void entry_real(struct entry *e);

/* A 32-bit guest of a host that is not in IA-32e mode. */
void entry_host32(struct entry *e);

/* Sets a control, and what activates its word; clears one. Setting one that
 * L1 is not offered offers it. */
void on(struct entry *e, enum control_index control);
void off(struct entry *e, enum control_index control);

/* Injects an event: type, vector, and what else there is to set. */
void inject(struct entry *e, enum intr_type type, u32 vector, u32 more);

/* Of all rows, made once. */
const struct check_index *entry_check_index(void);

void entry_fires(struct entry *e, const char *file, int line);
void entry_fires_first(struct entry *e, const char *file, int line);
void entry_passes(struct entry *e, const char *file, int line);

/* The first entry that broke each rule so far; .id is CHECK_PASSED where there was none. */
extern struct entry entry_samples[CHECK_COUNT];
void entry_sample(const struct entry *e); /* FIRES and FIRES_FIRST do */

/* Written as a dump, of all rules vmcs-check names only this one (test_vmcs_check.c). */
void vmcs_check_names(const struct entry *e, enum check_id only, const char *file, int line);

#define FIRES(e) entry_fires(e, __FILE__, __LINE__)
/* For a change that can not but break another rule too: `id` is the one that is reported. */
#define FIRES_FIRST(e) entry_fires_first(e, __FILE__, __LINE__)
#define PASSES(e) entry_passes(e, __FILE__, __LINE__)

/* Tries the values that break the rule that is tested, and legal ones next to them, in a field with */
void fixed_bits(struct entry *e, u64 *value, u64 fixed0, u64 fixed1); /* CR0 or CR4 */
void canonical_address(struct entry *e, u64 *address); /* an address, 48 and 57 bits wide */
void memory_types(struct entry *e, u64 *pat); /* IA32_PAT */

#define CHECK_TEST(rule) \
	static void rule_##rule(struct entry *e); \
	TEST(chk_##rule) \
	{ \
		struct entry e = {.id = CHECK_##rule}; \
		entry_64(&e); \
		PASSES(&e); \
		rule_##rule(&e); \
	} \
	static void rule_##rule(struct entry *e)

#endif
