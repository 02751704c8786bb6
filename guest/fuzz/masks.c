/*
 * What is not compared although the entry is done: by name, and counted where it hid something.
 *
 * Not in the table, as it is for every refused entry: defect-failed-entry-writes. SDM: "VM-Entry Failures During
 * or After Loading Guest State": only exit reason and qualification are written. Bochs 2.7 also writes
 * interruption information, IDT-vectoring information and instruction length; so after a refused entry the other
 * RO fields are not compared.
 */
#include "guest/fuzz/exclude.h"

/*
 * SDM: "Loading Guest Non-Register State": bit 3 of the interruptibility state, when it is 0, ends blocking of
 * (virtual) NMIs; Bochs' entry never ends it. Without NMI exiting, L1's own IRET has.
 */
static bool nmi_blocking(const struct entry *e)
{
	bool nmis = V(PIN_CONTROLS) & (PIN_VIRTUAL_NMIS | PIN_NMI_EXITING);

	return nmis && !(V(GUEST_INTERRUPTIBILITY) & BLOCKING_NMI);
}

/*
 * SDM: "Saving Control Registers, Debug Registers, and MSRs": IA32_DEBUGCTL is saved where the control asks for
 * it. Bochs never saves it, which shows where it was not loaded either.
 */
static bool debugctl_saved(const struct entry *e)
{
	bool saves = V(EXIT_CONTROLS) & EXIT_SAVE_DEBUG_CONTROLS;
	bool loads = V(ENTRY_CONTROLS) & ENTRY_LOAD_DEBUG_CONTROLS;

	return saves && !loads;
}

/* What a timer that counts is at depends on more than the entry. */
static bool timer_counts(const struct entry *e)
{
	return V(PREEMPTION_TIMER_VALUE);
}

/*
 * SDM: "Checking and Loading Guest State": the order of the checks is open, and with it the qualification where
 * several are broken, one of those of the link pointer or of the PDPTEs.
 */
static bool order_of_guest_checks(const struct entry *e)
{
	bool link = V(VMCS_LINK_POINTER) != ~0ull;
	bool pae = (V(GUEST_CR4) & CR4_PAE) && !(V(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST);

	return e->count > 1 && (link || pae);
}

static struct mask {
	struct rule rule;
	enum field_index field;
	u64 bits;
} masks[] = {
	{{"defect-nmi-blocking", "an entry does not end blocking of NMIs", nmi_blocking, 0},
	 FI_GUEST_INTERRUPTIBILITY,
	 BLOCKING_NMI},
	{{"defect-debugctl-saved", "IA32_DEBUGCTL is not saved", debugctl_saved, 0},
	 FI_GUEST_IA32_DEBUGCTL,
	 ~0ull},
	{{"timer-counts", "the time left of the preemption timer", timer_counts, 0},
	 FI_PREEMPTION_TIMER_VALUE,
	 ~0ull},
	{{"order-of-guest-checks", "the SDM leaves it open", order_of_guest_checks, 0},
	 FI_EXIT_QUALIFICATION,
	 ~0ull},
};

u64 mask_bits(const struct entry *e, enum field_index field)
{
	u64 bits = 0;

	for (unsigned i = 0; i < ARRAY_LEN(masks); i++) {
		if (masks[i].field != field || !masks[i].rule.meets(e))
			continue;
		masks[i].rule.count++;
		bits |= masks[i].bits;
	}
	return bits;
}

void mask_print(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(masks); i++)
		exclude_print_rule("not compared", &masks[i].rule);
}
