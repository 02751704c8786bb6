# The guest programs: multiboot kernels with 64-bit code, in the ELF32 form that multiboot asks for.
GUEST_CFLAGS = $(FREESTANDING) $(WARN) -mgeneral-regs-only
GUEST_LIB_SRC = $(wildcard guest/lib/*.c guest/lib/*.S) vmx/fields.c vmx/exits.c vmx/controls.c
GUEST_PROGRAMS = apic bench demo ept events fuzz hostile rules task
# A folder each. What guest/bench has for a host is not part of the program.
guest_src = $(filter-out guest/bench/kvm%,$(wildcard guest/$(1)/*.c guest/$(1)/*.S))

guest_obj = $(patsubst %,$(B)/guest/obj/%.o,$(basename $(1)))

.PHONY: guest
guest: $(GUEST_PROGRAMS:%=$(B)/guest/%.elf) ## build our own L1 programs

$(B)/guest/obj/%.o: %.c Makefile guest/guest.mk
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/guest/obj/%.o: %.S Makefile guest/guest.mk
	@mkdir -p $(@D)
	@echo "  AS      $<"
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

define GUEST_PROGRAM
$(B)/guest/obj/$(1).elf64: $(call guest_obj,$(GUEST_LIB_SRC) $(call guest_src,$(1))) guest/lib/guest.ld
	@echo "  LD      $(B)/guest/$(1).elf"
	$(Q)$(CC) -nostdlib -static -Wl,--build-id=none,-z,noexecstack,-z,max-page-size=4096,--no-warn-rwx-segments \
		-Wl,-T,guest/lib/guest.ld -o $$@ $$(filter %.o,$$^)
-include $$(patsubst %.o,%.d,$(call guest_obj,$(call guest_src,$(1))))
endef
$(foreach p,$(GUEST_PROGRAMS),$(eval $(call GUEST_PROGRAM,$(p))))
-include $(patsubst %.o,%.d,$(call guest_obj,$(GUEST_LIB_SRC)))

$(B)/guest/%.elf: $(B)/guest/obj/%.elf64
	$(Q)$(OBJCOPY) -O elf32-i386 --strip-debug $< $@
