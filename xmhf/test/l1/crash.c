/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes L0 panic, by the hypapp crash, while the other CPUs run; the last word of the boot
 * sector says how. */
#include "xmhf/test/l1/frame.h"

#define CRASH_WORD	(*(const u16 *)(uptr)0x7dfc)
#define SIGNATURE	0x584d4846U
#define HYPERCALL_CRASH 0x1f0U

static void cpuid_loop(struct test_cpu *cpu)
{
	struct cpuid_result r;

	cpuid_32(0, 0, &r);
	cpu->beats++;
}

void test_main(void)
{
	u32 eax = SIGNATURE, ebx = HYPERCALL_CRASH, ecx = CRASH_WORD, edx = 0;

	start_all_aps();
	/* One CPU is busy in L0 half of the time, one never calls it. */
	if (cpus[1].starts)
		cpus[1].job = cpuid_loop;
	wait_us(1000);
	try_vmcall(&eax, &ebx, &ecx, &edx);
	say("no panic");
}
