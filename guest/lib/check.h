/*
 * The lines of a test program: `ok R7 what`, or `FAIL R7 what: expected ..., seen ...`.
 *
 * What an instruction did is a text: success, VMfailInvalid, VMfailValid(n), or an exception as the
 * SDM writes it. The texts of `what` never depend on the processor, so that the output is the same on
 * all that pass; what had to be left out is said on lines that start with "~".
 */
#ifndef GUEST_LIB_CHECK_H
#define GUEST_LIB_CHECK_H

#include "guest/lib/asm.h"
#include "guest/lib/console.h"

#define SUCCESS "success"
#define INVALID "VMfailInvalid"
#define VALID(n) "VMfailValid(" #n ")"
#define UD "#UD"
#define GP0 "#GP(0)"
#define SS0 "#SS(0)"

#define CHECK_TEXT 120

/* This vector, raised behind an instruction, shows that it raised nothing itself. */
#define VECTOR_NO_FAULT 0x40

/* The text of what an instruction did, into text[CHECK_TEXT]. Reads the error field where ZF is set. */
const char *outcome(char *text, struct trap t);

void check_text(const char *rule, const char *what, const char *expected, const char *seen);
void check_insn(const char *rule, const char *what, const char *expected, struct trap seen);
void check_value(const char *rule, const char *what, u64 expected, u64 seen);
void check_true(const char *rule, const char *what, bool seen);

/*
 * The same, where the simulated machine is known to do `defect`: that passes too, and a line that
 * starts with "~ known-defect" says so. Any other processor does not print that line.
 */
void check_insn_defect(const char *rule, const char *what, const char *expected, const char *defect,
		       struct trap seen);

/* The flags and error code of a #PF, for an expected text. */
#define PF(code) "#PF(" #code ")"

/* Many small checks that make one line: ok, or the first that failed. */
struct series {
	const char *rule, *what;
	const char *defect; /* as above; NULL: none */
	bool bad, defective;
	char first[2 * CHECK_TEXT];
};
void series_text(struct series *s, const char *item, const char *expected, const char *seen);
void series_insn(struct series *s, const char *item, const char *expected, struct trap seen);
void series_value(struct series *s, const char *item, u64 expected, u64 seen);
void series_end(struct series *s);

/* The last line: how many passed and failed. */
void check_total(void);

#endif
