/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of the stopwatch. */
#pragma once

#include "lhv/vm/vm.h"

/* Each operation is repeated so often; its function returns the ticks of all rounds. */
#define BENCH_ROUNDS	  1000
#define BENCH_UNAVAILABLE (~0ULL)
#define BENCH_FAILED	  (~0ULL - 1)

struct bench_operation {
	const char *name;
	u64 (*run)(void);
};

/**
 * What is measured: ticks, or one of the counters of a hypervisor beneath that counts its own
 * exits and VMX instructions.  The cost of reading is not part of it.
 */
u64 bench_clock(void);

/** Operations of L1 that need no VMX. */
extern const struct bench_operation bench_l1_operations[];
extern const unsigned int bench_l1_count;
/** VMX instructions. */
extern const struct bench_operation bench_vmx_operations[];
extern const unsigned int bench_vmx_count;
/** Entries, exits, and what L2 does. */
extern const struct bench_operation bench_l2_operations[];
extern const unsigned int bench_l2_count;
