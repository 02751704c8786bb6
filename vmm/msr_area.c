#include "vmm/msr_area.h"

#include "vmm/l1mem.h"
#include "vmm/msr.h"
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

static bool is_x2apic(u32 number)
{
	return number >= MSR_X2APIC_FIRST && number <= MSR_X2APIC_LAST;
}

static bool loadable(const struct msr_entry *e)
{
	return e->reserved == 0 && e->number != MSR_IA32_FS_BASE && e->number != MSR_IA32_GS_BASE &&
	       !is_x2apic(e->number) && e->number != MSR_IA32_SMM_MONITOR_CTL &&
	       e->number != MSR_IA32_BIOS_UPDT_TRIG;
}

static u64 bounded(const struct vcpu *v, u64 count)
{
	u64 max = VMX_MISC_MSR_LIST_MAX(v->machine->l1.misc);
	return count < max ? count : max;
}

u32 msr_area_load(struct vcpu *v, u64 area, u64 count)
{
	count = bounded(v, count);
	for (u32 i = 0; i < count; i++) {
		struct msr_entry e = read_entry(v, area, i);
		if (!loadable(&e) || !msr_write(v, e.number, e.value))
			return i + 1;
	}
	return 0;
}

bool msr_area_store(struct vcpu *v, u64 area, u64 count)
{
	count = bounded(v, count);
	for (u32 i = 0; i < count; i++) {
		struct msr_entry e = read_entry(v, area, i);
		if (e.reserved || is_x2apic(e.number) || !msr_read(v, e.number, &e.value))
			return false;
		l1mem_write(v->machine, (l1pa_t){area + 16ul * i + 8}, &e.value, 8);
	}
	return true;
}
