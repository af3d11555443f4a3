/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX instructions in root operation, each alone. */
#include "lhv/bench/operations.h"

static void prepare(void)
{
	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
}

static u64 read_rounds(u32 encoding)
{
	uptr value;
	u64 start;

	prepare();
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		vmread_checked(encoding, &value);
	return bench_clock() - start;
}

static u64 vmread_hot(void)
{
	return read_rounds(VMCS_guest_rip);
}

static u64 vmread_rare(void)
{
	return read_rounds(VMCS_host_ia32_sysenter_esp);
}

/* The other operand in memory, as Xen has it. */
static u64 vmread_memory(void)
{
	uptr value, encoding = VMCS_host_ia32_sysenter_esp;
	u64 start;

	prepare();
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		__asm__ volatile("vmread %1, %0" : "=m"(value) : "r"(encoding) : "cc");
	return bench_clock() - start;
}

static u64 vmwrite_memory(void)
{
	uptr value, encoding = VMCS_host_ia32_sysenter_esp;
	u64 start;

	prepare();
	vmread_checked(VMCS_host_ia32_sysenter_esp, &value);
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		__asm__ volatile("vmwrite %0, %1" : : "m"(value), "r"(encoding) : "cc");
	return bench_clock() - start;
}

static u64 vmwrite_rare(void)
{
	u64 start;
	uptr value;

	prepare();
	vmread_checked(VMCS_host_ia32_sysenter_esp, &value);
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		vmwrite_checked(VMCS_host_ia32_sysenter_esp, value);
	return bench_clock() - start;
}

static u64 vmptrld_same(void)
{
	uptr region;
	u64 start;

	prepare();
	region = (uptr)vm_self()->region;
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		vmptrld(region);
	return bench_clock() - start;
}

/* A second VMCS, cleared, the first one current again. */
static struct vm *second_vm(void)
{
	static struct vm *second;
	struct vm *first = vm_self();

	if (!second)
		second = vm_new();
	vm_prepare(second);
	vm_reset(L2_NATIVE);
	vm_load(first);
	return second;
}

static u64 vmptrld_other(void)
{
	uptr region[2];
	u64 start;

	prepare();
	region[0] = (uptr)second_vm()->region;
	region[1] = (uptr)vm_self()->region;
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		vmptrld(region[i & 1]);
	return bench_clock() - start;
}

static u64 vmclear_rounds(void)
{
	uptr region;
	u64 start;

	prepare();
	region = (uptr)second_vm()->region;
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		vmclear(region);
	return bench_clock() - start;
}

static u64 vmxon_vmxoff(void)
{
	uptr region = (uptr)vmxon_region();
	u64 start;

	prepare();
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		vmxoff();
		vmxon(region);
	}
	return bench_clock() - start;
}

static u64 invept_rounds(uptr type, u64 cap)
{
	u64 eptp, start;

	if (!ept_identity() || !(facts.ept_vpid & cap))
		return BENCH_UNAVAILABLE;
	prepare();
	eptp = ept_identity();
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		invept(type, eptp);
	return bench_clock() - start;
}

static u64 invept_single(void)
{
	return invept_rounds(INVEPT_SINGLE_CONTEXT, EPT_CAP_INVEPT_SINGLE);
}

static u64 invept_all(void)
{
	return invept_rounds(INVEPT_ALL_CONTEXT, EPT_CAP_INVEPT_ALL);
}

static u64 invvpid_all(void)
{
	u64 start;

	if (!(facts.ept_vpid & EPT_CAP_INVVPID_ALL))
		return BENCH_UNAVAILABLE;
	prepare();
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		invvpid(INVVPID_ALL_CONTEXT, 0, 0);
	return bench_clock() - start;
}

const struct bench_operation bench_vmx_operations[] = {
	{ "vmread-hot", vmread_hot },	    { "vmread-rare", vmread_rare },
	{ "vmread-memory", vmread_memory }, { "vmwrite-memory", vmwrite_memory },
	{ "vmwrite-rare", vmwrite_rare },   { "vmptrld-same", vmptrld_same },
	{ "vmptrld-other", vmptrld_other }, { "vmclear", vmclear_rounds },
	{ "vmxon-vmxoff", vmxon_vmxoff },   { "invept-single", invept_single },
	{ "invept-all", invept_all },	    { "invvpid-all", invvpid_all },
};
const unsigned int bench_vmx_count = ARRAY_SIZE(bench_vmx_operations);
