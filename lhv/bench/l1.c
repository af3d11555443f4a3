/* SPDX-License-Identifier: BSD-2-Clause */
/* What L1 does without VMX: the price of having L0 beneath. */
#include "lhv/bench/operations.h"

static u64 l1_cpuid(void)
{
	u64 start = bench_clock();

	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		cpuid(0, 0);
	return bench_clock() - start;
}

static u64 read_rounds(u32 msr)
{
	u64 start = bench_clock();

	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		rdmsr(msr);
	return bench_clock() - start;
}

static u64 l1_rdmsr(void)
{
	return read_rounds(MSR_IA32_KERNEL_GS_BASE);
}

static u64 l1_rdmsr_intercepted(void)
{
	return read_rounds(MSR_IA32_FEATURE_CONTROL);
}

static u64 l1_wrmsr(void)
{
	u64 value = rdmsr(MSR_IA32_KERNEL_GS_BASE);
	u64 start = bench_clock();

	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		wrmsr(MSR_IA32_KERNEL_GS_BASE, value);
	return bench_clock() - start;
}

static u64 l1_xsetbv(void)
{
	u64 value, start;

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE))
		return BENCH_UNAVAILABLE;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	value = xgetbv(0);
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		xsetbv(0, value);
	return bench_clock() - start;
}

static u64 l1_cr4_write(void)
{
	uptr value = read_cr4();
	u64 start = bench_clock();

	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		write_cr4(value ^= (uptr)CR4_PGE);
	return bench_clock() - start;
}

const struct bench_operation bench_l1_operations[] = {
	{ "l1-cpuid", l1_cpuid },   { "l1-rdmsr", l1_rdmsr },
	{ "l1-wrmsr", l1_wrmsr },   { "l1-rdmsr-intercepted", l1_rdmsr_intercepted },
	{ "l1-xsetbv", l1_xsetbv }, { "l1-cr4-write", l1_cr4_write },
};
const unsigned int bench_l1_count = ARRAY_SIZE(bench_l1_operations);
