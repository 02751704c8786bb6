#include "vmm/l1mem.h"

#include "vmm/lib.h"
#include "vmm/watch.h"

/* How much of [address, address + size) lies on one page that L1 has or has not. */
static size_t piece(u64 address, size_t size)
{
	size_t to_page_end = (size_t)(PAGE_SIZE - (address & (PAGE_SIZE - 1)));
	return size < to_page_end ? size : to_page_end;
}

/* The page of the processor's own xAPIC, which is nobody's memory. */
static bool in_apic(const struct machine *m, l1pa_t address)
{
	return (address.v & PAGE_MASK) + 1 == m->apic_hole;
}

static u8 *reach(const struct machine *m, u64 address)
{
	if (address >= m->direct_end || l0_owns(m, address) || in_apic(m, (l1pa_t){address}))
		return 0;
	return (u8 *)(DIRECT_BASE + address);
}

static NOINLINE void read_pieces(const struct machine *m, u64 address, u8 *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t n = piece(address + done, size - done);
		const u8 *from = reach(m, address + done);
		if (from)
			memcpy(to + done, from, n);
		else
			memset(to + done, 0xff, n);
		done += n;
	}
}

/* Most operands are one or two words on one page. */
void l1mem_read(const struct machine *m, l1pa_t address, void *to, size_t size)
{
	const u64 *from = (const u64 *)reach(m, address.v);
	u64 *words = to;

	if ((size != 8 && size != 16) || piece(address.v, size) != size || !from) {
		read_pieces(m, address.v, to, size);
		return;
	}
	words[0] = from[0];
	if (size == 16)
		words[1] = from[1];
}

void l1mem_write(struct machine *m, l1pa_t address, const void *from, size_t size)
{
	watch_written(m, address, size);
	for (size_t done = 0; done < size;) {
		size_t n = piece(address.v + done, size - done);
		u8 *to = reach(m, address.v + done);
		if (to)
			memcpy(to, (const u8 *)from + done, n);
		done += n;
	}
}

u64 l1mem_read64(const struct machine *m, l1pa_t address)
{
	u64 value;
	const u64 *from = address.v % sizeof(value) ? 0 : (const u64 *)reach(m, address.v);
	if (from)
		return *from;
	read_pieces(m, address.v, (u8 *)&value, sizeof(value));
	return value;
}

u32 l1mem_read32(const struct machine *m, l1pa_t address)
{
	u32 value;
	read_pieces(m, address.v, (u8 *)&value, sizeof(value));
	return value;
}

const void *l1mem_page(const struct machine *m, l1pa_t address)
{
	return reach(m, address.v);
}

hpa_t l1mem_hpa(const struct machine *m, l1pa_t address)
{
	if (in_apic(m, address))
		return m->ept01.sink;
	return l0_owns(m, address.v) ? m->ept01.ones : (hpa_t){address.v};
}

hpa_t l1mem_hpa_writable(const struct machine *m, l1pa_t address)
{
	return l0_owns(m, address.v) || in_apic(m, address) ? m->ept01.sink : (hpa_t){address.v};
}
