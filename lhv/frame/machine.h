/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical memory to use, the end of a run, time. */
#pragma once

#include "xmhf/lib/types.h"

/** @pages zeroed contiguous pages, never given back. */
void *page_alloc(unsigned int pages);

/** Prints the verdict line and ends the machine in every way the lab knows. */
_Noreturn void machine_stop(bool pass, u32 n, u32 m);

/** Waits about @ticks of the time-stamp counter. */
void delay(u64 ticks);

/** Waits until *@flag is not 0; false if that takes more than @ticks. */
bool wait_for(const volatile u32 *flag, u64 ticks);

/** Claim: the hypervisor under test is beneath, by its CPUID leaf. */
bool machine_is_on_xmhf(void);
