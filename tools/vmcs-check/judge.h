/* Every entry check on a dump that may lack some of what they look at. */
#ifndef VMCS_CHECK_JUDGE_H
#define VMCS_CHECK_JUDGE_H

#include "tools/vmcs-check/caps_text.h"
#include "tools/vmcs-check/dump.h"

enum verdict { HOLDS, BROKEN, SKIPPED /* it depends on what the dump lacks */ };

/* verdicts: by enum check_id. The dump's capabilities become the processor's. */
void judge(enum verdict verdicts[CHECK_COUNT], struct dump *dump, const struct processor *processor);

/* Whether the dump has what a row looks at. */
bool judge_has_inputs(const struct dump *dump, const struct check_info *row);

#endif
