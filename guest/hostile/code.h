/*
 * The code of code.S.
 */
#ifndef GUEST_HOSTILE_CODE_H
#define GUEST_HOSTILE_CODE_H

#include "guest/lib/trap.h"

trap_function access_read8, access_read16, access_read32, access_read64, access_movzx, access_movsx,
	access_unaligned, access_and, access_lodsb, access_rep_movsb_out, access_repe_cmpsb,
	access_repe_scasb, access_popq, access_cmp_memory;
trap_function access_write8, access_write16, access_write32, access_write64, access_write_unaligned,
	access_or_memory, access_incq, access_xchg, access_lock_cmpxchg, access_lock_xadd,
	access_lock_btr, access_rep_stosb, access_rep_stosq, access_rep_movsb_in, access_rep_movsq_within,
	access_pushq, access_callq, access_sgdt, access_movnti, access_setcc, access_insb,
	access_lock_cmpxchg16b, access_pushfq, access_fnstcw, access_fxsave, access_movups;
trap_function access_int_n, access_ud2, access_nmi, access_single_step, access_mov_ss,
	access_mov_ss_single_step, access_breakpoint, access_debug_status, access_write_into_fault;
extern const char event_frame[], event_flags[], event_nmi[], event_timer[];
extern const char single_stepped[], mov_ss_stepped[], breakpoint_met[];
extern volatile u32 timer_interrupts, timer_trap_flags;
trap_function access_write_across, access_read_across, access_execute;

extern const char l2_ports[], l2_msr[], l2_touch[], l2_execute[], l2_tpr[], l2_ud2[];

#endif
