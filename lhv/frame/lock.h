/* SPDX-License-Identifier: BSD-2-Clause */
/* A spin lock; held with interrupts as they are, so never taken in a handler. */
#pragma once

#include "xmhf/x86/insn.h"

struct lock {
	volatile u32 taken;
};

static inline void lock_take(struct lock *lock)
{
	while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
}

static inline void lock_release(struct lock *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}
