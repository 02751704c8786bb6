# Running and testing. The variables below go on to tools/run, which explains all of them.
#= L1=FILE L1_ARGS="..." L1_MODULES="FILE args;FILE args"   what to run (build/guest/demo.elf)
#= L0=nestling|none   MACHINE=auto|bochs|kvm|tcg   MODEL=NAME   MEM=MiB   CPUS=N   FIRMWARE=bios|uefi
#= TIMEOUT=SECONDS   LOG=FILE   TRACE=events   and more: see tools/run help
#= diff-fuzz: N=ENTRIES   SEED=S   START=I   SHOW=DIFFERENCES   and MODEL, LOG, TIMEOUT

RUN_VARS := L1 L1_ARGS L1_MODULES L1_PROTOCOL L0 L0_ARGS NESTLING MACHINE MODEL FIRMWARE MEM CPUS \
            TIMEOUT LOG TRACE
run_quote = '$1=$(subst ','\'',$(value $1))'
run_given = $(foreach v,$(1),$(if $(filter-out undefined default,$(origin $v)),$(call run_quote,$v)))
run_args  = $(call run_given,$(RUN_VARS))
# What is being built does not belong on standard output, which is L1's.
run_build = +@$(MAKE) -s --no-print-directory build/nestling.elf build/guest/demo.elf \
            $(filter build/guest/%.elf,$(L1)) >&2

include guest/linux/linux.mk guest/bench/bench.mk tests/machine/machine.mk

.PHONY: run run-linux iso diff-fuzz test FORCE

run: ## Run L1 (build/guest/demo.elf) under Nestling; L0=none runs it on the bare machine
	@tools/deps build run
	$(run_build)
	@tools/run $(run_args)

run-linux: ## Run Debian's kernel as L1, and a guest of its KVM as L2
	@tools/deps build run linux
	$(run_build)
	@tools/run-linux $(run_args)

iso: ## Make build/nestling.iso: boots Nestling and the demo from BIOS or UEFI, CD or USB
	@tools/deps build run
	$(run_build)
	@tools/run $(run_args) ISO=build/nestling.iso
	@echo build/nestling.iso

diff-fuzz: ## Enter VMCSs changed at random, bare and under Nestling, and compare; N= SEED= MODEL=
	@tools/deps build run
	+@$(MAKE) -s --no-print-directory build/nestling.elf build/guest/fuzz.elf >&2
	@tools/diff-fuzz $(call run_given,N SEED START SHOW MODEL LOG NESTLING TIMEOUT)

test: ## Run all tests, on the host and on the machine; FILTER= selects machine tests
	@tools/deps test
	+@$(MAKE) --no-print-directory all >&2
	+@tools/total "$(MAKE) --no-print-directory host-test" "$(MAKE) --no-print-directory fuzz-host" "tests/machine/run $(FILTER)"

# Install the packages of a group, or say how; see tools/deps.
deps-%: FORCE
	@tools/deps $*
