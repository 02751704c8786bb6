# The machine tests' own L1 in all forms that can be loaded, and in some that cannot.
TEST := build/test
PROBE_CFLAGS = -m32 -march=i686 -std=gnu11 -O2 -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
	-fcf-protection=none -mgeneral-regs-only $(WARN)
PROBE_FORM =
PROBE_AT = 0x200000
PROBES := probe probe2 probe-flat probe-unknown-flag probe2-unknown-tag probe-on-video probe-on-l0 probe-no-memory

$(TEST)/probe2.elf: PROBE_FORM = -DMULTIBOOT2
$(TEST)/probe-flat.elf: PROBE_FORM = -DFLAGS=0x10003
$(TEST)/probe-unknown-flag.elf: PROBE_FORM = -DFLAGS=0x1003
$(TEST)/probe2-unknown-tag.elf: PROBE_FORM = -DMULTIBOOT2 -DUNKNOWN_TAG
$(TEST)/probe-on-video.elf: PROBE_AT = 0xa0000
$(TEST)/probe-on-l0.elf: PROBE_AT = 0x1f500000
$(TEST)/probe-no-memory.elf: PROBE_AT = 0x70000000
$(PROBES:%=$(TEST)/%.elf): tests/machine/probe_start.S tests/machine/probe.c tests/machine/machine.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(PROBE_CFLAGS) $(PROBE_FORM) -static -nostdlib -no-pie \
		-Wl,--build-id=none,-n,--no-warn-rwx-segments,-e,start,-Ttext=$(PROBE_AT) -o $@ $(filter %.S %.c,$^)
$(TEST)/probe-flat.bin: $(TEST)/probe-flat.elf
	$(Q)$(OBJCOPY) -O binary $< $@
$(TEST)/probe2.elf64: $(TEST)/probe2.elf
	$(Q)$(OBJCOPY) -I elf32-i386 -O elf64-x86-64 $< $@

# Images of which only the beginning is there, and one that is noise.
$(TEST)/cut-probe.elf: $(TEST)/probe.elf
	$(Q)head -c 1500 $< > $@
$(TEST)/cut-probe2.elf: $(TEST)/probe2.elf
	$(Q)head -c 1500 $< > $@
$(TEST)/cut-linux-setup: build/linux/vmlinuz
	@mkdir -p $(@D)
	$(Q)head -c 1100 $< > $@
$(TEST)/cut-linux: build/linux/vmlinuz
	@mkdir -p $(@D)
	$(Q)head -c 2000000 $< > $@
$(TEST)/noise: tests/machine/machine.mk
	@mkdir -p $(@D)
	$(Q)python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(1).randbytes(65536))' > $@
$(TEST)/empty: tests/machine/machine.mk
	@mkdir -p $(@D)
	$(Q)cp /dev/null $@

$(TEST)/memtest86+x64.bin:
	@echo "  GET     memtest86+"
	$(Q)tools/debian-files memtest86+ $(@D) './boot/$(@F)'
