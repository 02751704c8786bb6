#include "vmm/watch.h"

#include "vmm/ept01.h"
#include "vmm/ept02.h"
#include "vmm/l1mem.h"

#define STARTS_FREE 16
#define USES_PER_START 1024

bool watch_worth(struct watch *w)
{
	w->uses++;
	return w->starts < STARTS_FREE || w->uses / USES_PER_START >= w->starts;
}

const struct watch *watch_find(const struct machine *m, u64 address)
{
	if (address - m->watched.base >= m->watched.size)
		return 0;
	for (const struct watch *w = m->watched.first; w; w = w->next)
		if (w->on && w->page == (address & PAGE_MASK))
			return w;
	return 0;
}

void watch_stop(struct machine *m, struct watch *w)
{
	w->on = false;
	m->ept01.extent.size = 0;
}

bool watch_written(struct machine *m, l1pa_t address, u64 size)
{
	struct watched *all = &m->watched;
	bool any = false;

	if (address.v >= all->base + all->size || address.v + size <= all->base)
		return false;
	for (struct watch *w = all->first; w; w = w->next)
		if (w->on && w->page < address.v + size && address.v < w->page + PAGE_SIZE) {
			watch_stop(m, w);
			any = true;
		}
	return any;
}

static bool is_memory(struct machine *m, u64 page)
{
	const struct boot_info *boot = m->boot;

	for (unsigned i = 0; i < boot->map_count; i++)
		if (boot->map[i].type == MEM_RAM && page - boot->map[i].base < boot->map[i].size)
			return l1mem_page(m, (l1pa_t){page}) && !ept01_read_only(m, (l1pa_t){page});
	return false;
}

static void widen(struct watched *all, u64 page)
{
	u64 low = all->size && all->base < page ? all->base : page;
	u64 high = all->base + all->size > page + PAGE_SIZE ? all->base + all->size : page + PAGE_SIZE;

	all->base = low;
	all->size = high - low;
}

static void enrol(struct machine *m, struct watch *w)
{
	if (w->starts++ > 0)
		return;
	w->next = m->watched.first;
	m->watched.first = w;
}

void watch_start(struct vcpu *v, struct watch *w, l1pa_t page)
{
	struct machine *m = v->machine;

	watch_stop(m, w);
	if (!is_memory(m, page.v))
		return;
	u64 *leaf = ept01_split(m, page);
	if (!leaf)
		return;
	enrol(m, w);
	w->page = page.v;
	w->on = true;
	m->ept01.extent.size = 0;
	widen(&m->watched, page.v);
	*leaf &= ~EPT_W;
	ept_invalidate(m, m->ept01.eptp);
	ept02_drop_all(v);
}
