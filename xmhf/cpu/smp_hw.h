/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the application processors.  SDM "MP Initialization Protocol Algorithm". */
#pragma once

#include "xmhf/lib/types.h"

/** Where a processor started by smp_start() goes. */
struct smp_start {
	u64 cr3;   /* below 4 GiB; maps the trampoline page 1:1 */
	u64 stack; /* initial RSP */
	void *argument;
	void (*entry)(void *argument);
	volatile bool *started; /* set by entry() */
};

/** Copies the trampoline to the page at physical @page, below 1 MiB; its old content is kept. */
void smp_install_trampoline(u64 page);

/** Puts back what was on the trampoline's page. */
void smp_remove_trampoline(void);

/** Sends INIT, SIPI, SIPI to @apic_id and waits until it started; false if it never did. */
bool smp_start(u32 apic_id, const struct smp_start *start);
