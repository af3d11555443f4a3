/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to L1's memory from L0.  Addresses are checked: an address that is not L1's
 * (L0's own memory, or beyond the physical width) is refused, never followed.  So is a page whose
 * right to be read, or written, the hypapp took away: docs/hypapps.md.
 * Host tests link their own implementation.
 */
#pragma once

#include "xmhf/lib/types.h"

/**
 * A pointer through which L0 reads @size bytes of L1's memory at @address,
 * or NULL where any of it is not L1's.  The range must not cross a 4 KiB boundary.
 * Other CPUs of L1 may change the bytes at any time: copy once, check the copy.
 */
void *l1_memory_view(l1pa_t address, u64 size);

/** Claim: no hypapp forbids L1, and L0 for it, to write to the page at @address. */
bool l1_memory_may_write(l1pa_t address);

/** As l1_memory_view(), for a change in place. */
void *l1_memory_view_for_writing(l1pa_t address, u64 size);

/** Copies @size bytes from L1's memory; bytes that are not L1's read as all-ones. */
void l1_memory_read(l1pa_t address, void *out, u64 size);

/** Copies @size bytes to L1's memory; bytes that are not L1's are dropped. */
void l1_memory_write(l1pa_t address, const void *in, u64 size);
