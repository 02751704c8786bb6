/*
 * What exists once, however many processors there are: L0's memory, the capabilities, EPT01.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "boot/boot_info.h"
#include "nested/check.h"
#include "nested/ept02.h"
#include "vmm/layout.h"
#include "vmm/mtrr.h"
#include "vmx/caps.h"
#include "vmx/types.h"

/* L0's own pages: [next, end) never handed out yet, then a list of those given back. */
struct page_pool {
	u8 *next, *end;
	void *free;
	unsigned free_count;
};

struct ept01 {
	u64 *root;
	u64 eptp;
	hpa_t ones; /* a page of all ones: what L1 sees where L0 lives */
	hpa_t sink; /* where a write there goes while one instruction runs */
	struct ept_extent extent; /* the last that was asked for; size 0: none */
};

/* What L1 sees of the BIOS ROM in one page (vmm/bios.h). */
struct bios_hook {
	u64 page; /* l1pa; 0: no hook */
	hpa_t shown;
	u64 linear; /* of the VMCALL */
	u32 old_vector; /* segment:offset */
};

/* A page of L1's that L0 has to know about when it is written to. vmm/watch.h */
struct watch {
	u64 page; /* l1pa */
	bool on;
	u64 uses, starts;
	struct watch *next;
};

struct watched {
	struct watch *first; /* all that ever were on */
	u64 base, size; /* l1pa, bytes: those that are on are in here */
};

struct machine {
	struct boot_info *boot;
	u64 l0_base, l0_size; /* hpa, bytes; both 2 MiB-aligned */
	u64 direct_end; /* hpa: the direct map ends here */
	struct mem_range map[BOOT_MAX_RANGES + 1]; /* what L1 is told: boot->map without L0's memory */
	unsigned map_count;
	struct page_pool pool;
	struct caps hw, l1; /* capabilities: the processor's, and what L1 is shown */
	struct check_index check_index;
	struct ept01 ept01;
	struct mtrr_state mtrr; /* L1's; the processor's own stay as firmware left them */
	bool rtm; /* RTM is there: CPUID.07H:EBX[11] */
	u64 efer_valid; /* the bits of IA32_EFER that this processor has */
	u64 feature_control; /* L1's IA32_FEATURE_CONTROL */
	struct bios_hook bios;
	struct watched watched;
	hpa_t msr_bitmap; /* L0's own intercepts */
	u64 apic_hole; /* l1pa of the xAPIC's page, plus 1; 0: there is none */
	bool apic_shown; /* that page is mapped, for an L2 that has it as its APIC-access page */
	int *interrupt; /* the vector that came in cpu_interrupt_window() */
};

/* L0's own memory: image and pool lie physically in one piece. */
static inline hpa_t l0_pa(const struct machine *m, const void *p)
{
	return (hpa_t){(u64)p - L0_BASE + m->l0_base};
}

static inline void *l0_va(const struct machine *m, hpa_t pa)
{
	return (void *)(pa.v - m->l0_base + L0_BASE);
}

static inline bool l0_owns(const struct machine *m, u64 pa)
{
	return pa - m->l0_base < m->l0_size;
}

/* A zeroed page, or 0 where the pool is empty: callers that can go on without must. */
void *page_alloc(struct machine *m);
/* The same where there is no going on: sizes that boot has reckoned with. Stops L0. */
void *page_alloc_must(struct machine *m);
/* That many zeroed pages in one piece, at boot. Stops L0 where there are none. */
void *page_alloc_run(struct machine *m, unsigned count);
void page_free(struct machine *m, void *page);
unsigned page_available(const struct machine *m);

#endif
