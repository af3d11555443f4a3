/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1 as a hypervisor: loads Debian's kvm-intel and runs l2.S on every CPU, in real mode and
 * in 64-bit mode.  Checks I/O, CPUID, MMIO, interrupt injection, and memory through EPT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "l1probe.h"
#include "l2.h"

#define MOST_EXITS    1000
#define LARGE_PAGE    0x200000ull
#define PTE_PRESENT   0x3ull
#define PDE_LARGE     0x80ull
#define CR0_LONG_MODE 0x80000031ull
#define CR4_PAE	      0x20ull
#define EFER_LMA_LME  0x500ull
#define CODE_TYPE     11
#define DATA_TYPE     3

extern const char l2_real_mode[], l2_real_mode_end[], l2_long_mode[], l2_long_mode_end[];

/** One L2 with one virtual CPU. */
struct l2 {
	int vm, vcpu;
	unsigned char *memory;
	u64 size;
	struct kvm_run *run;
	u64 run_size;
};

/** What L2 was seen to do. */
struct seen {
	u32 word, cpuid, sum;
	u64 mmio_address;
	unsigned char mmio_byte;
	unsigned int handler_runs;
	bool halted;
	u32 last_exit;
};

static bool load_module(const char *name, const char *parameters)
{
	char path[64];
	int file;
	long status;

	snprintf(path, sizeof(path), "/lib/modules/%s.ko", name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	status = syscall(SYS_finit_module, file, parameters, 0);
	if (status != 0)
		printf("PROBE %s: %s\n", name, strerror(errno));
	close(file);
	return status == 0;
}

static bool create_vcpu(int kvm, struct l2 *l2)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	l2->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (l2->vm < 0 || size < (int)sizeof(*l2->run))
		return false;
	ioctl(l2->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	l2->vcpu = ioctl(l2->vm, KVM_CREATE_VCPU, 0);
	if (l2->vcpu < 0)
		return false;
	l2->run_size = (u64)size;
	l2->run = mmap(NULL, l2->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, l2->vcpu, 0);
	return l2->run != MAP_FAILED;
}

static bool give_memory(struct l2 *l2, u64 size, const char *code, const char *end)
{
	struct kvm_userspace_memory_region region = { .memory_size = size };

	l2->size = size;
	l2->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (l2->memory == MAP_FAILED)
		return false;
	memcpy(l2->memory + L2_ENTRY, code, (size_t)(end - code));
	region.userspace_addr = (u64)l2->memory;
	return ioctl(l2->vm, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

static bool set_cpuid(const struct l2 *l2)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[2];
	} table = { .head.nent = 2 };

	table.entries[0].function = 0;
	table.entries[0].eax = 1;
	table.entries[1].function = L2_CPUID_LEAF;
	table.entries[1].eax = L2_CPUID_LEAF;
	table.entries[1].ebx = L2_CPUID_EBX;
	return ioctl(l2->vcpu, KVM_SET_CPUID2, &table) == 0;
}

static void close_l2(struct l2 *l2)
{
	munmap(l2->run, l2->run_size);
	munmap(l2->memory, l2->size);
	close(l2->vcpu);
	close(l2->vm);
}

static bool set_registers(const struct l2 *l2)
{
	struct kvm_regs regs = { .rip = L2_ENTRY, .rsp = L2_STACK, .rflags = 2 };

	return ioctl(l2->vcpu, KVM_SET_REGS, &regs) == 0;
}

static bool enter_real_mode(const struct l2 *l2)
{
	struct kvm_sregs sregs;
	unsigned char *entry = l2->memory + 4 * L2_VECTOR;
	u32 handler = L2_ENTRY + L2_HANDLER_OFFSET;

	memcpy(entry, &handler, sizeof(handler));
	if (ioctl(l2->vcpu, KVM_GET_SREGS, &sregs) != 0)
		return false;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return ioctl(l2->vcpu, KVM_SET_SREGS, &sregs) == 0 && set_registers(l2);
}

static void map_identity(const struct l2 *l2)
{
	u64 *tables = (u64 *)(l2->memory + L2_PAGE_TABLES);

	tables[0] = (L2_PAGE_TABLES + 0x1000) | PTE_PRESENT;
	tables[512] = (L2_PAGE_TABLES + 0x2000) | PTE_PRESENT;
	for (u64 i = 0; i * LARGE_PAGE < L2_MEMORY; i++)
		tables[1024 + i] = i * LARGE_PAGE | PTE_PRESENT | PDE_LARGE;
}

static struct kvm_segment flat_segment(unsigned char type, bool is_code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = is_code ? 8 : 16,
		.type = type,
		.present = 1,
		.s = 1,
		.l = is_code,
		.db = !is_code,
		.g = 1,
	};
}

static bool enter_long_mode(const struct l2 *l2)
{
	struct kvm_sregs sregs;

	map_identity(l2);
	if (ioctl(l2->vcpu, KVM_GET_SREGS, &sregs) != 0)
		return false;
	sregs.cr0 = CR0_LONG_MODE;
	sregs.cr3 = L2_PAGE_TABLES;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LMA_LME;
	sregs.cs = flat_segment(CODE_TYPE, true);
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat_segment(DATA_TYPE, false);
	return ioctl(l2->vcpu, KVM_SET_SREGS, &sregs) == 0 && set_registers(l2);
}

static void see_io(const struct l2 *l2, struct seen *seen)
{
	struct kvm_interrupt interrupt = { L2_VECTOR };
	u32 value = 0;

	memcpy(&value, (const char *)l2->run + l2->run->io.data_offset, l2->run->io.size);
	switch (l2->run->io.port) {
	case L2_PORT_WORD:
		seen->word = value;
		break;
	case L2_PORT_CPUID:
		seen->cpuid = value;
		break;
	case L2_PORT_SUM:
		seen->sum = value;
		break;
	case L2_PORT_IN_HANDLER:
		seen->handler_runs++;
		break;
	case L2_PORT_INTERRUPT_ME:
		ioctl(l2->vcpu, KVM_INTERRUPT, &interrupt);
		break;
	}
}

static void see_mmio(const struct l2 *l2, struct seen *seen)
{
	if (!l2->run->mmio.is_write)
		return;
	seen->mmio_address = l2->run->mmio.phys_addr;
	seen->mmio_byte = l2->run->mmio.data[0];
}

static struct seen run_l2(const struct l2 *l2)
{
	struct seen seen = { 0 };

	for (unsigned int exits = 0; exits < MOST_EXITS && !seen.halted; exits++) {
		if (ioctl(l2->vcpu, KVM_RUN, 0) != 0) {
			printf("PROBE KVM_RUN: %s\n", strerror(errno));
			break;
		}
		seen.last_exit = l2->run->exit_reason;
		if (seen.last_exit == KVM_EXIT_IO)
			see_io(l2, &seen);
		else if (seen.last_exit == KVM_EXIT_MMIO)
			see_mmio(l2, &seen);
		else if (seen.last_exit == KVM_EXIT_HLT)
			seen.halted = true;
		else
			break;
	}
	return seen;
}

static void check_real_mode(int kvm, unsigned int cpu)
{
	struct l2 l2;
	struct seen seen;

	if (!check(create_vcpu(kvm, &l2) && set_cpuid(&l2) &&
			   give_memory(&l2, L2_SMALL_MEMORY - 0x1000, l2_real_mode,
				       l2_real_mode_end) &&
			   enter_real_mode(&l2),
		   "CPU %u: KVM makes a real-mode L2", cpu))
		return;
	seen = run_l2(&l2);
	check(seen.halted, "CPU %u: the real-mode L2 halts (KVM exit %u)", cpu, seen.last_exit);
	check(seen.word == L2_WORD, "CPU %u: L2 writes a port", cpu);
	check(seen.cpuid == L2_CPUID_EBX, "CPU %u: L2 sees its hypervisor's CPUID", cpu);
	check(seen.mmio_address == L2_MMIO_SEGMENT << 4 && seen.mmio_byte == L2_MMIO_BYTE,
	      "CPU %u: L2 writes where no memory is", cpu);
	check(seen.handler_runs == 1, "CPU %u: L2 takes one interrupt", cpu);
	close_l2(&l2);
}

static void check_long_mode(int kvm, unsigned int cpu)
{
	u64 pages = (L2_MEMORY - L2_FIRST_PAGE) / 4096, ticks;
	struct l2 l2;
	struct seen seen;

	if (!check(create_vcpu(kvm, &l2) && set_cpuid(&l2) &&
			   give_memory(&l2, L2_MEMORY, l2_long_mode, l2_long_mode_end) &&
			   enter_long_mode(&l2),
		   "CPU %u: KVM makes a 64-bit L2", cpu))
		return;
	seen = run_l2(&l2);
	check(seen.halted, "CPU %u: the 64-bit L2 halts (KVM exit %u)", cpu, seen.last_exit);
	check(seen.sum == pages * (pages + 1) / 2, "CPU %u: L2 reads back %lu pages", cpu, pages);
	memcpy(&ticks, l2.memory + L2_TICKS, sizeof(ticks));
	printf("PROBE l2 cpu=%u ticks_per_cpuid=%lu\n", cpu, ticks / L2_CPUIDS);
	close_l2(&l2);
}

void check_kvm(const struct expectation *expected)
{
	int kvm;

	print_stage("before-kvm");
	if (!check(load_module("irqbypass", "") && load_module("kvm", "") &&
			   load_module("kvm-intel", expected->kvm_intel),
		   "kvm-intel can be loaded (%s)", expected->kvm_intel))
		return;
	print_stage("kvm-loaded");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (!check(kvm >= 0, "/dev/kvm can be opened"))
		return;
	for (unsigned int cpu = 0; cpu < online_cpus() && run_on_cpu(cpu); cpu++) {
		check_real_mode(kvm, cpu);
		check_long_mode(kvm, cpu);
	}
	close(kvm);
	print_stage("kvm-done");
}
