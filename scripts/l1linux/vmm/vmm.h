/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm: a small virtual machine monitor over /dev/kvm that boots Linux.
 * main.c reads the arguments; vm.c owns the VM, its memory and its CPUs; bzimage.c and acpi.c
 * fill the memory; devices.c answers port accesses; stats.c says what the guest cost.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define MOST_CPUS  4u
#define UART_PORT  0x3f8u
#define UART_IRQ   4u
#define EXIT_PORT  0xf4u  /* a byte written here ends the guest; 0 says it is content */
#define PM_PORTS   0x600u /* ACPI's fixed event and control registers */
#define PM_PORTS_N 6u
#define ACPI_SCI   9u
#define ACPI_RSDP  0xe0000u /* the tables follow it */
#define ZERO_PAGE  0x7000u
#define CMDLINE	   0x20000u

/** A virtual CPU. */
struct vcpu {
	int fd, stats; /* an ioctl on @fd waits until KVM_RUN returns, so @stats is opened first */
	u32 id;
	struct kvm_run *run;
};

/** The virtual machine. */
struct vm {
	int kvm, fd;
	u8 *memory;
	u64 size;
	u32 cpus;
	struct vcpu vcpu[MOST_CPUS];
};

/** Prints the message and errno's text, and exits with status 2. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** ioctl that never fails: it ends the program. */
int must_ioctl(int fd, unsigned long request, const void *argument, const char *name);

/** Makes the VM with its memory, in-kernel interrupt controllers, timer, and @cpus CPUs. */
void vm_create(struct vm *vm, u32 cpus, u64 size);

/** Starts CPU 0 in 64-bit mode at @entry with RSI = ZERO_PAGE, the others waiting for SIPI. */
void vm_start_at(struct vm *vm, u64 entry);

/** Runs every CPU on a thread of its own until the guest ends; returns the guest's status. */
int vm_run(struct vm *vm);

/** Loads a bzImage, its initrd and command line by the 64-bit boot protocol; returns the entry. */
u64 bzimage_load(struct vm *vm, const char *kernel, const char *initrd, const char *cmdline);

/** Writes RSDP, XSDT, FADT, MADT and an empty DSDT at ACPI_RSDP. */
void acpi_write(struct vm *vm);

/** Answers one port access; returns true when the guest asked to end, with its @status. */
bool device_access(struct vm *vm, struct kvm_run *run, int *status);

/** Prints what is left of an unfinished line. */
void device_flush(void);

/** Prints KVM's counters of the VM and its CPUs that are not 0. */
void stats_print(const struct vm *vm);
