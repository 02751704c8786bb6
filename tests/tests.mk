# What needs no VT-x: host tests of the pure parts, with sanitizers, and static checks.

# Everything that builds on a host; a privileged instruction in it fails to link, or to assemble.
PURE_SRC = $(wildcard nested/*.c vmm/*_pure.c vmm/load*.c) $(addprefix vmm/,mtrr.c option.c lapic.c decode.c) \
	$(addprefix vmx/,fields.c controls.c exits.c caps.c)
HOST_TEST_SRC = $(wildcard tests/host/*.c) $(VMCS_CHECK_SRC)
VMCS_CHECK_SRC = $(addprefix tools/vmcs-check/,dump.c caps_text.c judge.c)
HOST_CFLAGS = -std=gnu11 -O1 -g -fno-strict-aliasing -fno-omit-frame-pointer -I. -Itests/host $(WARN) \
	-fsanitize=address,undefined -fno-sanitize-recover=all

# With clang too where it is there with its sanitizers.
HOST_COMPILERS := $(HOSTCC) $(filter-out $(HOSTCC),$(if $(wildcard \
	$(shell clang -print-runtime-dir 2>/dev/null)/libclang_rt.asan-x86_64.a),clang))
host_obj = $(patsubst %.c,$(B)/host/$(1)/%.o,$(PURE_SRC) $(HOST_TEST_SRC))

.PHONY: host-test host-sources mutate check check-format check-layering check-compile check-static format
host-test: $(HOST_COMPILERS:%=$(B)/host/%/host-test) ## unit tests of the pure parts (T=part of a name)
	$(Q)tools/total $(patsubst %,"%$(if $(T), $(T))",$^)

host-sources:
	@printf '%s\n' $(PURE_SRC) $(HOST_TEST_SRC)

# Event and exit code: what L1 is told, and what it must not be told.
mutate: FILES ?= $(wildcard $(addprefix nested/,exit.c event.c owner.c merge.c))
mutate: ## change every line of the exit and event code; a test must fail (FILES="nested/exit.c ...")
	$(Q)tools/deps build check
	$(Q)tools/mutate $(FILES)

# Programs for the developer's own machine, from the same C code.
HOST_TOOL_SRC = $(wildcard nested/check*.c) nested/rules.c $(addprefix vmx/,fields.c controls.c caps.c)
HOST_TOOL_CFLAGS = -std=gnu11 -O2 -g -fno-strict-aliasing -I. $(WARN)

$(B)/rules: tools/rules.c $(HOST_TOOL_SRC) tests/machine/refused.def $(wildcard nested/*.h nested/*.def vmx/*.h vmx/*.def)
	@mkdir -p $(@D)
	@echo "  HOSTLD  $@" >&2
	$(Q)$(HOSTCC) $(HOST_TOOL_CFLAGS) -o $@ $(filter %.c,$^)

VMCS_CHECK_HEADERS = $(wildcard tools/vmcs-check/*.h tools/vmcs-check/*.def)

$(B)/vmcs-check: tools/vmcs-check/main.c $(VMCS_CHECK_SRC) $(HOST_TOOL_SRC) $(VMCS_CHECK_HEADERS) \
		$(wildcard nested/*.h nested/*.def vmx/*.h vmx/*.def)
	@mkdir -p $(@D)
	@echo "  HOSTLD  $@" >&2
	$(Q)$(HOSTCC) $(HOST_TOOL_CFLAGS) -o $@ $(filter %.c,$^)

.PHONY: vmcs-check
vmcs-check: $(B)/vmcs-check ## which rules does a VMCS dump break? see docs/vmcs-check.md

# clang's libFuzzer over its readers, for a few seconds, and its command line.
$(B)/fuzz/vmcs-check: tests/fuzz/vmcs_check.c $(VMCS_CHECK_SRC) $(HOST_TOOL_SRC) $(VMCS_CHECK_HEADERS) \
		$(wildcard nested/*.h nested/*.def vmx/*.h vmx/*.def)
	@mkdir -p $(@D)
	@echo "  FUZZLD  $@" >&2
	$(Q)clang -std=gnu11 -O1 -g -fno-strict-aliasing -I. $(WARN) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $(filter %.c,$^)

.PHONY: fuzz-host
fuzz-host: $(B)/vmcs-check $(B)/fuzz/vmcs-check ## vmcs-check's command line, and fuzzing of its readers (SECONDS=10)
	@B=$(B) SECONDS_EACH=$(or $(SECONDS),10) tests/fuzz/run

.PHONY: rules docs check-docs
rules: $(B)/rules ## the table of VM entry's rules: who decides each, and its test
	@$(B)/rules

docs: $(B)/rules ## generate docs/rules.md
	$(Q)$(B)/rules --markdown > docs/rules.md

check-docs: $(B)/rules
	@echo "  DOCS"
	$(Q)$(B)/rules --markdown | cmp -s - docs/rules.md || { echo "docs/rules.md is not current, see make docs"; exit 1; }

define HOST_COMPILER
$(B)/host/$(1)/%.o: %.c Makefile tests/tests.mk
	@mkdir -p $$(@D)
	@echo "  HOSTCC  $$< ($(1))"
	$$(Q)$(1) $$(HOST_CFLAGS) -MMD -MP -c -o $$@ $$<
$(B)/host/$(1)/host-test: $(call host_obj,$(1))
	@echo "  HOSTLD  $$@"
	$$(Q)$(1) $$(HOST_CFLAGS) -o $$@ $$^
-include $(patsubst %.o,%.d,$(call host_obj,$(1)))
endef
$(foreach c,$(HOST_COMPILERS),$(eval $(call HOST_COMPILER,$(c))))

C_FILES = $(wildcard $(foreach d,boot vmx vmm nested guest/* tests/host tests/fuzz tools tools/vmcs-check,$(d)/*.c $(d)/*.h))
L0_C = $(filter %.c,$(L0_SRC))
L0_HEADERS = $(filter %.h,$(C_FILES)) $(wildcard vmx/*.def nested/*.def vmm/*.def)

check: ## format, layering, two compilers, static analysis, host tests
	$(Q)tools/deps build check
	$(Q)$(MAKE) --no-print-directory -k -j$(or $(JOBS),2) check-format check-layering check-docs check-compile check-static \
		$(HOST_COMPILERS:%=$(B)/host/%/host-test)
	$(Q)$(MAKE) --no-print-directory host-test

check-format:
	@echo "  FORMAT"
	$(Q)printf '%s\n' $(C_FILES) | xargs -P2 -I{} sh -c \
		'clang-format --dry-run -Werror {} 2>/dev/null || { echo "{}: not in format, see make format"; exit 1; }'

format: ## bring the C files into the house's format
	$(Q)clang-format -i $(C_FILES)

check-layering:
	@echo "  LAYERS"
	$(Q)tools/check-layering

# A file is looked at again when it or any header has changed.
check-compile: $(L0_C:%=$(B)/check/%.clang)
check-static: $(L0_C:%=$(B)/check/%.tidy) $(B)/check/cppcheck

$(B)/check/%.clang: % $(L0_HEADERS) Makefile tests/tests.mk
	@mkdir -p $(@D)
	@echo "  CLANG   $<"
	$(Q)$(CC) $(L0_CFLAGS) -fsyntax-only $<
	$(Q)clang $(L0_CFLAGS) -fsyntax-only $<
	@touch $@

$(B)/check/%.tidy: % $(L0_HEADERS) .clang-tidy tests/tests.mk
	@mkdir -p $(@D)
	@echo "  TIDY    $<"
	$(Q)clang-tidy --quiet $< -- $(L0_CFLAGS) >$@.log 2>&1 || { grep 'error:' $@.log; echo "see $@.log"; exit 1; }
	@touch $@

$(B)/check/cppcheck: $(L0_C) $(L0_HEADERS) tests/tests.mk
	@mkdir -p $(@D)
	@echo "  CPPCHECK"
	$(Q)cppcheck --quiet --std=c11 --platform=unix64 --enable=warning,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=comparePointers --error-exitcode=1 -I. $(L0_C)
	@touch $@
