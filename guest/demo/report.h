/*
 * One line for each thing tried: which L2, what it did, what the SDM promises, what happened.
 */
#ifndef GUEST_DEMO_REPORT_H
#define GUEST_DEMO_REPORT_H

#include "guest/demo/guests.h"

/* Each of these runs L2 until its next exit, and compares that exit. */
void expect_reason(struct guest *g, const char *what, enum exit_reason reason);
void expect_exit(struct guest *g, const char *what, enum exit_reason reason, u32 length);
void expect_exit_qualified(struct guest *g, const char *what, enum exit_reason reason, u32 length,
			   u64 qualification);

/* Exit 0; qualification: the address of a page fault, otherwise 0. */
void expect_exception(struct guest *g, const char *what, u32 interruption, u32 error, u64 qualification);

/* Exits that belong to no instruction: where L2 was, as an offset from this piece of payload. */
void expect_exit_at(struct guest *g, const char *what, enum exit_reason reason, enum payload piece,
		    u64 offset);

/* Access: the qualification's bits 8:0. SDM: "Exit Qualification for EPT Violations". */
void expect_ept_exit(struct guest *g, const char *what, enum exit_reason reason, u64 access,
		     u64 physical);

/* The entry itself fails: VMfailValid with this error, or exit 33. */
void expect_vmfail(struct guest *g, const char *what, enum vm_instruction_error error);
void expect_entry_failure(struct guest *g, const char *what);

/* L2 runs to its VMCALL; then something L2 or the processor computed is compared. */
void expect_vmcall(struct guest *g);
void expect_value(const struct guest *g, const char *what, u64 expected, u64 seen);

void report_skip(const struct guest *g, const char *what, const char *missing);

/* The last line. */
void report_total(void);

#endif
