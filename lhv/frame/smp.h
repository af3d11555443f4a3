/* SPDX-License-Identifier: BSD-2-Clause */
/* The other CPUs: start, and work for them. */
#pragma once

#include "lhv/frame/cpu.h"

/** Starts up to @wanted CPUs in all; sets cpu_count. */
void smp_start(unsigned int wanted);

/** Lets CPU @index run @function(@argument); does not wait. */
void smp_send_work(unsigned int index, void (*function)(void *), void *argument);

/** Waits for the end of CPU @index's work; false after @ticks. */
bool smp_wait(unsigned int index, u64 ticks);

/** INIT-SIPI-SIPI of one CPU, from whatever state; false if it does not come up. */
bool smp_restart(unsigned int index);
