/* SPDX-License-Identifier: BSD-2-Clause */
/* A spinlock for the few states CPUs share.  L0 runs with interrupts off; NMIs take no lock. */
#pragma once

#include "xmhf/x86/insn.h"

struct spinlock {
	u32 taken;
};

/** Waits until the lock is free and takes it. */
static inline void spin_lock(struct spinlock *lock)
{
	while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
}

/** Takes the lock if it is free; returns whether it did. */
static inline bool spin_try_lock(struct spinlock *lock)
{
	return !__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE);
}

/** Gives the lock back. */
static inline void spin_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}
