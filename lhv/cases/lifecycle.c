/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "VMCS Region", "Software Use of Virtual-Machine Control Structures": many VMCSs
 * on one CPU, contents over VMCLEAR and VMXOFF, moving a VMCS to another CPU.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/programs.h"

#define MANY	   16
#define ROUNDS	   5
#define WAIT_TICKS 20000000

static struct vm *many[MANY];

/* More active VMCSs than any cache holds: each keeps its own state. */
static void many_active(void)
{
	struct vm *first = vm_self();

	for (unsigned int i = 0; i < MANY; i++) {
		if (!many[i])
			many[i] = vm_new();
		vm_prepare(many[i]);
		vm_reset(L2_NATIVE);
		vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
		vm_set(VMCS_guest_ia32_sysenter_eip, 0x1000 + i);
		many[i]->regs.rbx = 0x500 + i;
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < MANY; i++) {
			unsigned int n = (i * 7 + round) % MANY;

			vm_load(many[n]);
			case_step("round %u VMCS %u", round, n);
			check_eq(0x1000 + n, vm_get(VMCS_guest_ia32_sysenter_eip), "guest field");
			check_exit(vm_enter(), EXIT_REASON_VMCALL, "entry");
			check_eq(0x500 + n, many[n]->regs.rbx, "register");
		}
	}
	for (unsigned int i = 0; i < MANY; i++)
		vmclear((uptr)many[i]->region);
	vm_use(first);
}

/* VMCLEAR writes the contents to memory; VMXOFF and VMXON do not touch them. */
static void over_vmxoff(void)
{
	struct vm *vm = vm_self();

	vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "before");
	vm_set(VMCS_guest_ia32_sysenter_esp, 0x77000);
	vm_set(VMCS_guest_gs_base, 0x88000);
	vmclear((uptr)vm->region);
	vmx_off();
	check_true(vmx_on(), "VMXON again");
	vm_load(vm);
	vm->launched = false;
	check_eq(0x77000, vm_get(VMCS_guest_ia32_sysenter_esp), "SYSENTER_ESP");
	check_eq(0x88000, vm_get(VMCS_guest_gs_base), "GS base");
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "VMLAUNCH afterwards");
}

/* The abort indicator and the revision are the only words software may know. */
static void region_header(void)
{
	const u32 *region = vm_self()->region;

	check_eq(field_get(facts.basic, VMX_BASIC_REVISION), region[0], "revision");
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "entry");
	vmclear((uptr)region);
	check_eq(field_get(facts.basic, VMX_BASIC_REVISION), region[0], "revision after VMCLEAR");
	check_eq(0, region[1], "VMX-abort indicator");
}

/* What CPU 1 found when it ran CPU 0's VMCS. */
struct migration {
	struct vm *vm;
	struct outcome outcome;
	u64 field;
	bool loaded;
};

static void host_state_of_this_cpu(void)
{
	u64 want[VMCS_FIELD_COUNT];

	vm_golden(L2_NATIVE, want);
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (vmcs_encoding_type(vmcs_fields[i].encoding) == VMCS_TYPE_HOST &&
		    facts.field_exists[i])
			vm_set(vmcs_fields[i].encoding, want[i]);
}

static void run_on_cpu1(void *argument)
{
	struct migration *m = argument;
	struct vm *own = vm_self();

	vm_prepare(own);
	m->loaded = vmptrld((uptr)m->vm->region) == VMX_SUCCEED;
	vm_use(m->vm);
	host_state_of_this_cpu();
	m->field = vm_get(VMCS_guest_ia32_sysenter_esp);
	m->outcome = vm_enter();
	vm_set(VMCS_guest_ia32_sysenter_esp, 0xc0de1);
	vmclear((uptr)m->vm->region);
	vm_use(own);
	vmx_off();
}

/* As KVM migrates: VMCLEAR on CPU 0, VMPTRLD and VMLAUNCH on CPU 1, and back. */
static void migrates(void)
{
	struct vm *vm = vm_self();
	struct migration m = { .vm = vm };

	vm_set(VMCS_guest_ia32_sysenter_esp, 0xc0de0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		case_step("round %u", round);
		check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "on CPU 0");
		vm_set(VMCS_guest_ia32_sysenter_esp, 0xc0de0);
		vmclear((uptr)vm->region);
		vm->launched = false;
		vm_forget(vm);
		smp_send_work(1, run_on_cpu1, &m);
		if (!check_true(smp_wait(1, WAIT_TICKS), "CPU 1 answers"))
			return;
		check_true(m.loaded, "VMPTRLD on CPU 1");
		check_eq(0xc0de0, m.field, "contents on CPU 1");
		check_exit(m.outcome, EXIT_REASON_VMCALL, "on CPU 1");
		vm_load(vm);
		vm_forget(vm);
		vm->launched = false;
		check_eq(0xc0de1, vm_get(VMCS_guest_ia32_sysenter_esp), "contents back on CPU 0");
		host_state_of_this_cpu();
	}
}

/* Rounds of its own L2 on CPU 1, while CPU 0 runs another. */
struct parallel {
	u32 good;
};

static void rounds(struct parallel *p)
{
	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	for (unsigned int i = 0; i < 1000; i++) {
		struct outcome o;

		vm_self()->regs.rbx = i;
		o = vm_enter();
		if (o.result == VMX_SUCCEED && o.reason == EXIT_REASON_VMCALL &&
		    vm_self()->regs.rbx == i)
			p->good++;
	}
}

static void rounds_on_cpu1(void *argument)
{
	rounds(argument);
	vmclear((uptr)vm_self()->region);
	vmx_off();
}

static void in_parallel(void)
{
	struct parallel here = { 0 }, there = { 0 };

	smp_send_work(1, rounds_on_cpu1, &there);
	rounds(&here);
	check_true(smp_wait(1, 10 * WAIT_TICKS), "CPU 1 answers");
	check_eq(1000, here.good, "rounds on CPU 0");
	check_eq(1000, there.good, "rounds on CPU 1");
}

static const struct lhv_case cases[] = {
	{ .name = "many-active", .needs = NEEDS_VMX, .run = many_active },
	{ .name = "over-vmxoff", .needs = NEEDS_VMX, .run = over_vmxoff },
	{ .name = "region-header", .needs = NEEDS_VMX, .run = region_header },
	{ .name = "migrates", .needs = NEEDS_VMX | NEEDS_CPUS, .run = migrates },
	{ .name = "in-parallel", .needs = NEEDS_VMX | NEEDS_CPUS, .run = in_parallel },
};
LHV_TOPIC("lifecycle", cases);
