/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O bitmaps of VMCS02: a port access of L2 exits if L1's bitmaps or L0's (a hypapp's ports)
 * say so.  Pure.  SDM "I/O-Bitmap Addresses": page A for ports 0 to 7FFFH, page B for the others,
 * one bit a port.
 */
#pragma once

#include "xmhf/lib/types.h"

#define IO_BITMAP_WORDS 512 /* of one of the two pages */

/**
 * Builds one page of VMCS02 from @l1, a view of L1's (other CPUs may write it meanwhile, every word
 * is read once), NULL for none, and @l0.
 */
void io_bitmap_merge(const u64 *l1, const u64 *l0, u64 *out);

/**
 * Claim: an access of @size bytes (1, 2, 4) at @port exits under the bitmaps: any of its ports is
 * set, or it wraps around from port FFFFH to 0.
 */
bool io_bitmap_exits(const u64 *a, const u64 *b, u16 port, unsigned int size);
