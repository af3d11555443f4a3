/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O bitmaps.  Pure.  SDM "I/O-Bitmap Addresses": page A for ports 0 to 7FFFH, page B for
 * the others, one bit a port.
 */
#include "nested/vmcs02/io_bitmap.h"

#include "xmhf/lib/bits.h"

#define PORTS_PER_PAGE 0x8000U

void io_bitmap_merge(const u64 *l1, const u64 *l0, u64 *out)
{
	const volatile u64 *in = l1;

	for (u32 i = 0; i < IO_BITMAP_WORDS; i++)
		out[i] = (in ? in[i] : 0) | l0[i];
}

bool io_bitmap_exits(const u64 *a, const u64 *b, u16 port, unsigned int size)
{
	for (u32 i = port; i < port + size; i++) {
		const u64 *page = i < PORTS_PER_PAGE ? a : b;

		if (i > 0xffff || (page[i % PORTS_PER_PAGE / 64] >> (i % 64) & 1))
			return true;
	}
	return false;
}
