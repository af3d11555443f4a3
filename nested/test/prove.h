/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proofs about real C files (scripts/prove).  A proof is `void prove_NAME(void)` in a file
 * prove_*.c, linked with the files of its `sources:` comment; its claims must hold for every value
 * of its unknowns, on every way through the code.  What the code reads must be known or made
 * unknown here, and every access must lie in its object.
 */
#pragma once

#include "xmhf/lib/types.h"

/** Any value.  The same @name is the same value. */
u8 any_u8(const char *name);
u16 any_u16(const char *name);
u32 any_u32(const char *name);
u64 any_u64(const char *name);

/** Any value below @count; the proof is made for each of them apart, which is quicker. */
u32 each_u32(const char *name, u32 count);

/** Gives the @size bytes of the whole object at @object any values. */
void any_memory(void *object, u64 size, const char *name);

/** A page of any bytes that can only be read, at any offset. */
const void *any_page(const char *name);

/** Only where @condition holds the proof goes on. */
void given(bool condition);

/** The claim @holds must be true wherever this is reached. */
void must(bool holds, const char *claim);

/** Any truth value. */
static inline bool any_bool(const char *name)
{
	return any_u8(name) & 1;
}
