/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers for tests, the same in each run (xorshift generators). */
#pragma once

#include "xmhf/lib/types.h"

static inline u32 random_u32(void)
{
	static u32 x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static inline u64 random_u64(void)
{
	static u64 x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/** A number below @below. */
static inline u32 random_below(u32 below)
{
	return (u32)(random_u64() >> 32) % below;
}
