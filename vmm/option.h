/*
 * L0's command line: words, of which some are NAME=VALUE.
 */
#ifndef VMM_OPTION_H
#define VMM_OPTION_H

#include "vmx/types.h"

/*
 * The value of the first NAME=VALUE of this name, cut to size - 1 characters; "" where there is none.
 * Requires size > 0.
 */
void option_value(const char *args, const char *name, char *value, size_t size);

#endif
