#include "vmm/msr_list.h"

#include "nested/msr_area.h"
#include "vmm/console.h"
#include "vmm/l1mem.h"
#include "vmm/msr.h"
#include "vmm/refusal_pure.h"
#include "vmx/msr.h"

struct msr_entry {
	u32 number, reserved;
	u64 value;
};

static struct msr_entry read_entry(const struct vcpu *v, u64 area, u32 index)
{
	struct msr_entry e;
	l1mem_read(v->machine, (l1pa_t){area + 16ul * index}, &e, sizeof(e));
	return e;
}

static u64 bounded(const struct vcpu *v, u64 count)
{
	u64 max = VMX_MISC_MSR_LIST_MAX(v->machine->l1.misc);
	return count < max ? count : max;
}

u32 msr_list_load(struct vcpu *v, u64 area, u64 count)
{
	count = bounded(v, count);
	for (u32 i = 0; i < count; i++) {
		struct msr_entry e = read_entry(v, area, i);
		if (msr_area_load(e.number, e.reserved) != RULE_COUNT || !msr_write(v, e.number, e.value))
			return i + 1;
	}
	return 0;
}

bool msr_list_store(struct vcpu *v, u64 area, u64 count)
{
	count = bounded(v, count);
	for (u32 i = 0; i < count; i++) {
		struct msr_entry e = read_entry(v, area, i);
		if (e.reserved || (e.number >= MSR_X2APIC_FIRST && e.number <= MSR_X2APIC_LAST) ||
		    !msr_read(v, e.number, &e.value))
			return false;
		l1mem_write(v->machine, (l1pa_t){area + 16ul * i + 8}, &e.value, 8);
	}
	return true;
}

void msr_list_log_refusal(const struct vcpu *v, u64 area, u32 index)
{
	struct msr_entry e = read_entry(v, area, index - 1);
	enum rule_id rule = msr_area_load(e.number, e.reserved);
	char text[REFUSAL_TEXT];

	refusal_msr(text, index, e.number, e.value, rule == RULE_COUNT ? RULE_msr_load_fault : rule);
	log_line("L2 entry refused: %s", text);
}
