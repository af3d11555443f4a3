# SPDX-License-Identifier: BSD-2-Clause
# xmhf-nest: one Makefile, no configure step.  `make help` lists the targets.

HYPAPP  ?= none
BUILD   := build
CC      ?= gcc
CLANG   ?= clang
Q       := @
MAKEFLAGS += --no-builtin-rules
ifneq ($(BUILD),build/count)
COUNTING := build/count/none/xmhf.elf
endif

WARN    := -Wall -Wextra -Wshadow -Wundef -Wmissing-prototypes -Wstrict-prototypes -Wtype-limits -Werror
TARGET_FLAGS := -std=gnu11 -ffreestanding -mgeneral-regs-only -mcmodel=kernel -mno-red-zone \
	-fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -O3 -flto -flto-partition=one -g -I. \
	$(WARN) $(CONFIG)
LDFLAGS_IMAGE := -O3 -flto -flto-partition=one -mgeneral-regs-only -mcmodel=kernel -mno-red-zone -fno-pic -fcf-protection=none -g \
	-nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments

.PHONY: demo check-clients all run test help clean setup setup-test check check-style check-coverage check-mutants proofs \
	check-fuzz check-scripts check-emu check-emu-all bench lhv-native lhv-l0 lhv-matrix check-bisect hostile
.DELETE_ON_ERROR:

all: $(BUILD)/none/xmhf.elf $(BUILD)/trace/xmhf.elf $(BUILD)/exitlog/xmhf.elf $(BUILD)/guard/xmhf.elf $(BUILD)/crash/xmhf.elf

help:
	@echo 'make run            set up what is missing, build, and boot GRUB -> xmhf -> Debian Linux in Bochs'
	@echo 'make demo           GRUB -> xmhf -> Debian Linux -> KVM -> Debian Linux, live, half a minute'
	@echo 'make test           set up what is missing, and run all tests; the sum is the last line'
	@echo
	@echo 'make all            the hypervisor, with each hypapp: build/*/xmhf.elf'
	@echo 'make HYPAPP=name build/name/xmhf.elf   with another hypapp'
	@echo 'make check-style    format, layers, places of assembly, headers alone'
	@echo 'make check          host tests under sanitizers, with gcc and clang'
	@echo 'make check-coverage lines and branches of nested/ that host tests run, against a floor'
	@echo 'make proofs         z3 on the pure rules of nested/, for every input (nested/test/prove_*.c)'
	@echo 'make check-mutants  planted mistakes in nested/, each of which a test or proof must find'
	@echo 'make check-fuzz     fuzzers, FUZZ_SECONDS ($(FUZZ_SECONDS)) each'
	@echo 'make check-scripts  tests of the scripts'
	@echo 'make check-emu      boots in the emulators; check-emu-all: every model and size'
	@echo 'make lhv-native     cases of our own L1 in the emulator; lhv-l0: those and the same on xmhf'
	@echo 'make lhv-matrix     the same with 4 CPUs, with VMX features hidden, on older processors'
	@echo 'make check-bisect   which VMX capability bits each persona of lhv needs, found by hiding them'
	@echo 'make hostile        HOSTILE_OPS ($(HOSTILE_OPS)) random VMX operations of an L1 that attacks the hypervisor'
	@echo 'make check-clients  real hypervisors as L1, natively and on xmhf, all of docs/clients.md; half an hour'
	@echo 'make bench          ticks of boot, of intercepted instructions and of nested VMX, against golden values'
	@echo 'make clean          removes build/'

clean:
	rm -rf $(BUILD)

setup:
	$(Q)scripts/setup run

setup-test:
	$(Q)scripts/setup test

JOBS := $(shell nproc 2>/dev/null || echo 2)

# Building is a second make, so that it does not begin before the compiler is installed.
run: setup
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/trace/xmhf.elf
	$(Q)scripts/lab boot --xmhf $(BUILD)/trace/xmhf.elf --cpus 2 --timeout 280 \
		--expect 'L1 starts with drive 0x81' --expect '2 CPUs online' \
		--expect 'PROBE memmap .*\(hypervisor\)' --expect 'reads as ones after a write' \
		--expect 'PROBE exits total 101 cpuid'

test: setup-test
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(COUNTING)
	$(Q)scripts/run-tests

FUZZ_SECONDS ?= 30
HOSTILE_OPS ?= 10000000

check-style:
	$(Q)scripts/check-style

check:
	$(Q)scripts/check-host

check-coverage:
	$(Q)scripts/check-host --coverage

# Minutes each: not tiers of `make test`.
proofs:
	$(Q)scripts/prove

check-mutants:
	$(Q)scripts/check-mutants

check-fuzz:
	$(Q)scripts/check-host --fuzz $(FUZZ_SECONDS)

check-scripts:
	$(Q)python3 -m unittest discover -v -s scripts/test
	$(Q)scripts/test/html_in_chromium.py --install

check-emu: all
	$(Q)scripts/check-emu

check-emu-all: all
	$(Q)scripts/check-emu --all

# Nothing but the hypervisor is built: the scripts build what their guests need.
demo: setup
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/trace/xmhf.elf
	$(Q)scripts/clients demo

check-clients: setup
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/trace/xmhf.elf $(BUILD)/lhv/lhv64.elf
	$(Q)scripts/clients run --all

lhv-native: all
	$(Q)scripts/check-lhv --native

lhv-l0: all
	$(Q)scripts/check-lhv

# Four fifths of the operations on one CPU, the rest on two, where Bochs is slower.
hostile: all
	$(Q)scripts/hostile --seeds 1-8 --ops $$(($(HOSTILE_OPS) * 8 / 10))
	$(Q)scripts/hostile --seeds 101-102 --ops $$(($(HOSTILE_OPS) * 2 / 10)) --cpus 2

lhv-matrix: all
	$(Q)scripts/check-lhv --matrix

check-bisect: all
	$(Q)scripts/bisect-personas --check --fresh

bench: all $(COUNTING)
	$(Q)scripts/bench
	$(Q)scripts/lhv-bench

# The hypervisor that counts its own exits and VMX instructions, for bench.
$(COUNTING): all
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/count CONFIG='$(CONFIG) -DCONFIG_COUNT_VMX_INSTRUCTIONS=1' $@

# --- The hypervisor: one image for each hypapp ---

CORE_C := $(filter-out xmhf/test/% nested/test/%,$(wildcard xmhf/*/*.c nested/*.c nested/*/*.c))
CORE_S := $(filter-out xmhf/boot/multiboot.S,$(wildcard xmhf/*/*.S))

# NAME_FLAGS of a hypapp, for all of its image
include $(wildcard hypapps/*/flags.mk)

# $(1): hypapp
define HYPERVISOR
$(1)_OBJS := $$(patsubst %,$(BUILD)/$(1)/%.o,$(CORE_C) $(CORE_S) $$(wildcard hypapps/$(1)/*.c))

$(BUILD)/$(1)/%.c.o: %.c
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(TARGET_FLAGS) $$($(1)_FLAGS) -MMD -MP -c $$< -o $$@

$(BUILD)/$(1)/%.S.o: %.S
	@mkdir -p $$(@D)
	$(Q)$$(CC) -I. -MMD -MP -c $$< -o $$@

$(BUILD)/$(1)/xmhf64.elf: $$($(1)_OBJS) xmhf/boot/image.lds
	$(Q)$$(CC) $(LDFLAGS_IMAGE) -Wl,-T,xmhf/boot/image.lds -o $$@ $$($(1)_OBJS)

$(BUILD)/$(1)/xmhf.bin: $(BUILD)/$(1)/xmhf64.elf
	$(Q)objcopy -O binary --set-section-flags .bss=alloc,load,contents $$< $$@

$(BUILD)/$(1)/multiboot.o: xmhf/boot/multiboot.S $(BUILD)/$(1)/xmhf.bin
	$(Q)$$(CC) -m32 -DIMAGE='"$(BUILD)/$(1)/xmhf.bin"' -c $$< -o $$@

$(BUILD)/$(1)/xmhf.elf: $(BUILD)/$(1)/multiboot.o xmhf/boot/multiboot.lds
	$(Q)ld -m elf_i386 -nostdlib --build-id=none --no-warn-rwx-segments -T xmhf/boot/multiboot.lds -o $$@ $$<
	@echo "built $$@"

-include $$($(1)_OBJS:.o=.d)
endef
$(foreach h,$(sort none trace exitlog guard crash $(HYPAPP)),$(eval $(call HYPERVISOR,$(h))))

# --- lhv: the test guest, a 64-bit and a 32-bit build of the same sources ---

LHV_SRCS := $(filter-out lhv/test/%,$(wildcard lhv/*/*.c lhv/*/*.S)) xmhf/lib/string.c xmhf/lib/format.c xmhf/x86/vmcs.c
LHV_FLAGS := -std=gnu11 -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic -fno-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -O2 -g -I. $(WARN)

# $(1): width in bits, $(2): linker emulation, $(3): flags of this width
define LHV
LHV$(1)_OBJS := $$(patsubst %,$(BUILD)/lhv/$(1)/%.o,$(LHV_SRCS))

$(BUILD)/lhv/$(1)/%.c.o: %.c
	@mkdir -p $$(@D)
	$(Q)$$(CC) $(LHV_FLAGS) $(3) -MMD -MP -c $$< -o $$@

$(BUILD)/lhv/$(1)/%.S.o: %.S
	@mkdir -p $$(@D)
	$(Q)$$(CC) -I. $(3) -MMD -MP -c $$< -o $$@

$(BUILD)/lhv/lhv$(1).debug: $$(LHV$(1)_OBJS) lhv/lhv.lds
	$(Q)ld -m $(2) -nostdlib -static --build-id=none -z max-page-size=4096 -z noexecstack \
		-T lhv/lhv.lds -o $$@ $$(LHV$(1)_OBJS)

$(BUILD)/lhv/lhv$(1).elf: $(BUILD)/lhv/lhv$(1).debug
	$(Q)objcopy -O elf32-i386 --strip-debug $$< $$@
	@echo "built $$@"

-include $$(LHV$(1)_OBJS:.o=.d)
endef
$(eval $(call LHV,64,elf_x86_64,-m64))
$(eval $(call LHV,32,elf_i386,-m32 -march=i686))

all: $(BUILD)/lhv/lhv64.elf $(BUILD)/lhv/lhv32.elf
