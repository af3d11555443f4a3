/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the table of operations and prints `BENCH name ticks`. */
#include "lhv/bench/bench.h"

#include "lhv/bench/operations.h"
#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/machine.h"
#include "xmhf/lib/bits.h"

static u32 measured, failed;
static u64 picked;

static void print_result(const struct bench_operation *o, u64 ticks)
{
	measured++;
	if (ticks == BENCH_UNAVAILABLE) {
		report("BENCH %s -\n", o->name);
		return;
	}
	if (ticks == BENCH_FAILED) {
		failed++;
		report("BENCH %s failed\n", o->name);
		return;
	}
	report("BENCH %s %llu\n", o->name, (ticks + BENCH_ROUNDS / 2) / BENCH_ROUNDS);
}

static void run_table(const struct bench_operation *table, unsigned int count, const char *pick)
{
	for (unsigned int i = 0; i < count; i++) {
		u64 found = wildcard_alternatives(pick, table[i].name);

		picked |= found;
		if (found)
			print_result(&table[i], table[i].run());
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
	run_table(bench_l1_operations, bench_l1_count, pick);
	if (facts.vmx) {
		run_table(bench_vmx_operations, bench_vmx_count, pick);
		run_table(bench_l2_operations, bench_l2_count, pick);
	}
	wildcard_unused(pick, picked, report_useless);
	machine_stop(failed == 0 && measured > 0, measured - failed, measured);
}
