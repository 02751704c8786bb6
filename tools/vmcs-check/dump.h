/*
 * Reads the text of a VMCS dump: the format of Linux's dump_vmcs() with whatever a log puts before its
 * lines, Xen's, and Nestling's own, which is a line `FIELD = number` for each field (vmx/fields.def) and
 * for each of enum check_input that is known: the whole text, or what is between the lines *** VMCS ***
 * and *** end of VMCS ***.
 */
#ifndef VMCS_CHECK_DUMP_H
#define VMCS_CHECK_DUMP_H

#include "nested/check.h"

struct dump {
	struct vmcs12 v;
	struct check_in in; /* .v is set; the capabilities are the caller's */
	bool known[CHECK_INPUTS]; /* which of them the text gave */
	unsigned known_count;
	unsigned dumps; /* how many the text has */
};

struct text_error {
	unsigned line; /* from 1; 0: about the text as a whole */
	char what[160];
};

/*
 * Reads the n-th (from 1) dump of a text. False, with *error filled, where a line is broken or there is
 * no such dump. text need not end in a newline or a 0, and may hold any bytes.
 */
bool dump_read(struct dump *dump, struct text_error *error, const char *text, size_t size, unsigned n);

/* Words of Nestling's own format: the index of a field or input by its name, or -1. */
int dump_input(const char *name, size_t length);

#endif
