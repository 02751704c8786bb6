/*
 * A small hypervisor that shows what VT-x does: it starts L2s in several modes, each does a few
 * things that one can see, and every line says what the SDM promises and what happened.
 *
 * Start reading here, then steps.c (the list of what is tried), guests.c (a VMCS from nothing) and
 * guest/lib/vmx.c (VMX operation).
 */
#include "guest/demo/guests.h"
#include "guest/demo/report.h"
#include "guest/demo/steps.h"
#include "guest/lib/console.h"
#include "guest/lib/multiboot.h"
#include "guest/lib/start.h"

static const struct {
	const char *name;
	enum kind kind;
	bool ept;
} guests[] = {
	{"64-bit", LONG_64, false},    {"32-bit", PAGED_32, false},    {"32-bit pae", PAE_32, false},
	{"64-bit ept", LONG_64, true}, {"32-bit ept", PAGED_32, true}, {"pae ept", PAE_32, true},
	{"real ept", REAL_MODE, true},
};

/* What this L2 cannot do without and the processor does not have, or NULL. */
static const char *missing(enum kind kind, bool ept)
{
	if (ept && !vmx_allows(PROC2, PROC2_ENABLE_EPT))
		return "EPT";
	if (kind == REAL_MODE && !vmx_allows(PROC2, PROC2_UNRESTRICTED_GUEST))
		return "unrestricted guest";
	return NULL;
}

static void run(unsigned i)
{
	static struct guest g;
	const char *lacking = missing(guests[i].kind, guests[i].ept);

	if (lacking) {
		g.name = guests[i].name;
		report_skip(&g, "all", lacking);
		return;
	}
	guest_create(&g, guests[i].name, guests[i].kind, guests[i].ept);
	steps_run(&g);
}

void guest_main(void)
{
	print("A demo of VT-x. Arguments: \"%s\"\n", multiboot.args);
	if (!vmx_present() || !vmx_prepare()) {
		print("FAIL this processor has no VMX, or the firmware forbids it\n");
		return;
	}
	vmx_on();
	for (unsigned i = 0; i < ARRAY_LEN(guests); i++)
		run(i);
	report_total();
}
