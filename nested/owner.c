#include "nested/owner.h"

#include "nested/msr_bitmap.h"
#include "vmx/x86.h"

/* I/O instructions too: vmcs02 uses L1's I/O bitmaps as they are. */
static enum owner own_l1(const struct owner_in *in)
{
	(void)in;
	return OWNER_L1;
}

/* L0 owns the physical interrupts; whether L1 gets an exit for what came is decided afterwards. */
static enum owner own_l0(const struct owner_in *in)
{
	(void)in;
	return OWNER_L0;
}

static enum owner own_hlt(const struct owner_in *in)
{
	return in->v->proc_controls & PROC_HLT_EXITING ? OWNER_L1 : OWNER_L0;
}

/* CR8 exits for L0 too, where it is L1's TPR. SDM: "Exit Qualification for Control-Register Accesses". */
static enum owner own_cr_access(const struct owner_in *in)
{
	bool load = (in->qualification >> 4 & 3) == 0;
	u32 wanted = load ? PROC_CR8_LOAD_EXITING : PROC_CR8_STORE_EXITING;

	if ((in->qualification & 15) != 8)
		return OWNER_L1;
	return in->v->proc_controls & wanted ? OWNER_L1 : OWNER_L0;
}

/*
 * Exceptions exit only where L1 wants them. An NMI is pending for the processor; nested/event.h says what
 * becomes of it.
 */
static enum owner own_exception_nmi(const struct owner_in *in)
{
	return INTR_TYPE(in->intr_info) == INTR_NMI ? OWNER_L0 : OWNER_L1;
}

static enum owner own_nmi_window(const struct owner_in *in)
{
	return in->v->proc_controls & PROC_NMI_WINDOW_EXITING ? OWNER_L1 : OWNER_L0;
}

static enum owner own_interrupt_window(const struct owner_in *in)
{
	return in->v->proc_controls & PROC_INTERRUPT_WINDOW_EXITING ? OWNER_L1 : OWNER_L0;
}

static enum owner own_timer(const struct owner_in *in)
{
	return in->forced ? OWNER_L0 : OWNER_L1;
}

static enum owner own_msr(const struct owner_in *in)
{
	if (!(in->v->proc_controls & PROC_USE_MSR_BITMAPS))
		return OWNER_L1;
	bool write = in->reason == EXIT_REASON_WRMSR;
	return msr_bitmap_has(in->msr_bitmap12, in->msr, write) ? OWNER_L1 : OWNER_L0;
}

static enum owner own_ept(const struct owner_in *in)
{
	(void)in;
	return OWNER_EPT;
}

static enum owner (*const owners[EXIT_REASON_COUNT])(const struct owner_in *in) = {
#define X(number, NAME, handler, owner, text) [number] = own_##owner,
#include "vmx/exits.def"
#undef X
};

bool owner_is_l1(u32 reason)
{
	return reason < EXIT_REASON_COUNT && owners[reason] == own_l1;
}

enum owner owner_of_exit(const struct owner_in *in)
{
	if (in->reason >= EXIT_REASON_COUNT || !owners[in->reason])
		return OWNER_UNKNOWN;
	return owners[in->reason](in);
}
