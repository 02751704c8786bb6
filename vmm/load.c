/*
 * The plan common to all protocols: where in L1's RAM everything goes, and in which order to move it
 * there so that nothing is overwritten while it is still needed.
 *
 * GRUB may have put L1's file and modules exactly where L1's segments belong. Destinations never
 * overlap one another. A module that is in the way, or that may not stay, moves first, to memory that
 * holds no file. If the file itself is in the way it moves next, whole. From then on no destination
 * holds a source, and the segments are copied.
 */
#include "vmm/load_parts.h"

#define PAGE_0_END 0x1000 /* the BIOS's vectors and data: L1 may ask for it, we never choose it */
#define STACK_BASE 0x7f000 /* under GRUB's stack pointer for multiboot kernels */
#define STACK_TOP 0x80000

static const struct load_format *const formats[] = {&load_multiboot1, &load_multiboot2, &load_linux};

int load_refuse(struct load_work *l, enum load_refusal code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fmt_va(l->why, l->why_size, format, args);
	va_end(args);
	return code;
}

static bool overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* From *i on, the next stretch of RAM without a gap. */
static bool ram_next(const struct load_in *in, unsigned *i, u64 *base, u64 *end)
{
	while (*i < in->map_count && in->map[*i].type != MEM_RAM)
		++*i;
	if (*i == in->map_count)
		return false;
	*base = in->map[*i].base;
	*end = *base + in->map[*i].size;
	for (++*i; *i < in->map_count; ++*i) {
		if (in->map[*i].type != MEM_RAM || in->map[*i].base != *end)
			break;
		*end += in->map[*i].size;
	}
	return true;
}

/* What is in the way of `want` at `base`, of these kinds. */
static bool taken(const struct load_work *l, const struct load_want *want, u32 kinds, u64 base,
		  struct load_place *by)
{
	for (unsigned i = 0; i < l->place_count; i++) {
		const struct load_place *p = &l->place[i];
		if (!(p->kind & kinds) || (p->kind == PLACE_SOURCE && (int)p->module == want->except))
			continue;
		if (overlap(base, want->size, p->base, p->size)) {
			*by = *p;
			return true;
		}
	}
	return kinds & PLACE_FIRMWARE && load_tag_firmware(l->in, base, want->size, by);
}

static bool find_low(const struct load_work *l, const struct load_want *want, u32 kinds, u64 from, u64 to,
		     u64 *base)
{
	struct load_place by;
	u64 at = load_align(from, want->align);

	while (at >= from && at <= to && to - at >= want->size) {
		if (!taken(l, want, kinds, at, &by)) {
			*base = at;
			return true;
		}
		from = by.base + by.size;
		at = load_align(from, want->align);
	}
	return false;
}

static bool find_high(const struct load_work *l, const struct load_want *want, u32 kinds, u64 from,
		      u64 to, u64 *base)
{
	struct load_place by;

	while (to >= from && to - from >= want->size) {
		u64 at = (to - want->size) & ~(want->align - 1);
		if (at < from)
			return false;
		if (!taken(l, want, kinds, at, &by)) {
			*base = at;
			return true;
		}
		to = by.base;
	}
	return false;
}

/* The lowest or highest place in any stretch of RAM. */
static bool find(const struct load_work *l, const struct load_want *want, u32 kinds, u64 *base)
{
	u64 from, to;
	bool found = false;

	for (unsigned i = 0; ram_next(l->in, &i, &from, &to);) {
		if (from < want->min)
			from = want->min;
		if (to > want->max)
			to = want->max;
		if (from > to)
			continue;
		if (!want->high && find_low(l, want, kinds, from, to, base))
			return true;
		if (want->high && find_high(l, want, kinds, from, to, base))
			found = true;
	}
	return found;
}

/* Like GRUB, away from what UEFI's boot services used, if that can be. */
bool load_find(const struct load_work *l, const struct load_want *want, u32 kinds, u64 *base)
{
	return find(l, want, kinds | PLACE_FIRMWARE, base) ||
	       find(l, want, kinds & ~PLACE_FIRMWARE, base);
}

bool load_find_image(const struct load_work *l, const struct load_want *want, u64 *base)
{
	return load_find(l, want, PLACE_KEPT | PLACE_SOURCE, base) ||
	       load_find(l, want, PLACE_KEPT, base);
}

void load_claim(struct load_work *l, u64 base, u64 size, u32 kind, unsigned module)
{
	if (size && l->place_count < ARRAY_LEN(l->place))
		l->place[l->place_count++] = (struct load_place){base, size, kind, module};
}

void load_unclaim_source(struct load_work *l, unsigned module)
{
	for (unsigned i = 0; i < l->place_count; i++) {
		if (l->place[i].kind == PLACE_SOURCE && l->place[i].module == module) {
			l->place[i] = l->place[--l->place_count];
			return;
		}
	}
}

int load_step(struct load_work *l, enum load_op_kind kind, u64 dst, u64 src, u64 len)
{
	struct load_plan *plan = l->plan;

	if (!len)
		return 0;
	if (plan->op_count == LOAD_MAX_OPS)
		return load_refuse(
			l, LOAD_UNSUPPORTED,
			"loading L1 takes more than %d steps: give it fewer ELF sections (strip it)",
			LOAD_MAX_OPS);
	plan->op[plan->op_count++] = (struct load_op){kind, dst, src, len};
	return 0;
}

int load_segment_add(struct load_work *l, const struct load_segment *segment)
{
	if (!segment->size)
		return 0;
	if (l->segment_count == LOAD_MAX_SEGMENTS)
		return load_refuse(l, LOAD_UNSUPPORTED,
				   "L1 has more than %d segments: link it with fewer", LOAD_MAX_SEGMENTS);
	l->segment[l->segment_count++] = *segment;
	return 0;
}

void load_shift(struct load_work *l, u64 by)
{
	for (unsigned i = 0; i < l->segment_count; i++)
		l->segment[i].dst += by;
	l->entry += by;
	l->load_base += by;
}

/* The stack is claimed before L1 is placed: an image that wants that very memory gets it all the same. */
static int begin(struct load_work *l)
{
	const struct load_in *in = l->in;

	if (!in->boot->module_count || !in->boot->module[0].size)
		return load_refuse(
			l, LOAD_UNKNOWN,
			"no L1 given: add a line `module2 FILE ARGUMENTS` to GRUB's menu entry");
	load_claim(l, in->l0_base, in->l0_size, PLACE_KEPT, 0);
	load_claim(l, STACK_BASE, STACK_TOP - STACK_BASE, PLACE_KEPT, 0);
	for (unsigned i = 0; i < in->boot->module_count; i++) {
		const struct boot_module *m = &in->boot->module[i];
		if (m->size > BIT(52) || m->base > BIT(52))
			return load_refuse(l, LOAD_BAD,
					   "GRUB says that module %u lies at 0x%lx, 0x%lx bytes", i,
					   m->base, m->size);
		if (m->size && overlap(m->base, m->size, in->l0_base, in->l0_size))
			return load_refuse(
				l, LOAD_IN_USE,
				"module %u lies in Nestling's own memory: give the machine more memory",
				i);
		load_claim(l, m->base, m->size, PLACE_SOURCE, i);
	}
	return 0;
}

static bool any_protocol(const char *asked)
{
	return !asked || !*asked || strcmp(asked, "auto") == 0;
}

/* The image is not what was asked for: say what it is, if it is anything. */
static int wrong_protocol(struct load_work *l)
{
	const char *asked = l->in->protocol;
	bool known = false;

	for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
		known |= strcmp(asked, formats[i]->name) == 0;
	if (!known)
		return load_refuse(
			l, LOAD_UNSUPPORTED,
			"protocol=%.16s is not known: ask for auto, multiboot, multiboot2 or linux",
			asked);
	for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
		if (formats[i]->parse(l) != 0)
			return load_refuse(
				l, LOAD_UNKNOWN,
				"L1 is no %s image, which protocol= asks for: it is a %s image", asked,
				formats[i]->name);
	return load_refuse(l, LOAD_UNKNOWN,
			   "L1 is no %s image, which protocol= asks for, and in no other known format",
			   asked);
}

static int parse(struct load_work *l, const struct load_format **format)
{
	const char *asked = l->in->protocol;

	for (unsigned i = 0; i < ARRAY_LEN(formats); i++) {
		if (!any_protocol(asked) && strcmp(asked, formats[i]->name) != 0)
			continue;
		int r = formats[i]->parse(l);
		if (r < 0)
			return r;
		if (r > 0) {
			*format = formats[i];
			return 0;
		}
	}
	if (!any_protocol(asked))
		return wrong_protocol(l);
	return load_refuse(l, LOAD_UNKNOWN,
			   "L1 is in no known format: give a multiboot 1 or 2 image or a Linux bzImage, "
			   "not compressed further");
}

static const char *type_name(u32 type)
{
	switch (type) {
	case MEM_ACPI:
		return "ACPI tables";
	case MEM_NVS:
		return "ACPI memory";
	case MEM_BAD:
		return "defective memory";
	default:
		return "memory reserved by the firmware";
	}
}

static u64 ram_end(const struct load_in *in)
{
	u64 base, end, last = 0;

	for (unsigned i = 0; ram_next(in, &i, &base, &end);)
		if (end <= GIB_4)
			last = end;
	return last;
}

/* Says what is in the place of a segment that is not whole in RAM. */
static int blame(struct load_work *l, const struct load_segment *s)
{
	const struct load_in *in = l->in;
	u64 last = s->dst + s->size - 1;

	if (overlap(s->dst, s->size, in->l0_base, in->l0_size))
		return load_refuse(
			l, LOAD_IN_USE,
			"L1 wants 0x%lx-0x%lx, but Nestling itself is at 0x%lx-0x%lx: link L1 lower, or "
			"give the machine more memory",
			s->dst, last, in->l0_base, in->l0_base + in->l0_size - 1);
	for (unsigned i = 0; i < in->map_count; i++) {
		const struct mem_range *m = &in->map[i];
		if (m->type != MEM_RAM && overlap(s->dst, s->size, m->base, m->size))
			return load_refuse(
				l, LOAD_IN_USE,
				"L1 wants 0x%lx-0x%lx, but 0x%lx-0x%lx is in use (%s): link L1 elsewhere",
				s->dst, last, m->base, m->base + m->size - 1, type_name(m->type));
	}
	if (last >= ram_end(in))
		return load_refuse(
			l, LOAD_NO_MEMORY,
			"too little memory: L1 wants 0x%lx-0x%lx, and there is RAM up to 0x%lx: give the "
			"machine more memory, or link L1 lower",
			s->dst, last, ram_end(in) - 1);
	return load_refuse(l, LOAD_IN_USE,
			   "L1 wants 0x%lx-0x%lx, where there is not only RAM: link L1 elsewhere", s->dst,
			   last);
}

static int check_segment(struct load_work *l, unsigned i)
{
	const struct load_segment *s = &l->segment[i];
	struct load_want want = {s->size, 1, s->dst, s->dst + s->size, false, -1};
	u64 base;

	if (s->dst >= GIB_4 || s->size > GIB_4 - s->dst)
		return load_refuse(
			l, LOAD_UNSUPPORTED,
			"L1 wants 0x%lx bytes at 0x%lx, but a boot loader loads below 4 GiB: link L1 "
			"lower (its physical addresses)",
			s->size, s->dst);
	for (unsigned k = 0; k < i; k++) {
		const struct load_segment *o = &l->segment[k];
		if (overlap(s->dst, s->size, o->dst, o->size))
			return load_refuse(
				l, LOAD_IN_USE,
				"segments 0x%lx-0x%lx and 0x%lx-0x%lx of L1 overlap: link it anew",
				o->dst, o->dst + o->size - 1, s->dst, s->dst + s->size - 1);
	}
	/* L0's memory is not RAM in L1's map, but this must not hang on the caller having cut it out. */
	if (!load_find(l, &want, 0, &base) || overlap(s->dst, s->size, l->in->l0_base, l->in->l0_size))
		return blame(l, s);
	return 0;
}

static int place_image(struct load_work *l)
{
	struct load_plan *plan = l->plan;
	bool entry = false;

	plan->image_base = ~0ull;
	for (unsigned i = 0; i < l->segment_count; i++) {
		const struct load_segment *s = &l->segment[i];
		int r = check_segment(l, i);
		if (r)
			return r;
		load_claim(l, s->dst, s->size, PLACE_FINAL, 0);
		if (s->dst < plan->image_base)
			plan->image_base = s->dst;
		if (s->dst + s->size > plan->image_end)
			plan->image_end = s->dst + s->size;
		entry |= l->entry >= s->dst && l->entry - s->dst < s->size;
	}
	if (!entry)
		return load_refuse(l, LOAD_BAD,
				   "L1's entry point 0x%lx lies in none of its segments: link it anew",
				   l->entry);
	return 0;
}

/* Where GRUB's relocator leaves its own: code and data at these selectors. */
static void put_gdt(struct load_work *l)
{
	static const u64 gdt[4] = {0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

	l->gdt_offset = load_put(l, gdt, sizeof(gdt), 8);
}

static void write_info(struct load_work *l, const struct load_format *format)
{
	memset(l->plan->info, 0, sizeof(l->plan->info));
	l->info_used = 0;
	format->info(l);
	put_gdt(l);
}

/* Its size is known from writing it once for nothing. */
static int place_info(struct load_work *l, const struct load_format *format)
{
	struct load_want want = format->info_want;
	struct load_plan *plan = l->plan;

	write_info(l, format);
	if (l->info_used > sizeof(plan->info))
		return load_refuse(
			l, LOAD_UNSUPPORTED,
			"what L1 is to be told takes %zu bytes, and there is room for %zu: give it fewer "
			"ELF sections (strip it) or modules",
			l->info_used, sizeof(plan->info));
	want.size = plan->info_size = (u32)l->info_used;
	if (!load_find(l, &want, ~0u, &plan->info_base)) {
		want.high = false;
		want.min = PAGE_0_END;
		want.max = GIB_4;
		if (!load_find(l, &want, ~0u, &plan->info_base))
			return load_refuse(
				l, LOAD_NO_MEMORY,
				"too little memory: no %u free bytes for L1's boot information",
				plan->info_size);
	}
	load_claim(l, plan->info_base, plan->info_size, PLACE_FINAL, 0);
	return 0;
}

static int move_module(struct load_work *l, unsigned i)
{
	const struct boot_module *m = &l->in->boot->module[i];
	struct load_want want = {m->size, PAGE_SIZE, MIB_1, GIB_4, true, (int)i};

	if (!load_find(l, &want, ~0u, &l->module_at[i]))
		return load_refuse(
			l, LOAD_NO_MEMORY,
			"too little memory: no %lu KiB of free RAM for module %u: give the machine more "
			"memory",
			(m->size + 1023) / 1024, i);
	return load_step(l, LOAD_COPY, l->module_at[i], m->base, m->size);
}

/* GRUB aligns modules to pages, whether asked to or not. One of no length is at 0. */
int load_modules_each(struct load_work *l)
{
	for (unsigned i = 1; i < l->in->boot->module_count; i++) {
		const struct boot_module *m = &l->in->boot->module[i];
		struct load_want stay = {m->size, PAGE_SIZE, m->base, m->base + m->size, false, -1};
		int r = 0;

		if (!m->size)
			continue;
		if (stay.max > GIB_4 || !load_find(l, &stay, PLACE_KEPT | PLACE_FINAL, &l->module_at[i]))
			r = move_module(l, i);
		if (r)
			return r;
		load_unclaim_source(l, i);
		load_claim(l, l->module_at[i], m->size, PLACE_FINAL, 0);
	}
	return 0;
}

/* Moves L1's file if a segment's place overlaps it. */
static int clear_file(struct load_work *l)
{
	const struct boot_module *file = &l->in->boot->module[0];
	struct load_want here = {file->size, 1, 0, ~0ull, false, -1};
	struct load_want away = {file->size, PAGE_SIZE, MIB_1, GIB_4, true, 0};
	struct load_place by;

	l->image_at = file->base;
	if (!taken(l, &here, PLACE_FINAL, file->base, &by))
		return 0;
	if (!load_find(l, &away, ~0u, &l->image_at)) {
		away.max = ~0ull;
		if (!load_find(l, &away, ~0u, &l->image_at))
			return load_refuse(
				l, LOAD_NO_MEMORY,
				"too little memory: no %lu KiB of free RAM to move L1's file out of its own "
				"way: give the machine more memory",
				(file->size + 1023) / 1024);
	}
	return load_step(l, LOAD_COPY, l->image_at, file->base, file->size);
}

static int copy_segments(struct load_work *l)
{
	int r = 0;

	for (unsigned i = 0; i < l->segment_count && !r; i++) {
		const struct load_segment *s = &l->segment[i];
		r = load_step(l, LOAD_COPY, s->dst, l->image_at + s->file_offset, s->file_size);
		if (!r && s->zero)
			r = load_step(l, LOAD_ZERO, s->dst + s->file_size, 0, s->size - s->file_size);
	}
	return r;
}

static int finish(struct load_work *l, const struct load_format *format)
{
	struct load_plan *plan = l->plan;
	struct load_state *s = &plan->state;

	write_info(l, format);
	plan->protocol = format->protocol;
	s->eip = (u32)l->entry;
	s->eflags = 2;
	s->cs = 0x10;
	s->ds = 0x18;
	s->gdt_base = load_info_at(l, l->gdt_offset);
	s->gdt_limit = 4 * 8 - 1;
	switch (format->protocol) {
	case LOAD_MULTIBOOT1:
		s->eax = 0x2badb002;
		s->ebx = load_info_at(l, 0);
		s->esp = 0x7ff00;
		break;
	case LOAD_MULTIBOOT2:
		s->eax = 0x36d76289;
		s->ebx = load_info_at(l, 0);
		s->esp = 0x7ff00;
		break;
	case LOAD_LINUX:
		s->esi = s->esp = load_info_at(l, 0);
		break;
	}
	return load_step(l, LOAD_INFO, plan->info_base, 0, plan->info_size);
}

int load_plan(struct load_plan *plan, const struct load_in *in, char *why, size_t why_size)
{
	const struct load_format *format = NULL;
	struct load_work *l = &plan->work;
	int r;

	memset(plan, 0, sizeof(*plan));
	l->in = in;
	l->plan = plan;
	l->why = why;
	l->why_size = why_size;
	if ((r = begin(l)) || (r = parse(l, &format)) || !format)
		return r;
	if ((r = place_image(l)) || (r = place_info(l, format)) || (r = format->modules(l)) ||
	    (r = load_elf_place_sections(l)) || (r = clear_file(l)) || (r = copy_segments(l)) ||
	    (r = load_elf_copy_sections(l)))
		return r;
	return finish(l, format);
}
