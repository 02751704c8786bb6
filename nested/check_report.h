/*
 * What to tell about a check that failed: the values it looked at, and a legal one that is near. Pure.
 */
#ifndef NESTED_CHECK_REPORT_H
#define NESTED_CHECK_REPORT_H

#include "nested/check.h"

/* input: of a row's inputs[], a field or an enum check_input. */
const char *check_input_name(unsigned input);
u64 check_input_value(const struct check_in *in, unsigned input);

struct check_fix {
	bool found;
	enum field_index field;
	u64 value;
};

/*
 * For a row that does not hold: one field's new value with which it does, and with which no other row
 * fails that held, if there is such a value; few bits differ from the old one. The row's first inputs
 * are tried first. Not found: no change of a single field was found to be enough.
 */
struct check_fix check_nearest(const struct check_in *in, enum check_id id,
			       const struct check_index *index);

#endif
