/* SPDX-License-Identifier: BSD-2-Clause */
/* The VM: memory, interrupt controllers in the kernel, CPUs, and a thread for each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"

#define LARGE_PAGE	   0x200000ull
#define TSS_ADDRESS	   0xfffbd000ul
#define MOST_LEAVES	   128
#define ECX_HYPERVISOR	   (1u << 31)
#define ECX_TSC_DEADLINE   (1u << 24)
#define LEAF_EXTENDED_TOPO 0xbu

struct thread {
	struct vm *vm;
	struct vcpu *vcpu;
};

static pthread_mutex_t device_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t end_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t end_signal = PTHREAD_COND_INITIALIZER;
static int end_status = -1;

void die(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	printf("vmm: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf(": %s\n", strerror(error));
	exit(2);
}

int must_ioctl(int fd, unsigned long request, const void *argument, const char *name)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		die("%s", name);
	return result;
}

#define MUST(fd, request, argument) must_ioctl(fd, request, argument, #request)

void vm_set_slot(struct vm *vm, u32 slot, u64 at, void *memory, u64 size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = memory ? size : 0,
		.userspace_addr = (uintptr_t)memory,
	};

	MUST(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Aligned, so that the kernel can use large pages. */
static void give_memory(struct vm *vm)
{
	u8 *at = mmap(NULL, vm->size + LARGE_PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		die("%llu bytes of memory", (unsigned long long)vm->size);
	vm->memory = at + (-(uintptr_t)at & (LARGE_PAGE - 1));
	vm_set_slot(vm, 0, 0, vm->memory, vm->size);
}

/* What KVM can do, plus what it leaves to us to say: a hypervisor, the CPU's number. */
static void set_cpuid(const struct vm *vm, const struct vcpu *vcpu)
{
	size_t size = sizeof(struct kvm_cpuid2) + MOST_LEAVES * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *leaves = calloc(1, size);

	if (!leaves)
		die("memory for CPUID");
	leaves->nent = MOST_LEAVES;
	MUST(vm->kvm, KVM_GET_SUPPORTED_CPUID, leaves);
	for (u32 i = 0; i < leaves->nent; i++) {
		struct kvm_cpuid_entry2 *leaf = &leaves->entries[i];

		if (leaf->function == 1) {
			leaf->ebx = (leaf->ebx & 0xffff) | vcpu->id << 24 | vm->cpus << 16;
			leaf->ecx |= ECX_HYPERVISOR | ECX_TSC_DEADLINE;
		} else if (leaf->function == LEAF_EXTENDED_TOPO) {
			leaf->edx = vcpu->id;
		}
	}
	MUST(vcpu->fd, KVM_SET_CPUID2, leaves);
	free(leaves);
}

static void create_vcpu(struct vm *vm, u32 id)
{
	int size = MUST(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	struct vcpu *vcpu = &vm->vcpu[id];

	vcpu->id = id;
	vcpu->fd = MUST(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)id);
	vcpu->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("kvm_run");
	vcpu->stats = MUST(vcpu->fd, KVM_GET_STATS_FD, NULL);
	set_cpuid(vm, vcpu);
}

void vm_create(struct vm *vm, u32 cpus, u64 size)
{
	struct kvm_pit_config pit = { 0 };

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		die("/dev/kvm");
	vm->fd = MUST(vm->kvm, KVM_CREATE_VM, NULL);
	vm->size = size;
	vm->cpus = cpus;
	MUST(vm->fd, KVM_SET_TSS_ADDR, (void *)TSS_ADDRESS);
	MUST(vm->fd, KVM_CREATE_IRQCHIP, NULL);
	MUST(vm->fd, KVM_CREATE_PIT2, &pit);
	give_memory(vm);
	for (u32 id = 0; id < cpus; id++)
		create_vcpu(vm, id);
}

static void end(int status)
{
	pthread_mutex_lock(&end_lock);
	if (end_status < 0)
		end_status = status;
	pthread_cond_signal(&end_signal);
	pthread_mutex_unlock(&end_lock);
}

/* An exit that no working guest causes: say all that KVM says about it. */
static int unexpected_exit(const struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	printf("vmm: CPU %u: KVM exit %u at rip %#llx", vcpu->id, run->exit_reason,
	       (unsigned long long)regs.rip);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		printf(": failed VM entry, reason %#llx",
		       (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		printf(": internal error %u, %#llx %#llx", run->internal.suberror,
		       (unsigned long long)run->internal.data[0],
		       (unsigned long long)run->internal.data[1]);
	if (run->exit_reason == KVM_EXIT_SHUTDOWN)
		printf(": shutdown (triple fault)");
	printf("\n");
	return 1;
}

/* One KVM_RUN; true when the guest ended. */
static bool run_once(struct vm *vm, struct vcpu *vcpu, int *status)
{
	bool over = false;

	if (ioctl(vcpu->fd, KVM_RUN, NULL) != 0) {
		if (errno != EINTR && errno != EAGAIN) /* EAGAIN: INIT or SIPI came */
			die("KVM_RUN");
		return false;
	}
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		pthread_mutex_lock(&device_lock);
		over = vm->on_port(vm, vcpu->run, status);
		pthread_mutex_unlock(&device_lock);
		return over;
	case KVM_EXIT_MMIO:
		vm->on_mmio(vcpu->run);
		return false;
	case KVM_EXIT_INTR:
		return false;
	default:
		*status = unexpected_exit(vcpu);
		return true;
	}
}

static void *run_thread(void *argument)
{
	struct thread *thread = argument;
	int status = 0;

	while (!run_once(thread->vm, thread->vcpu, &status))
		;
	end(status);
	return NULL;
}

int vm_run(struct vm *vm)
{
	static struct thread threads[MOST_CPUS];
	pthread_t id;

	for (u32 i = 0; i < vm->cpus; i++) {
		threads[i] = (struct thread){ vm, &vm->vcpu[i] };
		if (pthread_create(&id, NULL, run_thread, &threads[i]) != 0)
			die("a thread for CPU %u", i);
	}
	pthread_mutex_lock(&end_lock);
	while (end_status < 0)
		pthread_cond_wait(&end_signal, &end_lock);
	pthread_mutex_unlock(&end_lock);
	return end_status;
}
