/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O bitmaps: every port, one byte and wider accesses, wrap-around. */
/* sources: nested/vmcs02/io_bitmap.c */
#include "nested/vmcs02/io_bitmap.h"

#include <string.h>
#include "xmhf/lib/bits.h"
#include "xmhf/test/tap.h"

static u64 a[IO_BITMAP_WORDS], b[IO_BITMAP_WORDS], out_a[IO_BITMAP_WORDS], out_b[IO_BITMAP_WORDS];

static bool oracle_port(const u64 *pa, const u64 *pb, u32 port)
{
	const unsigned char *page = (const unsigned char *)(port & 0x8000 ? pb : pa);

	return page[(port & 0x7fff) >> 3] & (1 << (port & 7));
}

static bool is_wanted(u32 port)
{
	return port == 0 || (port >= 0xcf8 && port <= 0xcff) || port == 0x7fff || port == 0x8000 ||
	       port == 0xffff;
}

static void test_merge(bool with_l1)
{
	static u64 own[2][IO_BITMAP_WORDS];
	unsigned long bad = 0;
	u32 x = 12345;

	for (u32 port = 0; port < 0x10000; port++)
		if (is_wanted(port))
			own[port >> 15][port % 0x8000 / 64] |= BIT(port % 64);
	for (u32 i = 0; i < IO_BITMAP_WORDS; i++) {
		x = x * 1664525 + 1013904223;
		a[i] = x >> 28 ? 0 : (u64)x << 20;
		b[i] = x >> 27 ? 0 : (u64)x << 10;
		out_a[i] = out_b[i] = ~0ULL;
	}
	io_bitmap_merge(with_l1 ? a : NULL, own[0], out_a);
	io_bitmap_merge(with_l1 ? b : NULL, own[1], out_b);
	for (u32 port = 0; port < 0x10000; port++)
		for (u32 size = 1; size <= 4; size *= 2) {
			bool expected = false;

			for (u32 i = 0; i < size; i++)
				expected |= port + i > 0xffff || is_wanted(port + i) ||
					    (with_l1 && oracle_port(a, b, port + i));
			bad += io_bitmap_exits(out_a, out_b, (u16)port, size) != expected;
		}
	is_u64(bad, 0, "every port and size");
}

int main(void)
{
	test_merge(true);
	test_merge(false);
	return tap_end();
}
