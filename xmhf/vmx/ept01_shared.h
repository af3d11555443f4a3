/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT01 is shared by all CPUs: its lock, and making all of them forget translations.
 * Implemented in xmhf/vmexit/kick_hw.c.
 */
#pragma once

/** Takes machine.ept_lock on the calling CPU, answering kicks of its holder meanwhile. */
void ept01_lock(void);

/** Gives machine.ept_lock back. */
void ept01_unlock(void);

/**
 * Makes every CPU forget translations of EPT01 before it runs L1 or L2 again.  The caller holds the
 * lock.
 */
void ept01_flush_all_cpus(void);
