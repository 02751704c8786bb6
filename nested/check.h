/*
 * The checks of VM entry on vmcs12, one row each in check.def. Pure.
 * SDM: chapter "VM Entries", from "Checks on VMX Controls and Host-State Area" to "Checking and
 * Loading Guest State".
 */
#ifndef NESTED_CHECK_H
#define NESTED_CHECK_H

#include "nested/vmcs12.h"
#include "vmx/caps.h"
#include "vmx/x86.h"

/* How a failed check shows. SDM: "VM-Entry Failures During or After Loading Guest State". */
enum check_failure {
	FAIL_CTL, /* VMfailValid(7) */
	FAIL_HOST, /* VMfailValid(8) */
	FAIL_GUEST, /* exit 33, qualification 0 */
	FAIL_GUEST_PDPTE, /* exit 33, qualification 2 */
	FAIL_GUEST_LINK, /* exit 33, qualification 4 */
};

/* All that the checks look at. Gathered by the glue before; nothing else is read. */
struct check_in {
	const struct vmcs12 *v;
	const struct caps *caps; /* as L1 sees them */
	bool l1_ia32e; /* IA32_EFER.LMA of L1 at VMLAUNCH/VMRESUME */
	u64 efer_valid; /* the bits of IA32_EFER that this processor has */
	u64 debugctl_valid; /* the bits of IA32_DEBUGCTL that this processor has */
	u64 perf_global_valid; /* the same of IA32_PERF_GLOBAL_CTRL, IA32_RTIT_CTL, IA32_LBR_CTL, which L1 is */
	u64 rtit_ctl_valid; /* offered no control for: 0 */
	u64 lbr_ctl_valid;
	u32 vtpr; /* VTPR (byte 80H of the virtual-APIC page); 0 where no TPR shadow */
	u32 link_revision; /* first word of the VMCS that the link pointer names; 0 where none or unbacked */
	u64 pdpte[4]; /* read through guest CR3, where PAE paging is used and no EPT12; else 0 */
	l1pa_t current_vmcs; /* the VMCS that v is */
	bool rtm; /* the processor, as L1 sees it, has RTM (pending debug exceptions bit 16) */
	bool sgx; /* the processor, as L1 sees it, has SGX (interruptibility state bit 4) */
};

enum check_id {
	CHECK_PASSED,
#define K(id, failure, title, text, control, ...) CHECK_##id,
#include "check.def"
#undef K
	CHECK_COUNT
};

/* What a check looks at: a field (enum field_index), or one of these. */
enum check_input {
	IN_VTPR = FI_COUNT, /* .vtpr */
	IN_LINK_REVISION, /* .link_revision */
	IN_PDPTE0, /* .pdpte */
	IN_PDPTE1,
	IN_PDPTE2,
	IN_PDPTE3,
	IN_CURRENT_VMCS, /* .current_vmcs */
	IN_L1_IA32E, /* .l1_ia32e */
	CHECK_INPUTS
};
_Static_assert(CHECK_INPUTS <= 256, "an input is a byte");

struct check_info {
	const char *name; /* the row's id */
	const char *title; /* SDM section title */
	const char *text; /* the rule */
	bool (*holds)(const struct check_in *in); /* the predicate chk_<id> */
	const u8 *inputs; /* all that the predicate looks at beside the capabilities */
	u8 input_count;
	u8 failure; /* enum check_failure */
	u8 control; /* enum control_index: where it is 0, the rule holds */
};

extern const struct check_info check_info[CHECK_COUNT];

/*
 * Runs the rows of controls and host state (first) or of the guest state (second) in order, and gives
 * the first that does not hold, or CHECK_PASSED.
 */
enum check_id check_controls_and_host(const struct check_in *in);
enum check_id check_guest(const struct check_in *in);

/* --- only what has changed --- */

#define CHECK_WORDS ((CHECK_COUNT + 63) / 64)
struct check_set {
	u64 w[CHECK_WORDS];
};

/* The rows that look at each input, and all the fields that these rows look at. Made once. */
struct check_index {
	struct {
		struct check_set rows;
		struct field_set fields;
	} of[CHECK_INPUTS];
};
void check_index_make(struct check_index *index);

/* Rows to be run, and the fields that must be current for them. */
struct check_work {
	struct check_set rows;
	struct field_set fields;
};

static inline void check_work_add(struct check_work *work, const struct check_index *index,
				  unsigned input)
{
	_Pragma("GCC unroll 8") for (unsigned w = 0; w < CHECK_WORDS; w++)
		work->rows.w[w] |= index->of[input].rows.w[w];
	field_set_add_all(&work->fields, &index->of[input].fields);
}

/* The rows of a set in their order, as far as there is room. */
#define CHECK_LIST_MAX 100
struct check_list {
	u16 id[CHECK_LIST_MAX]; /* enum check_id */
	unsigned count;
};

/* False where they are too many. */
bool check_list_make(struct check_list *list, const struct check_set *rows);

/* Runs these rows alone, in the order of all: the first that does not hold, or CHECK_PASSED. */
enum check_id check_listed(const struct check_in *in, const struct check_list *list);

#endif
