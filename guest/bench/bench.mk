# Benchmarks. What L0 executes is counted in an image of its own, so that counting costs no instruction.
#= PEER=kvm|none JOBS=N   for bench: the hypervisor to compare with, machines at a time
BENCH := build/bench
BENCH_VARS := MODEL MEM TIMEOUT JOBS PEER PEER_ARGS
bench_args = $(foreach v,$(BENCH_VARS),$(if $(filter-out undefined default,$(origin $v)),$(call run_quote,$v)))
bench_peer = $(if $(filter none,$(PEER)),,$(BENCH)/initrd)
bench_make = +@$(MAKE) -s --no-print-directory

.PHONY: bench bench-scale

bench: ## Count instructions on the bare machine, under Nestling and under KVM
	@tools/deps build run $(if $(bench_peer),linux)
	$(bench_make) build/nestling.elf build/guest/bench.elf $(bench_peer) >&2
	$(bench_make) B=build/bench-l0 L0_DEFINES=-DNESTLING_COUNTERS build/bench-l0/nestling.elf >&2
	@tools/bench $(bench_args)

bench-scale: ## The same figures against the size of things
	@tools/deps build run
	$(bench_make) build/nestling.elf build/guest/bench.elf >&2
	@tools/bench scale $(bench_args)

# The peer: Debian's kernel, its KVM, and a program that starts the same image as its guest.
$(BENCH)/kvmboot: guest/bench/kvmboot.c
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(LINUX_CFLAGS) -static -s -o $@ $<

$(BENCH)/initrd: $(LINUX)/vmlinuz $(BENCH)/kvmboot build/guest/bench.elf guest/bench/init tools/initrd
	$(Q)tools/initrd $@ dev/ proc/ bin/ init=guest/bench/init bin/busybox=/bin/busybox \
		bin/kvmboot=$(BENCH)/kvmboot bench.elf=build/guest/bench.elf \
		$(foreach m,$(LINUX_MODULES),$m=$(LINUX)/$m)
