# The Linux job: Debian's kernel, a program that runs a guest with its KVM, and that guest.
LINUX := build/linux
LINUX_MODULES := irqbypass.ko kvm.ko kvm-intel.ko
LINUX_CFLAGS = -std=gnu11 -O2 $(WARN)

$(LINUX)/vmlinuz:
	@echo "  GET     linux-image-amd64"
	$(Q)rm -rf $(LINUX)/package
	$(Q)tools/debian-files linux-image-amd64 $(LINUX)/package './boot/vmlinuz-*' $(LINUX_MODULES:%='*/%')
	$(Q)mv $(LINUX)/package/*.ko $(LINUX) && mv $(LINUX)/package/vmlinuz-* $@ && rmdir $(LINUX)/package

$(LINUX)/l2.bin: $(addprefix guest/linux/,l2_start.S l2.c l2_pressure.c l2.h l2.ld crc32.h layout.h)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(LINUX_CFLAGS) -ffreestanding -fno-pic -fno-pie -fno-stack-protector -mno-red-zone \
		-mgeneral-regs-only -fcf-protection=none -static -nostdlib -no-pie \
		-Wl,--build-id=none,-n,--no-warn-rwx-segments,-T,guest/linux/l2.ld -o $(@:.bin=.elf) \
		guest/linux/l2_start.S guest/linux/l2.c guest/linux/l2_pressure.c
	$(Q)$(OBJCOPY) -O binary $(@:.bin=.elf) $@

$(LINUX)/kvmrun: $(LINUX)/l2.bin $(addprefix guest/linux/,kvmrun.c l2_image.S crc32.h layout.h)
	$(Q)$(HOSTCC) $(LINUX_CFLAGS) -pthread -static -s -Wa,-I,$(LINUX) -o $@ guest/linux/kvmrun.c guest/linux/l2_image.S

$(LINUX)/initrd: $(LINUX)/vmlinuz $(LINUX)/kvmrun guest/linux/init tools/initrd
	$(Q)tools/initrd $@ dev/ proc/ sys/ bin/ init=guest/linux/init bin/busybox=/bin/busybox \
		bin/kvmrun=$(LINUX)/kvmrun $(foreach m,$(LINUX_MODULES),$m=$(LINUX)/$m)
