/*
 * A processor's capabilities: built-in ones by name, and those of a text.
 */
#ifndef VMCS_CHECK_CAPS_TEXT_H
#define VMCS_CHECK_CAPS_TEXT_H

#include "nested/check.h"
#include "tools/vmcs-check/dump.h"

/* What the checks look at beside the VMCS. */
struct processor {
	const char *name, *about;
	struct caps caps; /* decoded */
	u64 efer_valid, debugctl_valid, perf_global_valid, rtit_ctl_valid, lbr_ctl_valid;
	bool rtm, sgx;
};

/* Fills a processor by the name of a profile. False: there is none of this name. */
bool processor_by_name(struct processor *p, const char *name);

/* The profiles' names and what they are, one by one; false past the last. */
bool processor_profile(unsigned index, const char **name, const char **about);

/*
 * Changes a processor by a text with lines such as `0x480 = 0xda040000000004`, `480: da...`,
 * `IA32_VMX_BASIC 0x...`, and `address sizes : 39 bits physical, 48 bits virtual`; other lines are passed
 * over. False, with *error filled: a value is broken, or no line is of use.
 */
bool processor_read(struct processor *p, struct text_error *error, const char *text, size_t size);

#endif
