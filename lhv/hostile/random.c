/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers: xorshift of 64 bits. */
#include "lhv/hostile/hostile.h"

u64 random_mix(u64 seed, u64 cpu, u64 epoch)
{
	u64 x = seed * 0x9e3779b97f4a7c15 + cpu * 0xd1342543de82ef95 + epoch;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (x ^ x >> 31) | 1;
}

u64 random_64(struct hostile *h)
{
	u64 x = h->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	h->random = x;
	return x * 0x2545f4914f6cdd1d;
}

u64 random_below(struct hostile *h, u64 n)
{
	return (u64)((u32)(random_64(h) >> 32)) * n >> 32;
}

bool random_once_in(struct hostile *h, u64 n)
{
	return random_below(h, n) == 0;
}

u64 random_shape(struct hostile *h)
{
	u64 x = random_64(h);

	switch (x & 7) {
	case 0:
		return BIT(x >> 58);
	case 1:
		return ~BIT(x >> 58);
	case 2:
		return x >> 3 & 0xff;
	case 3:
		return ~0ULL;
	case 4:
		return 0;
	case 5:
		return low_bits((unsigned int)(x >> 58));
	case 6:
		return x >> (x >> 8 & 63);
	default:
		return random_64(h);
	}
}
