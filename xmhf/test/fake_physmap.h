/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host-physical memory for host tests: a few ranges of bytes.  physmap_view() hands out a
 * copy of exactly the size asked for, so that the address sanitizer sees every byte
 * read beyond it; hpa_to_pointer() leads to the bytes themselves.
 */
#pragma once

#include "xmhf/memory/physmap.h"

/** Forgets all ranges and frees all views. */
void fake_physmap_reset(void);

/** @size bytes of memory at @address, a copy of @bytes, or zeroes if that is NULL. */
void *fake_physmap_add(u64 address, const void *bytes, u64 size);
