/*
 * Runs one virtual machine through /dev/kvm, without an emulator: l2.c on one processor, with KVM's
 * own interrupt controllers. What is printed has no times and addresses in it, so that two runs can
 * be compared.
 */
#include "crc32.h"
#include "layout.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

extern const char l2_image[], l2_image_end[];

struct machine {
	int kvm, vm, cpu;
	uint8_t *memory, *data;
	struct kvm_run *run;
	uint32_t crc; /* as L2 told */
	int end; /* L2's own verdict, -1 while it runs */
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

static uint8_t *add_memory(struct machine *m, uint32_t slot, uint64_t at, uint64_t size, uint32_t flags)
{
	uint8_t *memory = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
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
	struct kvm_regs regs = {.rip = L2_START, .rflags = 2};
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

static void on_io(struct machine *m)
{
	const uint8_t *bytes = (const uint8_t *)m->run + m->run->io.data_offset;

	if (m->run->io.direction != KVM_EXIT_IO_OUT)
		fail("L2 read a port");
	if (m->run->io.port == L2_PORT_TEXT)
		fwrite(bytes, m->run->io.size, m->run->io.count, stdout);
	else if (m->run->io.port == L2_PORT_CRC && m->run->io.size == 4)
		memcpy(&m->crc, bytes, 4);
	else if (m->run->io.port == L2_PORT_END)
		m->end = *bytes;
	else
		fail("L2 wrote to a port that is not there");
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
	for (m->end = -1; m->end < 0;) {
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

int main(void)
{
	struct machine m = {0};
	unsigned dirty;
	int well;

	setvbuf(stdout, NULL, _IOLBF, 0);
	create_vm(&m);
	create_cpu(&m);
	printf("L1: starting L2\n");
	run(&m);
	printf("L1: L2 ended with %d\n", m.end);
	well = verify(&m);
	dirty = dirty_pages(&m);
	printf("L1: L2 wrote %u of %u pages, says KVM's dirty log\n", dirty, L2_DATA_SIZE / 4096);
	return m.end || !well || dirty != L2_DATA_SIZE / 4096;
}
