/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A KVM client whose guest state the processor refuses, so that Linux with
 * kvm_intel.dump_invalid_vmcs=1 prints its VMCS.  docs/vmcs-tool.md says how the log in
 * logs/ was made with it.
 *
 *	kvm_bad_state tr     TR is an available TSS, not a busy one
 *	kvm_bad_state ss     SS has another privilege than CS
 *	kvm_bad_state limit  CS is not page-granular, its limit more than 1 MiB
 *	kvm_bad_state cs     CS is not accessed
 *	kvm_bad_state ds     DS is present and usable, but a system segment
 *	kvm_bad_state ldtr   LDTR holds a TSS
 *	kvm_bad_state gdtr   GDTR's base is not canonical
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define GUEST_BYTES	0x10000
#define CODE_AT		0x1000
#define TSS_PAGES_AT	0xfffbd000UL
#define CR0_PE		1
#define TSS_FREE	9
#define LIMIT_BEYOND_1M 0xfffffff
#define CODE_UNACCESSED 10
#define NOT_CANONICAL	0x8000000000000000ULL

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static void spoil(const char *how, struct kvm_sregs *s, struct kvm_regs *r)
{
	s->cs.base = 0;
	s->cs.selector = 0;
	r->rip = CODE_AT;
	r->rflags = 2;
	s->cr0 |= CR0_PE;
	s->cs.db = 1;
	if (!strcmp(how, "tr"))
		s->tr.type = TSS_FREE;
	else if (!strcmp(how, "ss"))
		s->ss.selector = 1;
	else if (!strcmp(how, "limit"))
		s->cs.limit = LIMIT_BEYOND_1M;
	else if (!strcmp(how, "cs"))
		s->cs.type = CODE_UNACCESSED;
	else if (!strcmp(how, "ds"))
		s->ds.s = 0;
	else if (!strcmp(how, "ldtr"))
		s->ldt.type = TSS_FREE;
	else if (!strcmp(how, "gdtr"))
		s->gdt.base = NOT_CANONICAL;
}

static int run(int vcpu, struct kvm_run *state, const char *how)
{
	struct kvm_sregs s;
	struct kvm_regs r = { 0 };

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return fail("KVM_GET_SREGS");
	spoil(how, &s, &r);
	if (ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &r))
		return fail("KVM_SET_REGS");
	if (ioctl(vcpu, KVM_RUN, 0))
		return fail("KVM_RUN");
	printf("kvm_bad_state: %s: exit %u", how, state->exit_reason);
	if (state->exit_reason == KVM_EXIT_FAIL_ENTRY)
		printf(", failed entry, hardware reason 0x%llx",
		       (unsigned long long)state->fail_entry.hardware_entry_failure_reason);
	putchar('\n');
	return state->exit_reason != KVM_EXIT_FAIL_ENTRY;
}

int main(int argc, char **argv)
{
	struct kvm_userspace_memory_region memory = { .memory_size = GUEST_BYTES };
	int kvm = open("/dev/kvm", O_RDWR), vm, vcpu;
	unsigned char *guest =
		mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_run *state;

	if (kvm < 0 || guest == MAP_FAILED)
		return fail("/dev/kvm");
	guest[CODE_AT] = 0xf4; /* hlt */
	memory.userspace_addr = (unsigned long)guest;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || ioctl(vm, KVM_SET_TSS_ADDR, TSS_PAGES_AT) ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &memory))
		return fail("KVM_CREATE_VM");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return fail("KVM_CREATE_VCPU");
	state = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		     MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED)
		return fail("mmap");
	return run(vcpu, state, argc > 1 ? argv[1] : "tr");
}
