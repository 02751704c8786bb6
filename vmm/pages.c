#include "vmm/machine.h"
#include "vmx/assert.h"
#include "vmx/cpu.h"

void *page_alloc(struct machine *m)
{
	void *page = m->pool.free;
	if (page) {
		m->pool.free = *(void **)page;
		m->pool.free_count--;
	} else if (m->pool.next < m->pool.end) {
		page = m->pool.next;
		m->pool.next += PAGE_SIZE;
	} else {
		return 0;
	}
	cpu_zero(page, PAGE_SIZE);
	return page;
}

void *page_alloc_must(struct machine *m)
{
	void *page = page_alloc(m);
	ASSERT(page, "the page pool is empty");
	return page;
}

void *page_alloc_run(struct machine *m, unsigned count)
{
	u8 *pages = m->pool.next;
	ASSERT(count <= (u64)(m->pool.end - pages) / PAGE_SIZE, "no %u pages in one piece", count);
	m->pool.next += count * PAGE_SIZE;
	cpu_zero(pages, count * PAGE_SIZE);
	return pages;
}

void page_free(struct machine *m, void *page)
{
	*(void **)page = m->pool.free;
	m->pool.free = page;
	m->pool.free_count++;
}

unsigned page_available(const struct machine *m)
{
	return m->pool.free_count + (unsigned)((u64)(m->pool.end - m->pool.next) / PAGE_SIZE);
}
