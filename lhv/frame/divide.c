/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 64-bit division for the 32-bit build, by the names that compilers call; the 64-bit
 * build links them and never calls them.  Pure.
 */
#include "xmhf/lib/types.h"

u64 __udivmoddi4(u64 n, u64 d, u64 *remainder);
u64 __udivdi3(u64 n, u64 d);
u64 __umoddi3(u64 n, u64 d);

/* Shift and subtract, from the highest bit down. */
u64 __udivmoddi4(u64 n, u64 d, u64 *remainder)
{
	u64 quotient = 0, rest = 0;

	if (!(n >> 32) && !(d >> 32)) {
		if (remainder)
			*remainder = (u32)n % (u32)d;
		return (u32)n / (u32)d;
	}
	for (int i = 63; i >= 0; i--) {
		rest = rest << 1 | (n >> i & 1);
		quotient <<= 1;
		if (rest >= d) {
			rest -= d;
			quotient |= 1;
		}
	}
	if (remainder)
		*remainder = rest;
	return quotient;
}

u64 __udivdi3(u64 n, u64 d)
{
	return __udivmoddi4(n, d, NULL);
}

u64 __umoddi3(u64 n, u64 d)
{
	u64 rest;

	__udivmoddi4(n, d, &rest);
	return rest;
}
