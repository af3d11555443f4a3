/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm: a small virtual machine monitor over /dev/kvm that boots Linux, and runs small guests
 * that look at one thing each.
 * main.c reads the arguments; vm.c owns the VM, its memory and its CPUs; modes.c puts a CPU into
 * 16-, 32- or 64-bit mode.  For Linux: bzimage.c and acpi.c fill the memory; devices.c answers
 * port accesses; stats.c says what the guest cost.  Small guests: guests.S has their programs,
 * guests.c runs them, churn.c takes a memory slot away while a guest uses it.
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
#define IDT	   0x6000u /* of small guests in 32- and 64-bit mode */

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
	/* Answer one access; a port access returns true when the guest asked to end. */
	bool (*on_port)(struct vm *vm, struct kvm_run *run, int *status);
	void (*on_mmio)(struct kvm_run *run);
};

/** Prints the message and errno's text, and exits with status 2. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** ioctl that never fails: it ends the program. */
int must_ioctl(int fd, unsigned long request, const void *argument, const char *name);

/** Makes the VM with its memory, in-kernel interrupt controllers, timer, and @cpus CPUs. */
void vm_create(struct vm *vm, u32 cpus, u64 size);

/** Puts @memory at the guest-physical address @at; NULL takes away what is in @slot. */
void vm_set_slot(struct vm *vm, u32 slot, u64 at, void *memory, u64 size);

/**
 * CPU @id starts with @regs in the mode of so many @bits, flat, with the first 4 GiB mapped one to
 * one unless it is real mode; FS has the base @fs_base.  Other CPUs but 0 wait for a SIPI.
 */
void vm_start(struct vm *vm, u32 id, u32 bits, const struct kvm_regs *regs, u64 fs_base);

/** Runs every CPU on a thread of its own until the guest ends; returns the guest's status. */
int vm_run(struct vm *vm);

/** Loads a bzImage, its initrd and command line by the 64-bit boot protocol; returns the entry. */
u64 bzimage_load(struct vm *vm, const char *kernel, const char *initrd, const char *cmdline);

/** Writes RSDP, XSDT, FADT, MADT and an empty DSDT at ACPI_RSDP. */
void acpi_write(struct vm *vm);

/** vm.on_port for Linux: ends with the @status that the guest writes to EXIT_PORT. */
bool device_access(struct vm *vm, struct kvm_run *run, int *status);

/** vm.on_mmio for Linux: memory that is not there reads as ones, as on a PC. */
void device_mmio(struct kvm_run *run);

/** Prints what is left of an unfinished line. */
void device_flush(void);

/** Prints KVM's counters of the VM and its CPUs that are not 0. */
void stats_print(const struct vm *vm);

/** Says whether @good, as a line that the runner reads; returns it. */
bool check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** A VM of a few hundred KiB with this program at GUEST_ENTRY. */
void guest_create(struct vm *vm, u32 cpus, const char *program, const char *end);

/** Starts CPU @id of such a VM, in the mode of so many @bits, with @id in RDI. */
void guest_start(struct vm *vm, u32 id, u32 bits);

/** Runs all small guests; returns the exit status. */
int guests_run(void);

/** Two guests, each with a memory slot that comes and goes; return whether all was well. */
bool churn_measure(void);
bool churn_watch(void);
