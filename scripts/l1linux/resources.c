/* SPDX-License-Identifier: BSD-2-Clause */
/* What L0 holds for L1, as the hypercall COUNTERS says: to be compared before and after a load. */
#include <stdio.h>

#include "hypercall.h"
#include "l1probe.h"

#define GROUP_TROUBLE 3u
#define GROUP_ABORTS  4u
#define GROUP_HELD    5u
#define GROUP_POOL    6u

void print_resources(const char *when)
{
	struct hypercall_result held, trouble, aborts,
		pool = hypercall(HYPERCALL_COUNTERS, GROUP_POOL, 0);

	if (pool.undefined)
		return;
	for (unsigned int cpu = 0; cpu < online_cpus() && run_on_cpu(cpu); cpu++) {
		held = hypercall(HYPERCALL_COUNTERS, GROUP_HELD, 0);
		trouble = hypercall(HYPERCALL_COUNTERS, GROUP_TROUBLE, 0);
		aborts = hypercall(HYPERCALL_COUNTERS, GROUP_ABORTS, 0);
		printf("PROBE resources %s cpu=%u free_pages=%lu ept02_tables=%lu ept02s=%lu "
		       "vmcs02s=%lu "
		       "refused=%lu restarts=%lu aborts=%lu\n",
		       when, cpu, pool.b, held.b, held.c, held.d, trouble.b, trouble.c, aborts.b);
	}
}
