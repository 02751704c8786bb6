#include "vmx/count.h"

#ifdef NESTLING_COUNTERS
u32 count_of[COUNT_PLACES];
#endif
