/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into Bochs: RDRAND and RDSEED take their numbers from rand(), which Bochs seeds
 * with the time of day.  Without a seed two runs of one image are the same, tick by tick.
 */

void srand(unsigned int seed);

void srand(unsigned int seed)
{
	(void)seed;
}
