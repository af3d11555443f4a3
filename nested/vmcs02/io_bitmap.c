/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O bitmaps.  Pure.  SDM "I/O-Bitmap Addresses": page A for ports 0 to 7FFFH, page B for
 * the others, one bit a port.
 */
#include "nested/vmcs02/io_bitmap.h"

#include "xmhf/lib/bits.h"

#define PORTS_PER_PAGE 0x8000U

bool io_bitmap_wish(struct io_bitmap_wishes *wishes, u16 first, u16 last)
{
	for (u32 port = first; port <= last; port++) {
		if (wishes->count == IO_BITMAP_PORTS)
			return false;
		wishes->port[wishes->count++] = (u16)port;
	}
	return true;
}

static void copy_page(const volatile u64 *in, u64 *out)
{
	for (u32 i = 0; i < IO_BITMAP_WORDS; i++)
		out[i] = in ? in[i] : 0;
}

void io_bitmap_merge(const u64 *l1_a, const u64 *l1_b, const struct io_bitmap_wishes *wishes,
		     u64 *out_a, u64 *out_b)
{
	copy_page(l1_a, out_a);
	copy_page(l1_b, out_b);
	for (u32 i = 0; i < wishes->count; i++) {
		u32 port = wishes->port[i];
		u64 *page = port < PORTS_PER_PAGE ? out_a : out_b;

		page[port % PORTS_PER_PAGE / 64] |= BIT(port % 64);
	}
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
