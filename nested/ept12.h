/*
 * Walking EPT12, the tables that L1 made for L2. Pure: L1's memory is reached through the caller.
 * SDM: "EPT Translation Mechanism", "EPT-Induced VM Exits", "Accessed and Dirty Flags for EPT".
 */
#ifndef NESTED_EPT12_H
#define NESTED_EPT12_H

#include "vmx/caps.h"
#include "vmx/ept_entry.h"
#include "vmx/types.h"

/* L1's memory. Addresses are L1's choice: the functions take any. */
struct ept12_memory {
	const void *context;
	/* The 512 entries of the table in this page, in place, or 0 where there is none: it reads as ones. */
	const u64 *(*table)(const void *context, l1pa_t page);
	/* Writes one entry. */
	void (*write)(const void *context, l1pa_t address, u64 value);
};

enum ept12_kind { EPT12_MAPPED, EPT12_VIOLATION, EPT12_MISCONFIGURATION };

struct ept12_result {
	enum ept12_kind kind;
	l1pa_t address; /* where the l2pa lies, mapped only */
	unsigned level; /* of the leaf: 0 4 KiB, 1 2 MiB, 2 1 GiB */
	u64 rights; /* EPT_R, EPT_W, EPT_X: those of all levels together; what a violation reports */
	u64 attributes; /* memory type and IPAT of the leaf, in their places */
	bool dirty; /* accessed/dirty flags are off, or the leaf is marked dirty */
	u64 leaf; /* mapped only: the leaf as it is now, with its flags */
	l1pa_t table; /* mapped only: the table that the leaf is in */
};

/* The bits of an entry's address that this processor does not have. */
u64 ept12_reserved_address(const struct caps *caps);

/*
 * Translates for an access (EPT_R, EPT_W, EPT_X). eptp: valid (eptp_valid). Where accessed and dirty
 * flags are on, a translation that is allowed sets them.
 */
struct ept12_result ept12_walk(const struct ept12_memory *memory, const struct caps *caps, u64 eptp,
			       l2pa_t address, u64 access);

#endif
