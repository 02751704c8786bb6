/*
 * One virtual processor of L1, and the way its exits are handled.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include "nested/ept02.h"
#include "nested/event.h"
#include "nested/nested.h"
#include "vmm/lapic.h"
#include "vmm/machine.h"
#include "vmx/exits.h"
#include "vmx/vmcs.h"
#include "vmx/x86.h"

/*
 * What the last VM exit left in the loaded VMCS, read once: the reason at once, an exception's information
 * and that of an event that was being delivered where an exit with this reason can have them, the rest by
 * vcpu_read_details().
 */
struct exit_info {
	union {
		u64 fresh; /* the field as it is read: the reason, and nothing else yet */
		struct {
			u32 reason; /* whole: with bit 31 */
			u32 detailed; /* these are read: */
		};
	};
	u64 qualification;
	u64 insn_length;
	u64 gpa; /* EPT violation or misconfiguration alone */
	u32 intr_info, vectoring_info;
	u32 intr_error_code, vectoring_error_code;
};

/*
 * L1's last translation for a read, and the entries of its page tables that gave it: as long as they are the same,
 * so is the translation. vmm/walk.c
 */
struct last_walk {
	u64 linear; /* of the page; no page's where there is none */
	const u8 *page; /* in L1's memory */
	u64 cr0, cr3, cr4, efer;
	const u64 *entry[5];
	u64 value[5];
	unsigned depth;
};

/* Letting one instruction, or delivery, write where L0 lives, into a page that nobody reads. vmm/step.c */
#define STEP_PAGES 4
enum step_field {
	STEP_RFLAGS,
	STEP_BLOCKING,
	STEP_PENDING,
	STEP_DEBUGCTL,
	STEP_EXCEPTIONS,
	STEP_PFEC_MASK,
	STEP_PFEC_MATCH,
	STEP_PIN,
	STEP_TIMER,
	STEP_FIELDS,
};
struct step {
	bool active;
	bool delivery; /* of an event, not an instruction */
	unsigned count;
	u64 *leaf[STEP_PAGES];
	u64 old[STEP_PAGES];
	u64 own[STEP_FIELDS]; /* the guest's fields, as they were */
	u64 rip;
};

/*
 * Events in flight and pending: nested/event.h decides, vmm/event.c gathers and applies. An external
 * interrupt is pending in the APIC (vmm/apic.h), not here.
 */
struct events {
	struct event in_flight; /* what the next entry delivers; .info is 0 where nothing is */
	bool entry_pending; /* an emulated VMLAUNCH or VMRESUME that hardware has not completed */
	bool forced; /* vmcs02's preemption timer is 0, to have control back after the delivery */
	bool was_forced; /* at the entry that the last exit ended */
	u32 timer; /* L2's own timer value meanwhile */
	u32 pending; /* BIT(enum event_kind): INIT, SIPI, MTF, NMI, and the timer if it has run out */
	u8 sipi_vector;
	u32 windows; /* PROC_NMI_WINDOW_EXITING, PROC_INTERRUPT_WINDOW_EXITING: asked for by L0 */
	bool extint; /* external-interrupt exiting is off: an ExtINT waits for the interrupt window */
	bool virtual_nmis; /* of L0's, for its NMI window */
	bool trace; /* trace=events: each decision is a line of the log */
};

/* Fields in the order in which they were added: all exist on this processor. */
#define FIELD_LIST_MAX 63 /* a bit of a word each */
struct field_list {
	struct field_row {
		u16 encoding;
		u16 field; /* enum field_index */
	} row[FIELD_LIST_MAX];
	unsigned count;
	struct field_set set;
};

/* What hardware's exit to L1 makes of vmcs12, as long as the same fields are saved and asked for. */
struct exit_plan {
	struct field_list kept, shown; /* read at once, for L0 alone, or for L1 too */
	struct field_set stale; /* left in vmcs02 */
};

/* What an entry takes where these fields have changed since the last one. */
struct entry_plan {
	bool valid; /* for the next entry that changes the same */
	bool outside; /* the checks look at more than vmcs12 */
	bool pdptes; /* L2's are in memory */
	struct field_set dirty; /* the fields */
	struct field_set looked_at; /* by the checks */
	struct check_list checks;
	struct field_list copied; /* to vmcs02 */
	bool host; /* host state is among them */
};

/*
 * What L1 does with its VMCSs between an exit and an entry, learnt from what it did: the same for all of them.
 */
struct learnt {
	bool shadowing; /* hardware's VMCS shadowing is used for L1 */
	struct field_list read, written; /* what is read after exits, and what L1 writes before entries */
	struct field_set shown; /* of .read: L1 reads it without an exit */
	u32 version; /* counts the changes of these three */
	u16 age; /* entries since the lists were begun */
	struct field_set read_once; /* since then */
	u16 written_at[FI_COUNT]; /* .age + 1 at the last write; 0: none since then */
	u8 *vmread_bitmap, *vmwrite_bitmap;
};

/* One VMCS of L1, beside v12 itself: vmm/vmcs12.h. */
struct vmcs12_state {
	struct vmcs vmcs02, shadow; /* shadow: used with VMCS shadowing alone */
	struct vmcs12 *v12; /* L0's copy: a page */
	bool l1_ia32e; /* IA32_EFER.LMA of L1 at the last entry */
	bool in_vmcs02; /* vmcs02 was made from this VMCS: it differs in .dirty alone */
	bool resumed; /* another VMCS has been current since the last entry */
	struct field_set stale; /* the value is in vmcs02 */
	struct field_set dirty; /* changed since vmcs02 was made */
	struct field_set
		near; /* of which any may be dirty, and vmcs02 is still made by writing them alone */
	bool far; /* something else is dirty too */
	struct field_set unseen; /* the shadow VMCS has an old value */
	bool any_unseen;
	u32 version; /* of vcpu.learnt, that .exit_plan was made by */
	struct exit_plan exit_plan;
	u64 changed; /* of .exit_plan.shown, by place: the last exit has changed it */
	struct entry_plan entry_plan;
	struct field_set saved,
		reloaded; /* nested/exit.h, merge.h: by the vmcs12 that it was made from */
	/* .reloaded without the PDPTEs: what L2 has from vmcs12, what from L1 as it is, and IA32_EFER */
	struct field_list restored, inherited;
	bool efer_merged;
	struct vmcs_image host_image; /* L1 after an exit */
	bool host_is_made; /* from the host state that vmcs12 has now */
	bool host_pae; /* with PAE paging: an exit loads PDPTEs */
	struct bitmap02 *bitmap02_now; /* the one that vmcs02 has */
};

/* EPT02s by EPT12 pointer. vmm/ept02.c */
#define EPT02_SLOTS 256
#define EPT02_BUCKETS 64 /* of a hash of the pointer's address */
struct ept02_slot {
	struct ept02_root root;
	struct ept02_slot *next; /* in its bucket */
};

struct ept02 {
	struct ept02_in in;
	struct ept_tables tables;
	struct ept02_slot slot[EPT02_SLOTS], *bucket[EPT02_BUCKETS];
	unsigned used, victim; /* slots in use; the next to be taken over once all are */
	struct ept02_slot *now; /* what vmcs02 was last given */
	bool reclaimed; /* the tables were used up once */
};

/* L1's local APIC. vmm/apic.h */
struct apic {
	struct lapic *regs; /* a page: the virtual-APIC page of vmcs01 */
	u32 requests; /* IRR is not empty: else most questions are answered */
	u32 threshold; /* what vmcs01's TPR threshold is */
	u64 base; /* IA32_APIC_BASE, of the physical one and so of L1's */
	u32 owed[8]; /* vectors whose physical EOI waits for L1's */
	int extint; /* the vector of an ExtINT that is acknowledged already; -1: none */
	u32 extint_waits; /* one that is not, as far as the last exit told */
	bool told_others; /* L1 knows from the log that its IPIs to other processors go nowhere */
};

/* MSR bitmaps for L2, each for one page of L1's. vmm/bitmap02.c */
#define BITMAP02_SLOTS 32
struct bitmap02 {
	struct watch watch;
	u64 *merged; /* one page */
	u64 virtual_reads, virtual_writes; /* the x2APIC MSRs that are L2's own, when it was merged */
};

/*
 * The VMCSs of L1 that are active: those that were current since L1 last cleared them. All but the current one
 * are parked. vmm/vmcs12_cache.c
 */
#define CACHE_SLOTS 1024
#define CACHE_BUCKETS 256 /* of a hash of the pointer */
struct vmcs12_slot {
	u64 pointer; /* l1pa, or NO_VMCS: free */
	struct vmcs12_slot *next; /* in its bucket, or free too */
	struct vmcs12_state state;
};
struct vmcs12_cache {
	struct vmcs12_slot *slot[CACHE_SLOTS], *bucket[CACHE_BUCKETS];
	unsigned count, limit; /* slots that have memory; as many as there may be */
	unsigned victim; /* the next that has to make room once all are in use */
	struct vmcs12_slot *unused; /* those that are free, linked */
	struct vmcs12_slot *now; /* the current one's, or 0 */
};

struct vcpu {
	u64 gpr[GPR_COUNT]; /* of L1 or L2, whichever runs; RSP's slot is not used */
	struct machine *machine;
	struct vmcs *loaded;
	/*
	 * Something may be pending, in flight, or waiting for its window, in the APIC or in a step: whoever brings
	 * that about sets it, and vmm/event.c takes it away. Else an exit has nothing to do but with the guest.
	 */
	bool attend;
	struct vmcs vmcs01;
	struct exit_info exit;
	struct apic apic;
	struct events events;
	struct step step;
	struct last_walk last_walk;
	struct nested nested;
	struct vmcs12_state *vmcs12; /* the current one; the last one, where none is */
	struct learnt learnt;
	struct vmcs12_cache cache;
	struct vmcs_image vmcs02_image; /* what vmcs02 was made of */
	struct check_in check_in; /* what the entry checks look at */
	u64 host_pdpte[4]; /* that the exit being made loads, where vmcs12's host uses PAE paging */
	u64 l1_efer; /* IA32_EFER of L1 at the last VMLAUNCH or VMRESUME */
	struct field_set information; /* the exit-information fields that exits write */
	struct field_set pae_fields; /* what tells whether L2 uses PAE paging */
	struct field_set efer_fields; /* what L2's IA32_EFER depends on where vmcs12 does not load it */
	struct field_set existing; /* on this processor */
	struct field_set image_fields, copied_fields,
		host_fields; /* of vmcs02_image, and vmcs12's host state */
	struct ept02 ept02;
	struct bitmap02 bitmap02[BITMAP02_SLOTS];
	u16 last_vpid12; /* whose translations VPID02 holds; 0: of a guest without a VPID */
};

/* VPIDs: L1's, and that of whatever L2 runs, with a VPID of L1's or without. */
enum { VPID01 = 1, VPID02 = 2 };

/* Sets L1's processor up as after a reset; requires VMX operation. vmm/vcpu.c */
void vcpu_init(struct vcpu *v, struct machine *m);
/* As INIT leaves it. The BSP starts at FFFFFFF0H. Requires vmcs01 loaded. */
void vcpu_reset(struct vcpu *v);
/* An INIT, or a start-up IPI, that L1 itself takes. Require vmcs01 loaded. */
void vcpu_init_signal(struct vcpu *v);
void vcpu_sipi(struct vcpu *v, u8 vector);

/* In vmcs01 or a vmcs02 that is loaded: L0 as hardware finds it again after an exit. HOST_RSP: vmx/entry.h. */
void vcpu_write_host_state(struct vcpu *v);

/* Runs L1 and its guests for good. vmm/run.c */
void __attribute__((noreturn)) vcpu_run(struct vcpu *v);

/* Whichever VMCS is loaded. What every processor with VMX has is not asked for. */
static inline __attribute__((always_inline)) u64 vcpu_read(const struct vcpu *v, enum vmcs_field field)
{
	u64 value;
	if (__builtin_constant_p(field) && field_always_exists(field))
		return hw_vmread_value(field);
	if (hw_vmread(field, &value) != VMX_SUCCEED)
		vmcs_refused(v->loaded, field);
	return value;
}

static inline __attribute__((always_inline)) void vcpu_write(struct vcpu *v, enum vmcs_field field,
							     u64 value)
{
	if (__builtin_constant_p(field) && field_always_exists(field))
		hw_vmwrite_value(field, value);
	else if (hw_vmwrite(field, value) != VMX_SUCCEED)
		vmcs_refused(v->loaded, field);
}

/* Completes v->exit. Requires the VMCS that took the exit loaded. */
void vcpu_read_details(struct vcpu *v);
static inline u64 vcpu_insn_length(const struct vcpu *v)
{
	return __builtin_expect(v->exit.detailed, false) ? v->exit.insn_length :
							   vcpu_read(v, VMCS_EXIT_INSTRUCTION_LENGTH);
}
/* The instruction that exited has another length than the field says. */
static inline void vcpu_set_insn_length(struct vcpu *v, u32 length)
{
	vcpu_read_details(v);
	v->exit.insn_length = length;
}

/* The guest that is loaded (L1 or L2): all require an exit just taken, or an entry being emulated. */
u64 vcpu_gpr(const struct vcpu *v, enum gpr reg);
void vcpu_set_gpr(struct vcpu *v, enum gpr reg, u64 value);
void vcpu_skip(struct vcpu *v); /* past the instruction that exited; ends STI and MOV SS blocking */
/* Injects an exception at the next entry: into L2, or as an exit to L1 where L1 intercepts it. */
void vcpu_fault(struct vcpu *v, enum vector vector, u32 error_code);
bool vcpu_fault_has_error_code(enum vector vector);

/* Ends L1 as the machine would: reports its state, then shuts the processor down. */
void __attribute__((noreturn, format(printf, 2, 3)))
vcpu_shutdown(struct vcpu *v, const char *format, ...);
void vcpu_report(struct vcpu *v); /* the loaded guest's state, to the log */

#endif
