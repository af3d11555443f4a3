/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the table of operations and prints `BENCH name ticks`. */
#include "lhv/bench/bench.h"

#include "lhv/bench/operations.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/machine.h"
#include "xmhf/lib/bits.h"

#define HYPERCALL_COUNTERS 2

static u32 measured, failed;
static u64 picked;

enum clock { CLOCK_TICKS, CLOCK_EXITS, CLOCK_VMREAD, CLOCK_VMWRITE, CLOCK_VMPTRLD, CLOCK_VMCLEAR };
static const char *const clock_names[] = { "ticks",   "exits",	 "vmread",
					   "vmwrite", "vmptrld", "vmclear" };
static enum clock clock;
static u64 price; /* of two readings: what the first adds to the second */
static bool second, counting;

static u64 read_clock(void)
{
	struct hypercall_result r;

	if (clock == CLOCK_TICKS)
		return rdtsc();
	r = hypercall(HYPERCALL_COUNTERS, clock >= CLOCK_VMPTRLD);
	if (clock == CLOCK_EXITS || clock == CLOCK_VMPTRLD)
		return r.bx;
	return clock == CLOCK_VMWRITE ? r.dx : r.cx;
}

u64 bench_clock(void)
{
	bool is_second = second;

	second = !second;
	return read_clock() - (is_second ? price : 0);
}

static void choose_clock(enum clock chosen)
{
	u64 first;

	clock = chosen;
	second = false;
	price = 0;
	if (clock == CLOCK_TICKS)
		return;
	first = read_clock();
	price = read_clock() - first;
}

/* Claim: there is xmhf-nest beneath. */
static bool has_counters(void)
{
	struct cpuid_result r = cpuid(0x40000000, 0);

	return r.ebx == 0x66686d78 && r.ecx == 0x73656e2d && (u8)r.edx == 't';
}

static u64 average(u64 all_rounds)
{
	return (all_rounds + BENCH_ROUNDS / 2) / BENCH_ROUNDS;
}

static u64 run_by(enum clock chosen, const struct bench_operation *o)
{
	choose_clock(chosen);
	return o->run();
}

static void print_counters(const struct bench_operation *o)
{
	for (enum clock c = CLOCK_EXITS; c <= CLOCK_VMCLEAR; c++)
		report(" %s=%llu", clock_names[c], average(run_by(c, o)));
}

static void measure(const struct bench_operation *o)
{
	u64 ticks = run_by(CLOCK_TICKS, o);

	measured++;
	failed += ticks == BENCH_FAILED;
	if (ticks == BENCH_UNAVAILABLE || ticks == BENCH_FAILED) {
		report("BENCH %s %s\n", o->name, ticks == BENCH_FAILED ? "failed" : "-");
		return;
	}
	report("BENCH %s %llu", o->name, average(ticks));
	if (counting)
		print_counters(o);
	report("\n");
}

static void run_table(const struct bench_operation *table, unsigned int count, const char *pick)
{
	for (unsigned int i = 0; i < count; i++) {
		u64 found = wildcard_alternatives(pick, table[i].name);

		picked |= found;
		if (found)
			measure(&table[i]);
	}
}

static void report_useless(const char *alternative)
{
	failed++;
	report("# bench=: no operation matches %s\n", alternative);
}

_Noreturn void bench_run(void)
{
	char pick[256] = "*";

	cmdline_text("bench", pick, sizeof(pick));
	disable_interrupts();
	counting = cmdline_is("count", "on") && has_counters();
	run_table(bench_l1_operations, bench_l1_count, pick);
	if (facts.vmx) {
		run_table(bench_vmx_operations, bench_vmx_count, pick);
		run_table(bench_l2_operations, bench_l2_count, pick);
	}
	wildcard_unused(pick, picked, report_useless);
	machine_stop(failed == 0 && measured > 0, measured - failed, measured);
}
