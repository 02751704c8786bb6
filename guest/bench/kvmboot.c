/*
 * kvmboot IMAGE [ARGUMENT]... - starts a multiboot image as the only guest of KVM, as GRUB does on a
 * machine: one processor with all that KVM offers, VMX included, KVM's own interrupt controllers, a
 * serial port that only sends, and the port that turns Bochs off. Nothing else of a PC.
 *
 * Before the guest starts, prints what it took to get there: `KVM: figure boot_to_l1 INSTRUCTIONS` and
 * `KVM: figure l0_footprint_bytes BYTES`, the latter from the memory that Linux does not have left of
 * the machine's (the environment's bench_memory, in MiB).
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define MIB 0x100000ull
#define MEMORY (128 * MIB)
#define LARGE_PAGE (2 * MIB)

#define MULTIBOOT_LOADED 0x2badb002
#define MULTIBOOT_COMMAND_LINE 0x04
#define MULTIBOOT_MEMORY_MAP 0x40
#define MULTIBOOT_RAM 1
#define INFORMATION 0x9000 /* where the guest finds it: below 640 KiB, the image is above 1 MiB */

/* Multiboot specification 0.6.96, "Boot information format". */
struct information {
	uint32_t flags, mem_lower, mem_upper, boot_device, command_line, mods_count, mods_addr, syms[4];
	uint32_t mmap_length, mmap_addr;
	struct range {
		uint32_t size;
		uint64_t base, length;
		uint32_t type;
	} __attribute__((packed)) map[2];
	char arguments[256];
};

#define COM1 0x3f8
#define COM1_STATUS (COM1 + 5)
#define COM1_SENT 0x60 /* both buffers are empty */
#define BOCHS_SHUTDOWN 0x8900

struct machine {
	int kvm, vm, cpu;
	uint8_t *memory;
	struct kvm_run *run;
	unsigned off; /* letters of "Shutdown" that were written */
};

static int fail(const char *what)
{
	printf("FAIL kvmboot: %s\n", what);
	exit(1);
}

static int must(int result, const char *what)
{
	return result < 0 ? fail(what) : result;
}

/* Where large pages are possible: KVM is to be at its best. */
static uint8_t *memory_make(void)
{
	uint8_t *p = mmap(NULL, MEMORY + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (p == MAP_FAILED)
		fail("mmap of the guest's memory");
	p = (uint8_t *)(((uintptr_t)p + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
	madvise(p, MEMORY, MADV_HUGEPAGE);
	return p;
}

static void vm_make(struct machine *m)
{
	uint64_t identity_map = 0xfffbc000;

	m->kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	m->vm = must(ioctl(m->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(m->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map), "KVM_SET_IDENTITY_MAP_ADDR");
	must(ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	must(ioctl(m->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	m->memory = memory_make();
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY,
		.userspace_addr = (uintptr_t)m->memory,
	};
	must(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void cpuid_set(struct machine *m)
{
	enum { MAX = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MAX * sizeof(cpuid->entries[0]));

	if (!cpuid)
		fail("no memory");
	cpuid->nent = MAX;
	must(ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(m->cpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

/* The machine state that multiboot asks for: flat 32-bit protected mode. */
static void cpu_make(struct machine *m, uint32_t entry)
{
	struct kvm_segment code = {
		.limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1};
	struct kvm_segment data = {
		.limit = ~0u, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
	struct kvm_regs regs = {.rip = entry, .rflags = 2, .rax = MULTIBOOT_LOADED, .rbx = INFORMATION};
	struct kvm_sregs sregs;

	m->cpu = must(ioctl(m->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int size = must(ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	m->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, m->cpu, 0);
	if (m->run == MAP_FAILED)
		fail("mmap of the processor");
	cpuid_set(m);
	must(ioctl(m->cpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	must(ioctl(m->cpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(m->cpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static uint8_t *file_read(const char *name, size_t *size)
{
	FILE *file = fopen(name, "rb");
	uint8_t *data = file ? malloc(MEMORY / 2) : NULL;

	if (!data)
		fail("the image cannot be read");
	*size = fread(data, 1, MEMORY / 2, file);
	fclose(file);
	return data;
}

/* Puts the segments of a 32-bit ELF image into the guest's memory; gives its entry. */
static uint32_t image_load(struct machine *m, const char *name)
{
	size_t size;
	const uint8_t *file = file_read(name, &size);
	const Elf32_Ehdr *head = (const void *)file;

	if (size < sizeof(*head) || memcmp(head->e_ident, ELFMAG "\1\1", 6))
		fail("the image is no 32-bit ELF file");
	for (unsigned i = 0; i < head->e_phnum; i++) {
		size_t at = head->e_phoff + i * sizeof(Elf32_Phdr);
		const Elf32_Phdr *p = (const void *)(file + at);
		if (at + sizeof(*p) > size || p->p_offset > size || p->p_filesz > size - p->p_offset)
			fail("the image is cut short");
		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_paddr > MEMORY || p->p_memsz > MEMORY - p->p_paddr || p->p_filesz > p->p_memsz)
			fail("the image does not fit into the guest's memory");
		memcpy(m->memory + p->p_paddr, file + p->p_offset, p->p_filesz);
	}
	return head->e_entry;
}

static void information_make(struct machine *m, char **arguments)
{
	struct information *info = (void *)(m->memory + INFORMATION);
	const uint32_t size = sizeof(info->map[0]) - sizeof(info->map[0].size);

	info->flags = MULTIBOOT_COMMAND_LINE | MULTIBOOT_MEMORY_MAP;
	info->command_line = INFORMATION + offsetof(struct information, arguments);
	info->mmap_addr = INFORMATION + offsetof(struct information, map);
	info->mmap_length = sizeof(info->map);
	info->map[0] = (struct range){size, 0, 640 * 1024, MULTIBOOT_RAM};
	info->map[1] = (struct range){size, MIB, MEMORY - MIB, MULTIBOOT_RAM};
	for (; *arguments; arguments++) {
		size_t used = strlen(info->arguments);
		snprintf(info->arguments + used, sizeof(info->arguments) - used, "%s%s", used ? " " : "",
			 *arguments);
	}
}

static void on_io(struct machine *m)
{
	uint8_t *data = (uint8_t *)m->run + m->run->io.data_offset;
	size_t size = (size_t)m->run->io.size * m->run->io.count;

	if (m->run->io.direction == KVM_EXIT_IO_IN)
		memset(data, m->run->io.port == COM1_STATUS ? COM1_SENT : 0xff, size);
	else if (m->run->io.port == COM1)
		fwrite(data, 1, size, stdout);
	else if (m->run->io.port == BOCHS_SHUTDOWN)
		m->off = *data == "Shutdown"[m->off] ? m->off + 1 : 0;
}

static void run(struct machine *m)
{
	while (m->off < strlen("Shutdown")) {
		must(ioctl(m->cpu, KVM_RUN, 0), "KVM_RUN");
		if (m->run->exit_reason == KVM_EXIT_IO) {
			on_io(m);
		} else if (m->run->exit_reason != KVM_EXIT_INTR) {
			printf("FAIL kvmboot: the guest stopped with KVM's exit reason %u\n",
			       m->run->exit_reason);
			exit(1);
		}
	}
}

static unsigned long long memory_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %llu", &kib) != 1)
		;
	if (!kib)
		fail("/proc/meminfo");
	fclose(file);
	return kib * 1024;
}

int main(int count, char **arguments)
{
	struct machine m = {0};
	const char *total = getenv("bench_memory");

	if (count < 2)
		fail("usage: kvmboot IMAGE [ARGUMENT]...");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (total)
		printf("KVM: figure l0_footprint_bytes %llu\n",
		       strtoull(total, NULL, 10) * MIB - memory_available());
	vm_make(&m);
	cpu_make(&m, image_load(&m, arguments[1]));
	information_make(&m, arguments + 2);
	printf("KVM: figure boot_to_l1 %llu\n", (unsigned long long)__rdtsc());
	run(&m);
	return 0;
}
