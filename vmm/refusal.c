#include "vmm/refusal.h"

#include "nested/check_report.h"
#include "vmm/console.h"
#include "vmm/lib.h"
#include "vmm/option.h"
#include "vmm/refusal_pure.h"

static void dump_vmcs(const struct check_in *in)
{
	log_line("*** VMCS ***");
	for (unsigned i = 0; i < CHECK_INPUTS; i++)
		log_line("%s = %#lx", check_input_name(i), check_input_value(in, i));
	log_line("*** end of VMCS ***");
}

static void dump_capabilities(const struct check_in *in)
{
	for (unsigned i = 0; i < CAPS_MSR_COUNT; i++)
		log_line("%#x: %#lx", CAPS_MSR_FIRST + i, in->caps->msr[i]);
	log_line("address sizes: %u bits physical, %u bits virtual", in->caps->maxphyaddr,
		 in->caps->linear_bits);
	log_line("efer_valid: %#lx", in->efer_valid);
	log_line("debugctl_valid: %#lx", in->debugctl_valid);
	log_line("rtm: %u", in->rtm);
	log_line("sgx: %u", in->sgx);
}

void refusal_log(const struct machine *m, const struct check_in *in, enum check_id id)
{
	char text[REFUSAL_TEXT], dump[16];

	if (!log_is_read())
		return;
	refusal_check(text, in, id, &m->check_index);
	log_line("L2 entry refused: %s", text);
	option_value(m->boot->args, "dump", dump, sizeof(dump));
	if (strcmp(dump, "refused") == 0) {
		dump_vmcs(in);
		dump_capabilities(in);
	}
}
