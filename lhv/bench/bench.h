/* SPDX-License-Identifier: BSD-2-Clause */
/* The stopwatch: ticks per operation, one line each. */
#pragma once

/** Measures what `bench=` picks and stops the machine. */
_Noreturn void bench_run(void);
