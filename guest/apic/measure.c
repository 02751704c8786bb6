/* What things cost, in time stamp counts: lines that no comparison looks at. */
#include "guest/apic/local.h"

#define ROUNDS 100

#define MEASURE(what, statement) \
	do { \
		u64 start_ = rdtsc(); \
		for (unsigned i_ = 0; i_ < ROUNDS; i_++) \
			statement; \
		print("~ cost %s %s: %lu\n", local_mode, what, (rdtsc() - start_) / ROUNDS); \
	} while (0)

void measure(void)
{
	MEASURE("CPUID", cpuid(0));
	MEASURE("EOI", local_put(EOI, 0));
	MEASURE("read of TPR", local_get(TPR));
	MEASURE("read of ID", local_get(ID));
	MEASURE("MOV to CR8", write_cr8(1));
	write_cr8(0);
	MEASURE("IPI to itself, taken, with EOI", (local_send(0, ICR_SELF | 0x61), irq_taken()));
}
