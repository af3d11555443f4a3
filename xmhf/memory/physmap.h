/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How L0 reaches host-physical memory: all of it is mapped at PHYSMAP_BASE.  The target
 * implements these two functions with an addition; host tests link their own memory.
 */
#pragma once

#include "xmhf/lib/types.h"

#define PHYSMAP_BASE 0xffff800000000000ULL

/**
 * A pointer through which L0 reads @size bytes at host-physical @address, or NULL where
 * they cannot be read (not mapped, or the range wraps around).  What the firmware and
 * the boot loader left in memory is read through this function only.
 */
const void *physmap_view(u64 address, u64 size);

/** The 4 KiB page @page of L0's own memory.  @pre @page is L0's. */
void *hpa_to_pointer(hpa_t page);

/** Tells physmap_view() that physical memory is mapped up to @end. */
void physmap_set_end(u64 end);
