#include "guest/events/apic.h"

#include "guest/events/payload.h"
#include "guest/lib/asm.h"
#include "guest/lib/trap.h"
#include "vmx/msr.h"

#define APIC_BASE 0xfee00000ul
#define APIC_ID 0x20
#define APIC_EOI 0xb0
#define APIC_SVR 0xf0
#define APIC_ISR 0x100
#define APIC_IRR 0x200
#define APIC_ICR 0x300
#define APIC_ICR_HIGH 0x310
#define APIC_ENABLE 0x100
#define ICR_NMI 0x400
#define ICR_ASSERT 0x4000
#define ICR_SELF 0x40000

static bool nmi_blocked;

static volatile u32 *apic(unsigned at)
{
	return (volatile u32 *)(APIC_BASE + at);
}

void apic_init(void)
{
	u64 idt = read_idtr().base, handler = (u64)nmi_block_handler;
	u16 *gate = (u16 *)(idt + 16 * VEC_NMI);

	*apic(APIC_SVR) = APIC_ENABLE | 0xff;
	gate[0] = (u16)handler;
	gate[3] = (u16)(handler >> 16);
}

void apic_send(u8 vector)
{
	*apic(APIC_ICR) = ICR_SELF | ICR_ASSERT | vector;
}

bool apic_send_nmi(void)
{
	*apic(APIC_ICR_HIGH) = *apic(APIC_ID);
	if (!nmi_blocked)
		nmi_blocked = nmi_block_raw(apic(APIC_ICR), ICR_NMI | ICR_ASSERT);
	if (!nmi_blocked)
		return false;
	*apic(APIC_ICR) = ICR_NMI | ICR_ASSERT;
	return true;
}

u32 apic_nmi_command(void)
{
	*apic(APIC_ICR_HIGH) = *apic(APIC_ID);
	return ICR_NMI | ICR_ASSERT;
}

void apic_unblock_nmi(void)
{
	nmi_unblock();
	nmi_blocked = false;
}

void apic_eoi(void)
{
	*apic(APIC_EOI) = 0;
}

static int highest(unsigned at)
{
	for (int i = 7; i >= 0; i--) {
		u32 bits = *apic(at + 16 * (unsigned)i);
		if (bits)
			return 32 * i + 31 - __builtin_clz(bits);
	}
	return -1;
}

int apic_requested(void)
{
	return highest(APIC_IRR);
}

int apic_in_service(void)
{
	return highest(APIC_ISR);
}

unsigned apic_drain(void)
{
	unsigned pending = 0;

	while (apic_in_service() >= 0)
		apic_eoi();
	while (apic_requested() >= 0) {
		pending++;
		interrupts_take();
		apic_eoi();
	}
	return pending;
}
