/* SPDX-License-Identifier: BSD-2-Clause */
/* L2's exits as L1's KVM counted them, by reason: the histogram of its trace point kvm_exit. */
#include <stdio.h>

#include "l1probe.h"

#define HISTOGRAM	  "/sys/kernel/tracing/events/kvm/kvm_exit/hist"
#define BASIC_EXIT_REASON 0xffffu

int print_kvm_exits(void)
{
	FILE *file = fopen(HISTOGRAM, "r");
	char line[256];

	if (!file) {
		perror(HISTOGRAM);
		return 1;
	}
	while (fgets(line, sizeof(line), file)) {
		unsigned int reason;
		unsigned long count;

		if (sscanf(line, "{ exit_reason: %u } hitcount: %lu", &reason, &count) == 2)
			printf("KVM-EXITS %-24s %10lu\n", reason_name(reason & BASIC_EXIT_REASON),
			       count);
	}
	fclose(file);
	return 0;
}
