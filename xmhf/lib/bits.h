/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bit, field and alignment helpers.  A hardware word is a plain integer; a field
 * of it is a mask made by FIELD(high, low) and read with field_get().
 */
#pragma once

#include "xmhf/lib/types.h"

#define BIT(n)	    (1ULL << (n))
#define BIT32(n)    (1U << (n))
#define FIELD(h, l) ((~0ULL >> (63 - (h))) & (~0ULL << (l)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define IMPLIES(a, b) (!(a) || (b))

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/** The value of the field @mask of @word, moved down to bit 0. */
static inline u64 field_get(u64 word, u64 mask)
{
	return (word & mask) / (mask & -mask);
}

/** @value moved up into the field @mask; bits that do not fit are cut off. */
static inline u64 field_make(u64 mask, u64 value)
{
	return (value * (mask & -mask)) & mask;
}

/** @word with its field @mask replaced by @value. */
static inline u64 field_set(u64 word, u64 mask, u64 value)
{
	return (word & ~mask) | field_make(mask, value);
}

/** Mask of the lowest @n bits; @n is 0 to 64. */
static inline u64 low_bits(unsigned int n)
{
	return n >= 64 ? ~0ULL : BIT(n) - 1;
}

/** @v rounded down to a multiple of @size, a power of two. */
static inline u64 align_down(u64 v, u64 size)
{
	return v & ~(size - 1);
}

/** @v rounded up to a multiple of @size, a power of two. */
static inline u64 align_up(u64 v, u64 size)
{
	return align_down(v + size - 1, size);
}

/** Claim: @v is a multiple of @size, a power of two. */
static inline bool is_aligned(u64 v, u64 size)
{
	return (v & (size - 1)) == 0;
}

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}
