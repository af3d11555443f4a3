/* SPDX-License-Identifier: BSD-2-Clause */
/* The 32-bit build's 64-bit division against the host's own. */
/* sources: lhv/frame/divide.c */
#include "xmhf/test/tap.h"
#include "xmhf/lib/types.h"

u64 __udivmoddi4(u64 n, u64 d, u64 *remainder);

int main(void)
{
	static const u64 values[] = {
		0,	    1,		2,	     3,		  10,
		0x7fffffff, 0xffffffff, 0x100000000, 0x100000001, 0xdeadbeefcafe,
		1ULL << 63, ~0ULL - 1,	~0ULL
	};
	u64 rest;

	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (unsigned int j = 1; j < sizeof(values) / sizeof(values[0]); j++) {
			is_u64(__udivmoddi4(values[i], values[j], &rest), values[i] / values[j],
			       "quotient");
			is_u64(rest, values[i] % values[j], "remainder");
		}
	}
	return tap_end();
}
