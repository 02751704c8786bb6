/*
 * kvmrun [pressure SECONDS] - runs one virtual machine through /dev/kvm, without an emulator: l2.c on one
 * processor, with KVM's own interrupt controllers. "pressure": a thread keeps taking all pages away from
 * L2, which finds each again, with its contents, by a fault: also where an interrupt is being delivered.
 * What is printed has no times and addresses in it, so that two runs can be compared; but for "I: ".
 */
#define _GNU_SOURCE
#include "crc32.h"
#include "layout.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

extern const char l2_image[], l2_image_end[];

struct machine {
	int kvm, vm, cpu;
	uint8_t *memory, *data;
	struct kvm_run *run;
	uint32_t crc; /* as L2 told */
	uint32_t ticks; /* likewise */
	volatile int end; /* L2's own verdict, -1 while it runs */

	enum l2_job job;
	long seconds; /* of pressure */
	time_t start;
	unsigned taken; /* how often all pages were */
};

enum {
	PRESSURE_INTERVAL = 3000, /* us */
	PRESSURE_PATIENCE = 30, /* s, for L2 to end after its time */
	PRESSURE_RATE = 10 /* a second, at least, of interrupts and of losses */
};

static int fail(const char *what)
{
	printf("L1: FAILED %s\n", what);
	exit(1);
}

static int must(int result, const char *what)
{
	return result < 0 ? fail(what) : result;
}

static void *map(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

/* Under pressure the contents are in a file, and pages of the mapping can go. */
static uint8_t *allocate(struct machine *m, uint64_t size)
{
	int file;

	if (m->job != L2_JOB_PRESSURE)
		return map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	file = must(memfd_create("l2", 0), "memfd_create");
	must(ftruncate(file, (off_t)size), "ftruncate");
	return map(size, MAP_SHARED, file);
}

static uint8_t *add_memory(struct machine *m, uint32_t slot, uint64_t at, uint64_t size, uint32_t flags)
{
	uint8_t *memory = allocate(m, size);
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = at,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	must(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	return memory;
}

static void create_vm(struct machine *m)
{
	uint64_t identity_map = 0xfffbc000;

	m->kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	m->vm = must(ioctl(m->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(m->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map), "KVM_SET_IDENTITY_MAP_ADDR");
	must(ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	must(ioctl(m->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	m->memory = add_memory(m, 0, 0, L2_MEMORY, 0);
	m->data = add_memory(m, 1, L2_DATA, L2_DATA_SIZE, KVM_MEM_LOG_DIRTY_PAGES);
	memcpy(m->memory + L2_START, l2_image, (size_t)(l2_image_end - l2_image));
}

static void set_cpuid(struct machine *m)
{
	enum { MAX = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MAX * sizeof(cpuid->entries[0]));

	cpuid->nent = MAX;
	must(ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(m->cpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

/* Flat 32-bit protected mode, interrupts off. */
static void create_cpu(struct machine *m)
{
	struct kvm_segment code = {
		.limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1};
	struct kvm_segment data = {
		.limit = ~0u, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
	struct kvm_regs regs = {.rip = L2_START, .rflags = 2, .rsi = m->job};
	struct kvm_sregs sregs;

	m->cpu = must(ioctl(m->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	m->run = map((size_t)must(ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE"),
		     MAP_SHARED, m->cpu);
	set_cpuid(m);
	must(ioctl(m->cpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	must(ioctl(m->cpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(m->cpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void on_in(struct machine *m, uint8_t *bytes)
{
	if (m->run->io.port != L2_PORT_MORE || m->run->io.size != 1)
		fail("L2 read a port that is not there");
	*bytes = now() - m->start < m->seconds;
}

static void on_out(struct machine *m, const uint8_t *bytes)
{
	if (m->run->io.port == L2_PORT_TEXT)
		fwrite(bytes, m->run->io.size, m->run->io.count, stdout);
	else if (m->run->io.port == L2_PORT_CRC && m->run->io.size == 4)
		memcpy(&m->crc, bytes, 4);
	else if (m->run->io.port == L2_PORT_TICKS && m->run->io.size == 4)
		memcpy(&m->ticks, bytes, 4);
	else if (m->run->io.port == L2_PORT_END)
		m->end = *bytes;
	else
		fail("L2 wrote to a port that is not there");
}

static void on_io(struct machine *m)
{
	uint8_t *bytes = (uint8_t *)m->run + m->run->io.data_offset;

	if (m->run->io.direction == KVM_EXIT_IO_IN)
		on_in(m, bytes);
	else
		on_out(m, bytes);
}

static void on_mmio(struct machine *m)
{
	const uint32_t answer = L2_DEVICE_ANSWER;

	if (m->run->mmio.is_write || m->run->mmio.phys_addr != L2_DEVICE ||
	    m->run->mmio.len != sizeof(answer))
		fail("L2 touched memory that is not there");
	memcpy(m->run->mmio.data, &answer, sizeof(answer));
}

static void run(struct machine *m)
{
	while (m->end < 0) {
		must(ioctl(m->cpu, KVM_RUN, 0), "KVM_RUN");
		switch (m->run->exit_reason) {
		case KVM_EXIT_IO:
			on_io(m);
			break;
		case KVM_EXIT_MMIO:
			on_mmio(m);
			break;
		default:
			printf("L1: FAILED L2 stopped with KVM's exit reason %u\n", m->run->exit_reason);
			exit(1);
		}
	}
}

static unsigned dirty_pages(struct machine *m)
{
	uint64_t bitmap[L2_DATA_SIZE / 4096 / 64] = {0};
	struct kvm_dirty_log log = {.slot = 1, .dirty_bitmap = bitmap};
	unsigned count = 0;

	must(ioctl(m->vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	for (size_t i = 0; i < sizeof(bitmap) / sizeof(bitmap[0]); i++)
		count += (unsigned)__builtin_popcountll(bitmap[i]);
	return count;
}

/* L2's result against one of our own, and against L2's memory as we see it. */
static int verify(struct machine *m)
{
	static uint64_t own[L2_DATA_SIZE / sizeof(uint64_t)];
	static uint32_t table[256];
	uint64_t x = L2_SEED;
	uint32_t crc;
	int same;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		own[i] = x = xorshift(x);
	crc32_table(table);
	crc = crc32(table, (const uint8_t *)own, sizeof(own));
	same = !memcmp(own, m->data, sizeof(own));
	printf("L1: CRC-32 over %u MiB: L2 found %08x, L1 finds %08x, the memory is %s\n",
	       L2_DATA_SIZE >> 20, m->crc, crc, same ? "the same" : "DIFFERENT");
	return m->crc == crc && same;
}

static void *take_pages(void *machine)
{
	struct machine *m = machine;

	for (; m->end < 0; m->taken++) {
		usleep(PRESSURE_INTERVAL);
		must(madvise(m->memory, L2_MEMORY, MADV_DONTNEED), "madvise");
		must(madvise(m->data, L2_DATA_SIZE, MADV_DONTNEED), "madvise");
		if (now() - m->start > m->seconds + PRESSURE_PATIENCE)
			fail("L2 does not end: no timer interrupt wakes it");
	}
	return NULL;
}

static int run_under_pressure(struct machine *m)
{
	pthread_t taker;
	uint32_t table[256], crc;
	int enough;

	m->start = now();
	if (pthread_create(&taker, NULL, take_pages, m))
		fail("pthread_create");
	run(m);
	pthread_join(taker, NULL);
	crc32_table(table);
	crc = crc32(table, m->data, L2_DATA_SIZE);
	printf("I: in %ld s L2 took %u timer interrupts, and %u times lost all its pages\n", m->seconds,
	       m->ticks, m->taken);
	enough = m->ticks >= PRESSURE_RATE * m->seconds && m->taken >= PRESSURE_RATE * m->seconds;
	printf("L1: L2 under pressure ended with %d, its memory is %s, interrupts and pressure were %s\n",
	       m->end, crc == m->crc ? "the same" : "DIFFERENT", enough ? "enough" : "NOT ENOUGH");
	return crc == m->crc && enough;
}

static int run_features(struct machine *m)
{
	run(m);
	printf("L1: L2 ended with %d\n", m->end);
	return verify(m);
}

static void arguments(struct machine *m, int argc, char **argv)
{
	if (argc == 1)
		return;
	if (argc != 3 || strcmp(argv[1], "pressure") || (m->seconds = atol(argv[2])) <= 0)
		fail("kvmrun [pressure SECONDS]");
	m->job = L2_JOB_PRESSURE;
}

int main(int argc, char **argv)
{
	struct machine m = {.end = -1};
	unsigned dirty;
	int well;

	setvbuf(stdout, NULL, _IOLBF, 0);
	arguments(&m, argc, argv);
	create_vm(&m);
	create_cpu(&m);
	printf("L1: starting L2\n");
	well = m.job == L2_JOB_PRESSURE ? run_under_pressure(&m) : run_features(&m);
	dirty = dirty_pages(&m);
	printf("L1: L2 wrote %u of %u pages, says KVM's dirty log\n", dirty, L2_DATA_SIZE / 4096);
	return m.end || !well || dirty != L2_DATA_SIZE / 4096;
}
