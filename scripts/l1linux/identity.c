/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is underneath: CPUID's hypervisor leaves on every CPU, and what the hypercalls answer. */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "hypercall.h"
#include "l1probe.h"

#define LEAF_VENDOR	   0x40000000u
#define LEAF_VERSION	   0x40000001u
#define VENDOR		   "xmhf-nest\0\0\0"
#define VENDOR_LENGTH	   12
#define ECX_VMX		   (1u << 5)
#define ECX_HYPERVISOR	   (1u << 31)
#define FUNCTION_OF_NOBODY 0xfffeu

struct leaf {
	u32 a, b, c, d;
};

static struct leaf cpuid(u32 number)
{
	struct leaf leaf;

	__cpuid_count(number, 0, leaf.a, leaf.b, leaf.c, leaf.d);
	return leaf;
}

static bool has_vendor_leaf(void)
{
	struct leaf leaf = cpuid(LEAF_VENDOR);
	u32 words[3] = { leaf.b, leaf.c, leaf.d };

	return memcmp(words, VENDOR, VENDOR_LENGTH) == 0;
}

static void check_one_cpu(unsigned int cpu, bool native)
{
	if (!check(run_on_cpu(cpu), "CPU %u can be used", cpu))
		return;
	check(has_vendor_leaf() != native, "CPU %u: hypervisor leaf is %s", cpu,
	      native ? "absent" : "xmhf-nest");
	check((cpuid(1).c & ECX_HYPERVISOR) == 0, "CPU %u: CPUID.1:ECX[31] is 0", cpu);
	check(hypercall(HYPERCALL_VERSION, 0, 0).undefined == native, "CPU %u: VMCALL %s", cpu,
	      native ? "takes #UD" : "is answered");
}

static void print_version(u32 version, u64 depth, u64 hypapp)
{
	printf("PROBE xmhf-nest version=%u.%u.%u depth=%llu hypapp=%llu\n", version >> 16,
	       version >> 8 & 0xff, version & 0xff, (unsigned long long)depth,
	       (unsigned long long)hypapp);
}

static void check_version(const struct expectation *expected)
{
	struct leaf leaf = cpuid(LEAF_VERSION);
	struct hypercall_result answer = hypercall(HYPERCALL_VERSION, 0, 0);

	if (!check(!answer.undefined && answer.status == HYPERCALL_OK, "hypercall VERSION"))
		return;
	print_version((u32)answer.b, answer.c, answer.d);
	check(leaf.a == answer.b, "CPUID and hypercall name the same version");
	check(leaf.b == answer.c, "CPUID and hypercall name the same depth");
	check(answer.c == expected->depth, "nesting depth is %llu",
	      (unsigned long long)expected->depth);
	answer = hypercall(FUNCTION_OF_NOBODY, 0, 0);
	check(!answer.undefined && answer.status == HYPERCALL_UNKNOWN,
	      "an unknown hypercall is refused");
}

void check_identity(const struct expectation *expected)
{
	unsigned int cpus = online_cpus();

	check(cpus == expected->cpus, "%u CPUs online, %llu expected", cpus,
	      (unsigned long long)expected->cpus);
	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		check_one_cpu(cpu, expected->native);
	printf("PROBE vmx=%d\n", (cpuid(1).c & ECX_VMX) != 0);
	if (!expected->native)
		check_version(expected);
}
