/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit histogram of the hypervisor application `trace`, as tables. */
#include <cpuid.h>
#include <stdio.h>

#include "hypercall.h"
#include "l1probe.h"

#define SLOTS_PER_KIND 128u
#define KINDS	       3u
#define SLOTS	       (KINDS * SLOTS_PER_KIND)
#define REASON_CPUID   10u
#define CPUIDS	       100u
#define NEWEST	       4u
#define MOST_CPUS      64u

static const char *const reason_names[SLOTS_PER_KIND] = {
#define EXIT_REASON(number, name, text) [number] = text,
#include "xmhf/x86/exit_reasons.def"
#undef EXIT_REASON
};

/* From L1; from L2 and reflected to L1; from L2 and handled by L0. */
static const char *const kind_names[KINDS] = { "101", "201", "202" };

struct cell {
	u64 count, ticks;
};

static struct cell read_cell(unsigned int cpu, unsigned int slot)
{
	struct hypercall_result answer = hypercall(HYPERCALL_TRACE_HISTOGRAM, cpu, slot);

	if (answer.undefined || answer.status != HYPERCALL_OK)
		return (struct cell){ 0, 0 };
	return (struct cell){ answer.b, answer.c };
}

const char *reason_name(unsigned int reason)
{
	const char *name = reason_names[reason % SLOTS_PER_KIND];

	return name ? name : "?";
}

static void print_row(const char *cpu, unsigned int slot, struct cell cell)
{
	printf("PROBE exits %5s %s %-24s %10lu %12lu %8lu\n", cpu,
	       kind_names[slot / SLOTS_PER_KIND], reason_name(slot), cell.count, cell.ticks,
	       cell.ticks / cell.count);
}

static void print_table(unsigned int cpus)
{
	struct cell total[SLOTS] = { 0 };

	printf("PROBE exits   cpu knd reason                        count        ticks  average\n");
	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", cpu);
		for (unsigned int slot = 0; slot < SLOTS; slot++) {
			struct cell cell = read_cell(cpu, slot);

			total[slot].count += cell.count;
			total[slot].ticks += cell.ticks;
			if (cell.count && cpus > 1)
				print_row(name, slot, cell);
		}
	}
	for (unsigned int slot = 0; slot < SLOTS; slot++)
		if (total[slot].count)
			print_row("total", slot, total[slot]);
}

static void execute_cpuids(void)
{
	u32 a, b, c, d;

	for (unsigned int i = 0; i < CPUIDS; i++)
		__cpuid(0, a, b, c, d);
}

/* The hypervisor may number CPUs otherwise than Linux, but every CPU must have one number. */
static void check_counting(unsigned int cpus)
{
	u64 before[MOST_CPUS];

	for (unsigned int cpu = 0; cpu < cpus && cpu < MOST_CPUS && run_on_cpu(cpu); cpu++) {
		unsigned int grown = 0;

		for (unsigned int i = 0; i < cpus && i < MOST_CPUS; i++)
			before[i] = read_cell(i, REASON_CPUID).count;
		execute_cpuids();
		for (unsigned int i = 0; i < cpus && i < MOST_CPUS; i++)
			grown += read_cell(i, REASON_CPUID).count - before[i] >= CPUIDS;
		check(grown == 1, "CPU %u: %u CPUIDs are counted as exits of one CPU", cpu, CPUIDS);
	}
}

static void print_newest(unsigned int cpus)
{
	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		for (unsigned int n = 0; n < NEWEST; n++) {
			struct hypercall_result entry = hypercall(HYPERCALL_TRACE_ENTRY, cpu, n);
			u32 slot = (u32)entry.c;

			if (entry.undefined || entry.status != HYPERCALL_OK || slot >= SLOTS)
				break;
			printf("PROBE newest cpu=%u %s %016lx %s qual=%#lx ticks=%lu\n", cpu,
			       kind_names[slot / SLOTS_PER_KIND], entry.b, reason_name(slot),
			       entry.d, entry.c >> 32);
		}
	}
}

static bool has_trace(void)
{
	struct hypercall_result version = hypercall(HYPERCALL_VERSION, 0, 0);

	return !version.undefined && version.status == HYPERCALL_OK && version.d == HYPAPP_TRACE;
}

void print_histogram(void)
{
	if (has_trace())
		print_table(online_cpus());
}

void check_histogram(void)
{
	struct hypercall_result info;

	if (!has_trace())
		return;
	info = hypercall(HYPERCALL_TRACE_INFO, 0, 0);
	if (!check(info.status == HYPERCALL_OK, "hypercall TRACE_INFO"))
		return;
	printf("PROBE trace cpus=%lu slots=%lu ring=%lu\n", info.b, info.c, info.d);
	check(info.b >= online_cpus(), "the trace knows every CPU");
	check(info.c >= SLOTS, "the histogram has a slot for every kind and reason");
	check_counting(online_cpus());
	print_newest(online_cpus());
	print_table(online_cpus());
}
