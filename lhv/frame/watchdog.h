/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog: ends what hangs on CPU 0, in L1 or in L2, whatever RFLAGS.IF and the pin-based
 * controls are.  It changes nothing of a VMCS.  The first timer of the HPET sends an NMI through
 * the I/O APIC; where NMIs are blocked the second one sends an INIT a little later, which an L2
 * leaves by always.  Without an HPET it is an interrupt of the local APIC's timer.
 */
#pragma once

#include "xmhf/lib/types.h"

/** What the watchdog ended last. */
struct watchdog_report {
	const char *level; /* "L1" or "L2" */
	u64 rip;
};

/** Finds the HPET and sets the I/O APIC; @use_hpet false: as if there were none. */
void watchdog_init(bool use_hpet);

/** Claim: it is an HPET that bites. */
bool watchdog_has_hpet(void);

/** From now on this CPU has so many milliseconds; 0 < @milliseconds < 40000. */
void watchdog_arm(u32 milliseconds);
void watchdog_disarm(void);

/** Claim: the time of this CPU is over; false where there is no HPET. */
bool watchdog_has_expired(void);

/** Calls @function(@argument) under the watchdog; false if the watchdog had to end it. */
bool watchdog_call(void (*function)(void *), void *argument);

/** To the nearest watchdog_call(); @level and @rip say where the CPU hung. */
_Noreturn void watchdog_bite(const char *level, u64 rip);

struct watchdog_report watchdog_last(void);
