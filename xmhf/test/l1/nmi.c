/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs to oneself and to other CPUs that are busy with instructions L0 intercepts.  Each NMI
 * waits until the one before has been counted, so every one must be seen exactly once.
 */
#include "xmhf/test/l1/frame.h"

#define ROUNDS	    300U
#define PATIENCE_US 20000U
#define LOOP_MSR    0x2ffU /* intercepted when written */

static void cpuid_loop(struct test_cpu *cpu)
{
	struct cpuid_result r;

	cpuid_32(0x40000000, 0, &r);
	cpu->beats++;
}

static void wrmsr_loop(struct test_cpu *cpu)
{
	u64 value;

	try_rdmsr(LOOP_MSR, &value);
	try_wrmsr(LOOP_MSR, value);
	cpu->beats++;
}

static void spin_loop(struct test_cpu *cpu)
{
	cpu->beats++;
}

/* NMIs that came while L0 ran on this CPU: its hypercall 2, or none without L0. */
static volatile u32 in_root;

static void count_in_root(struct test_cpu *cpu)
{
	u32 eax = 0x584d4846, ebx = 2, ecx = 1, edx = 0;

	in_root = try_vmcall(&eax, &ebx, &ecx, &edx) == NO_TRAP && !eax ? edx : 0;
	cpu->job = NULL;
}

static void say_in_root(u32 id)
{
	cpus[id].job = count_in_root;
	wait_us(1000);
	say("CPU %u: %u NMIs came while L0 ran", id, in_root);
}

static void check_self(void)
{
	struct test_cpu *cpu = own_cpu();
	struct cpuid_result r;
	u32 before = cpu->nmis, seen = 0;

	for (u32 i = 0; i < ROUNDS; i++) {
		u32 count = cpu->nmis + 1;

		icr_write(cpu->id, ICR_NMI);
		cpuid_32(i, 0, &r);
		seen += wait_for(&cpu->nmis, count, PATIENCE_US);
	}
	ok(seen == ROUNDS, "%u NMIs to oneself: each arrives", ROUNDS);
	wait_us(1000);
	ok(cpu->nmis - before == ROUNDS, "and none twice");
}

static void check_other(u32 id, void (*job)(struct test_cpu *), const char *name)
{
	struct test_cpu *cpu = &cpus[id];
	u32 before = cpu->nmis, seen = 0, beats;

	cpu->job = job;
	for (u32 i = 0; i < ROUNDS; i++) {
		u32 count = cpu->nmis + 1;

		icr_write(id, ICR_NMI);
		seen += wait_for(&cpu->nmis, count, PATIENCE_US);
		for (u32 delay = i % 37; delay; delay--)
			__asm__ volatile("");
	}
	ok(seen == ROUNDS, "CPU %u in a loop of %s: %u NMIs arrive", id, name, ROUNDS);
	wait_us(1000);
	ok(cpu->nmis - before == ROUNDS, "and none twice");
	beats = cpu->beats;
	wait_us(1000);
	ok(cpu->beats != beats, "and the loop goes on");
}

static void check_broadcast(u32 aps)
{
	u32 before = 0, after = 0;

	for (u32 i = 1; i < MAX_TEST_CPUS; i++)
		before += cpus[i].nmis;
	for (u32 i = 0; i < ROUNDS; i++) {
		icr_write(0, ICR_OTHERS | ICR_NMI);
		wait_us(200);
	}
	for (u32 i = 1; i < MAX_TEST_CPUS; i++)
		after += cpus[i].nmis;
	ok(after - before == ROUNDS * aps, "%u broadcasts reach every other CPU once", ROUNDS);
	if (after - before != ROUNDS * aps)
		say("%u arrived, %u expected", after - before, ROUNDS * aps);
}

void test_main(void)
{
	u32 aps = start_all_aps();

	say("%u other CPUs", aps);
	check_self();
	for (u32 id = 1; id < MAX_TEST_CPUS; id++) {
		if (!cpus[id].starts)
			continue;
		check_other(id, spin_loop, "nothing");
		check_other(id, cpuid_loop, "CPUID");
		check_other(id, wrmsr_loop, "WRMSR");
		say_in_root(id);
		cpus[id].job = cpuid_loop;
	}
	if (aps)
		check_broadcast(aps);
}
