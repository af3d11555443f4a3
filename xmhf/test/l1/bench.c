/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticks of instructions that L0 intercepts and of some that it must not.  Each is measured
 * in a loop; the ticks of the empty loop are taken off.
 */
#include "xmhf/test/l1/frame.h"

#define ROUNDS		    1000U
#define MSR_KERNEL_GS_BASE  0xc0000102U
#define MSR_FEATURE_CONTROL 0x3aU
#define MSR_APIC_BASE	    0x1bU
#define LEAF_PASSED	    2U
#define LEAF_CHANGED	    1U

static u32 msr_low, msr_high, cr0_value, cr4_value;

/* The measured text is one instruction, repeated, so that the loop weighs little. */
#define MEASURE(name, instruction, ...)                                           \
	static u32 name(void)                                                     \
	{                                                                         \
		u64 start = tsc();                                                \
		for (u32 i = 0; i < ROUNDS; i++)                                  \
			__asm__ volatile(instruction                              \
					 :                                        \
					 : __VA_ARGS__                            \
					 : "eax", "ebx", "ecx", "edx", "memory"); \
		return (u32)(tsc() - start);                                      \
	}

/* Every instruction comes with the loads of its registers, here without the instruction. */
#define LOADS "mov %0, %%ecx\n\tmov %1, %%eax\n\tmov %2, %%edx\n\t"

MEASURE(loads, LOADS, "i"(0), "m"(msr_low), "m"(msr_high))
MEASURE(cpuid_passed, LOADS "mov $2, %%eax\n\tcpuid", "i"(0), "m"(msr_low), "m"(msr_high))
MEASURE(cpuid_changed, LOADS "mov $1, %%eax\n\tcpuid", "i"(0), "m"(msr_low), "m"(msr_high))
MEASURE(rdmsr_passed, LOADS "rdmsr", "i"(MSR_KERNEL_GS_BASE), "m"(msr_low), "m"(msr_high))
MEASURE(wrmsr_passed, LOADS "wrmsr", "i"(MSR_KERNEL_GS_BASE), "m"(msr_low), "m"(msr_high))
MEASURE(rdmsr_intercepted, LOADS "rdmsr", "i"(MSR_FEATURE_CONTROL), "m"(msr_low), "m"(msr_high))
MEASURE(wrmsr_intercepted, LOADS "wrmsr", "i"(MSR_APIC_BASE), "m"(msr_low), "m"(msr_high))
MEASURE(xsetbv_intercepted, LOADS "mov $1, %%eax\n\txor %%edx, %%edx\n\txsetbv", "i"(0),
	"m"(msr_low), "m"(msr_high))
MEASURE(cr4_passed, LOADS "mov %3, %%eax\n\tmov %%eax, %%cr4", "i"(0), "m"(msr_low), "m"(msr_high),
	"m"(cr4_value))
MEASURE(cr4_intercepted,
	LOADS "mov %3, %%eax\n\tmov %%eax, %%cr4\n\txor $0x2000, %%eax\n\tmov %%eax, %3", "i"(0),
	"m"(msr_low), "m"(msr_high), "m"(cr4_value))
MEASURE(cr0_passed, LOADS "mov %3, %%eax\n\tmov %%eax, %%cr0\n\txor $8, %%eax\n\tmov %%eax, %3",
	"i"(0), "m"(msr_low), "m"(msr_high), "m"(cr0_value))
MEASURE(inb_passed, LOADS "mov $0x80, %%edx\n\tinb %%dx, %%al", "i"(0), "m"(msr_low), "m"(msr_high))

static void measure(const char *name, u32 (*what)(void), u32 empty)
{
	u32 ticks;

	what(); /* what the first round brings in does not count */
	ticks = what();
	say("BENCH %s %u", name, (ticks - empty + ROUNDS / 2) / ROUNDS);
}

static void set_msr_value(u32 index)
{
	u64 value;

	try_rdmsr(index, &value);
	msr_low = (u32)value;
	msr_high = (u32)(value >> 32);
}

void test_main(void)
{
	u32 empty, cr4 = read_cr4_32(), cr0 = read_cr0_32();

	loads();
	empty = loads();
	measure("cpuid", cpuid_passed, empty);
	measure("cpuid-leaf-1", cpuid_changed, empty);
	measure("rdmsr-passed", rdmsr_passed, empty);
	measure("wrmsr-passed", wrmsr_passed, empty);
	measure("rdmsr-intercepted", rdmsr_intercepted, empty);
	set_msr_value(MSR_APIC_BASE);
	measure("wrmsr-intercepted", wrmsr_intercepted, empty);
	cr4_value = cr4 | CR4_PGE;
	measure("mov-cr4-passed", cr4_passed, empty);
	cr4_value = cr4;
	measure("mov-cr4-vmxe", cr4_intercepted, empty);
	try_write_cr4(cr4 | CR4_OSXSAVE);
	measure("xsetbv", xsetbv_intercepted, empty);
	try_write_cr4(cr4);
	cr0_value = cr0;
	measure("mov-cr0-ts", cr0_passed, empty);
	try_write_cr0(cr0);
	measure("in-port", inb_passed, empty);
	ok(true, "all measured");
}
