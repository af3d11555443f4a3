/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O bitmaps of VMCS02: a port access of L2 exits if L1's bitmaps or L0 (a hypapp's ports)
 * say so.  Pure.  SDM "I/O-Bitmap Addresses".
 */
#pragma once

#include "xmhf/lib/types.h"

#define IO_BITMAP_WORDS 512 /* of one of the two pages */
#define IO_BITMAP_PORTS 32

/** Ports that L0 intercepts, few. */
struct io_bitmap_wishes {
	u32 count;
	u16 port[IO_BITMAP_PORTS];
};

/** Adds ports @first to @last.  Returns false if the list is full. */
bool io_bitmap_wish(struct io_bitmap_wishes *wishes, u16 first, u16 last);

/**
 * Builds VMCS02's two pages.  @l1_a and @l1_b are views of L1's pages, or NULL for none: only
 * L0's ports then.
 */
void io_bitmap_merge(const u64 *l1_a, const u64 *l1_b, const struct io_bitmap_wishes *wishes,
		     u64 *out_a, u64 *out_b);

/**
 * Claim: an access of @size bytes (1, 2, 4) at @port exits under the bitmaps: any of its ports is
 * set, or it wraps around from port FFFFH to 0.
 */
bool io_bitmap_exits(const u64 *a, const u64 *b, u16 port, unsigned int size);
