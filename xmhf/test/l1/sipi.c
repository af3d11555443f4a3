/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT and SIPI in every form of the interrupt command register, from the boot CPU and
 * between other CPUs, repeated, doubled and out of turn.
 */
#include "xmhf/test/l1/frame.h"

#define PATIENCE_US   5000U
#define QUIET_US      3000U
#define FLOOD	      300U
#define APIC_LDR      (*(volatile u32 *)(uptr)0xfee000d0)
#define APIC_DFR      (*(volatile u32 *)(uptr)0xfee000e0)
#define APIC_SVR      (*(volatile u32 *)(uptr)0xfee000f0)
#define MSR_APIC_BASE 0x1bU
#define X2APIC	      0x400U
#define CPUID_X2APIC  CPUID_1_ECX_X2APIC

static u32 aps;
static bool in_x2apic;

static u32 total_starts(void)
{
	u32 sum = 0;

	for (u32 i = 1; i < MAX_TEST_CPUS; i++)
		sum += cpus[i].starts;
	return sum;
}

/* The CPU does nothing any more. */
static bool is_quiet(u32 id)
{
	u32 beats;

	wait_us(100);
	beats = cpus[id].beats;
	wait_us(QUIET_US);
	return cpus[id].beats == beats;
}

static bool beats_again(u32 id)
{
	u32 beats = cpus[id].beats;

	for (u32 i = 0; i < PATIENCE_US && cpus[id].beats == beats; i++)
		wait_us(1);
	return cpus[id].beats != beats;
}

/* INIT, SIPI, SIPI as operating systems do it. */
static void check_restart(u32 id, u32 mode, const char *name)
{
	u32 starts = cpus[id].starts;

	icr_write(id, mode | ICR_INIT);
	ok(is_quiet(id), "CPU %u: INIT stops it (%s)", id, name);
	icr_write(id, mode | ICR_SIPI);
	ok(wait_for(&cpus[id].starts, starts + 1, PATIENCE_US) && beats_again(id),
	   "CPU %u: SIPI starts it (%s)", id, name);
	icr_write(id, mode | ICR_SIPI);
	wait_us(1000);
	ok(cpus[id].starts == starts + 1 && beats_again(id),
	   "CPU %u: a second SIPI does nothing (%s)", id, name);
}

static void check_twice(u32 id)
{
	u32 starts = cpus[id].starts;

	for (u32 i = 0; i < 3; i++)
		icr_write(id, ICR_INIT);
	ok(is_quiet(id), "CPU %u: three INITs stop it", id);
	for (u32 i = 0; i < 3; i++)
		icr_write(id, ICR_SIPI);
	ok(beats_again(id), "CPU %u: three SIPIs start it", id);
	wait_us(1000);
	ok(cpus[id].starts == starts + 1, "CPU %u: once", id);
}

static void check_flood(u32 id)
{
	u32 good = 0;

	for (u32 i = 0; i < FLOOD; i++) {
		u32 starts = cpus[id].starts;

		/* The second INIT finds the CPU waiting: it must do nothing, now or later. */
		icr_write(id, ICR_INIT);
		wait_us(20);
		icr_write(id, ICR_INIT);
		wait_us(20);
		icr_write(id, ICR_SIPI);
		good += wait_for(&cpus[id].starts, starts + 1, PATIENCE_US);
	}
	ok(good == FLOOD, "CPU %u: %u times INIT, INIT, SIPI", id, FLOOD);
	if (good != FLOOD)
		say("only %u", good);
}

static void check_shorthand(void)
{
	u32 starts = total_starts();

	icr_write(0, ICR_OTHERS | ICR_INIT);
	wait_us(100);
	sipi_to_others();
	ok(total_starts() == starts + aps, "the shorthand for all others restarts each once");
}

static void check_broadcast_id(void)
{
	u32 starts = total_starts();

	/* SIPI to the broadcast id reaches the sender too, which ignores it. */
	icr_write(0, ICR_OTHERS | ICR_INIT);
	wait_us(100);
	for (u32 i = 0; i < aps; i++) {
		icr_write(in_x2apic ? ~0U : 0xffU, ICR_SIPI);
		wait_us(1000);
	}
	ok(total_starts() == starts + aps, "SIPIs to the broadcast id restart each once");
}

/* A task for an AP: restart its neighbour. */
static volatile u32 neighbour;

static void restart_neighbour(struct test_cpu *cpu)
{
	icr_write(neighbour, ICR_INIT);
	wait_us(100);
	icr_write(neighbour, ICR_SIPI);
	cpu->job = NULL;
}

static void check_between_aps(u32 from, u32 to)
{
	u32 starts = cpus[to].starts;

	neighbour = to;
	cpus[from].job = restart_neighbour;
	ok(wait_for(&cpus[to].starts, starts + 1, PATIENCE_US) && beats_again(to),
	   "CPU %u restarts CPU %u", from, to);
	ok(cpus[from].job == NULL && beats_again(from), "CPU %u goes on", from);
}

static void enable_x2apic(struct test_cpu *cpu)
{
	u64 base;

	try_rdmsr(MSR_APIC_BASE, &base);
	try_wrmsr(MSR_APIC_BASE, base | X2APIC);
	cpu->job = NULL;
}

static void check_physical(const char *name)
{
	for (u32 id = 1; id < MAX_TEST_CPUS; id++) {
		if (cpus[id].starts)
			check_restart(id, 0, name);
	}
}

/* Flat logical destinations: bit N for CPU N.  An INIT clears the register, so SIPI goes by
 * physical destination. */
static void set_logical(struct test_cpu *cpu)
{
	APIC_DFR = ~0U;
	APIC_LDR = 1U << (24 + cpu->id);
	APIC_SVR |= 0x100;
	cpu->job = NULL;
}

static void check_logical(u32 id)
{
	u32 starts = cpus[id].starts;

	cpus[id].job = set_logical;
	beats_again(id);
	wait_us(1000);
	icr_write(1U << id, ICR_LOGICAL | ICR_INIT);
	ok(is_quiet(id), "CPU %u: INIT to a logical destination stops it", id);
	icr_write(id, ICR_SIPI);
	ok(wait_for(&cpus[id].starts, starts + 1, PATIENCE_US) && beats_again(id),
	   "CPU %u: and SIPI starts it", id);
}

static void check_all(const char *name)
{
	check_physical(name);
	check_twice(1);
	check_flood(1);
	check_shorthand();
	check_broadcast_id();
	if (aps > 1) {
		check_between_aps(1, 2);
		check_between_aps(2, 1);
	}
}

void test_main(void)
{
	struct cpuid_result features;

	aps = start_all_aps();
	if (!ok(aps > 0, "there are other CPUs"))
		return;
	check_all("xAPIC");
	check_logical(1);
	cpuid_32(1, 0, &features);
	if (!(features.ecx & CPUID_X2APIC))
		return;
	enable_x2apic(own_cpu());
	for (u32 id = 1; id < MAX_TEST_CPUS; id++)
		cpus[id].job = cpus[id].starts ? enable_x2apic : NULL;
	wait_us(1000);
	in_x2apic = true;
	check_all("x2APIC");
}
