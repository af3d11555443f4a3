/* SPDX-License-Identifier: BSD-2-Clause */
/* L1's own interrupts and faults: protected calls, user mode, counters. */
#pragma once

#include "lhv/frame/cpu.h"

#define VECTOR_USER_RETURN 0x40 /* user code ends with this software interrupt */
#define VECTOR_TIMER	   0x50
#define VECTOR_TEST	   0x51
#define VECTOR_TEST_HIGH   0x91
#define VECTOR_CALL	   0x60
#define VECTOR_WATCHDOG	   0xef
#define VECTOR_SPURIOUS	   0xff

/** Calls @function(@argument); a fault in it is what this returns. */
struct fault fault_try(void (*function)(void *), void *argument);

/** Runs user-mode code at @code, which ends with INT 0x40; the fault that ended it otherwise. */
struct fault user_try(const void *code);

/** How many interrupts of @vector this CPU has taken; resets the counter. */
u32 interrupt_take_count(u32 vector);

/** Ends blocking by NMI, as an IRET does; a held NMI comes right after. */
void nmi_unblock(void);
