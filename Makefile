# Nestling. `make help` lists the targets and the variables.
CROSS_COMPILE ?=
CC = $(CROSS_COMPILE)gcc
OBJCOPY = $(CROSS_COMPILE)objcopy
NM = $(CROSS_COMPILE)nm
HOSTCC ?= cc
B ?= build
V ?=
Q := $(if $(V),,@)

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Werror
FREESTANDING = -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -fno-stack-protector -mno-red-zone \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none -I.
L0_CFLAGS = $(FREESTANDING) $(WARN) -mcmodel=kernel -mgeneral-regs-only -fno-omit-frame-pointer \
	-fno-jump-tables $(L0_DEFINES)
# L0 is compiled as a whole when it is linked, if the compiler can (one made with --disable-lto cannot).
L0_LTO := $(shell echo | $(CC) -flto=auto -x c -c -o /dev/null - 2>/dev/null && echo -flto=auto -fno-fat-lto-objects)
L0_LDFLAGS = -nostdlib -static -no-pie -Wl,--build-id=none,-z,noexecstack,-z,max-page-size=4096 \
	-Wl,--no-warn-rwx-segments,-T,$(B)/linker.ld
L0_SRC = $(wildcard boot/*.c boot/*.S vmx/*.c vmx/*.S vmm/*.c vmm/*.S nested/*.c)
L0_OBJ = $(patsubst %,$(B)/%.o,$(basename $(L0_SRC)))

.PHONY: all help clean
all: $(B)/nestling.elf guest ## build Nestling and the guests (default)

# Linked twice: the symbol table that a backtrace reads is made from the first link, and lies behind
# everything else, so that no address moves. Compiled as a whole when linked: what is small, or called once,
# is where it is needed.
$(B)/nestling.elf: $(B)/l0.pass1 $(B)/symbols.o
	@echo "  LD      $@"
	$(Q)$(CC) $(L0_CFLAGS) $(L0_LTO) $(L0_LDFLAGS) -o $@ $(L0_OBJ) $(B)/symbols.o

$(B)/l0.pass1: $(L0_OBJ) $(B)/linker.ld
	@echo "  LTO     $@"
	$(Q)$(CC) $(L0_CFLAGS) $(L0_LTO) $(L0_LDFLAGS) -o $@ $(L0_OBJ)

$(B)/linker.ld: linker.ld vmm/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -I. -o $@ $<

$(B)/symbols.o: $(B)/l0.pass1 tools/symbols.awk
	$(Q)$(NM) -n $< | awk -f tools/symbols.awk > $(B)/symbols.S
	$(Q)$(CC) -c -o $@ $(B)/symbols.S

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(L0_CFLAGS) $(L0_LTO) -MMD -MP -c -o $@ $<

# The compiler itself calls these when all else has been compiled.
$(B)/vmm/lib.o: L0_LTO =

$(B)/%.o: %.S Makefile
	@mkdir -p $(@D)
	@echo "  AS      $<"
	$(Q)$(CC) $(L0_CFLAGS) -MMD -MP -c -o $@ $<

-include guest/guest.mk
-include tests/tests.mk
-include tools/run.mk
-include $(L0_OBJ:.o=.d)

help: ## this text
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@sed -n 's/^#= //p' $(MAKEFILE_LIST)

clean: ## remove what was built
	rm -rf $(B)
