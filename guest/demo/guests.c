#include "guest/demo/guests.h"

#include "guest/demo/l2_memory.h"
#include "guest/lib/memory.h"

u64 guest_code(const struct guest *g, enum payload piece)
{
	if (g->kind == REAL_MODE)
		return L2_REAL_CODE + (payload16[piece] - (u64)payload16_page);
	return g->kind == LONG_64 ? payload64[piece] : payload32[piece];
}

void guest_goto(struct guest *g, enum payload piece)
{
	VMCS_SET({VMCS_GUEST_RIP, guest_code(g, piece)}, {VMCS_GUEST_RSP, g->stack},
		 {VMCS_GUEST_RFLAGS, RFLAGS_FIXED1});
}

void guest_add_controls(enum vmcs_field field, u32 controls)
{
	vmcs_set(field, vmcs_get(field) | controls);
}

void guest_reset(struct guest *g)
{
	vmcs_set_host();
	l2_set_controls(g->kind, g->eptp);
	l2_set_registers(g->kind, g->cr3, g->ept);
	VMCS_SET({VMCS_GUEST_IDTR_BASE, g->idt}, {VMCS_GUEST_IDTR_LIMIT, L2_IDT_LIMIT});
	memory_set(g->cpu.gpr, 0, sizeof(g->cpu.gpr));
}

void guest_create(struct guest *g, const char *name, enum kind kind, bool ept)
{
	*g = (struct guest){.name = name, .kind = kind, .ept = ept, .cpu.region = vmcs_alloc()};
	l2_memory_create(g);
	vmcs_load(g->cpu.region);
	guest_reset(g);
}
