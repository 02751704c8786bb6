/*
 * Walking EPT12, the tables that L1 made for L2. Pure: L1's memory is reached through the caller.
 * SDM: "EPT Translation Mechanism", "EPT-Induced VM Exits", "Accessed and Dirty Flags for EPT".
 */
#ifndef NESTED_EPT12_H
#define NESTED_EPT12_H

#include "vmx/caps.h"
#include "vmx/ept_entry.h"
#include "vmx/types.h"

/*
 * L1's memory, mapped in one piece: l1pa 0 is at base, what is not below end, or in the hole, is not there
 * and reads as ones. Addresses are L1's choice: the functions take any.
 */
struct ept12_memory {
	const u8 *base;
	u64 end, hole_base, hole_size; /* l1pa, bytes; multiples of a page */
	u64 absent; /* the l1pa of one more page that is not there; not a multiple of a page: none */
	void *context;
	/* Writes one entry, wherever it lies. */
	void (*write)(void *context, l1pa_t address, u64 value);
};

/* SDM: "EPT Misconfigurations", as masks: what an entry that is present must not have. */
struct ept12_rules {
	u64 table[4], leaf[4]; /* by level: bits that must be 0 */
	u32 rights; /* BIT(combination of R, W and X) */
	u64 address_reserved; /* the bits of an address that this processor has not */
};

/* caps: as L1 is shown them. */
void ept12_rules_init(struct ept12_rules *rules, const struct caps *caps);

enum ept12_kind { EPT12_MAPPED, EPT12_VIOLATION, EPT12_MISCONFIGURATION };

struct ept12_result {
	enum ept12_kind kind;
	unsigned level; /* of the leaf: 0 4 KiB, 1 2 MiB, 2 1 GiB */
	l1pa_t address; /* where the l2pa lies, mapped only */
	u64 rights; /* EPT_R, EPT_W, EPT_X: those of all levels together; what a violation reports */
	u64 leaf; /* mapped only: the leaf as it is now, with its flags */
	l1pa_t table; /* mapped only: the table that the leaf is in */
};

/*
 * Translates for an access (EPT_R, EPT_W, EPT_X). eptp: valid (eptp_valid). Where accessed and dirty
 * flags are on, a translation that is allowed sets them.
 */
struct ept12_result ept12_walk(const struct ept12_memory *memory, const struct ept12_rules *rules,
			       u64 eptp, l2pa_t address, u64 access);

/* A table in place, or 0 where no memory is. */
static inline const volatile u64 *ept12_table(const struct ept12_memory *m, u64 page)
{
	bool there = page < m->end && page - m->hole_base >= m->hole_size && page != m->absent;
	return there ? (const volatile u64 *)(m->base + page) : 0;
}

#endif
