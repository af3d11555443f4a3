/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's own writes to L1's memory, for whoever keeps a copy of it. */
#pragma once

#include "xmhf/lib/types.h"

/**
 * L0 wrote to the page of L1's memory at @address on L1's behalf.  Implemented by the write
 * tracker, nested/ept02/tracker.c, which sees the writes of L1 itself in EPT01's dirty flags.
 */
void l1_memory_written(l1pa_t address);

/** L1 ran on tables other than EPT01: it may have written to any page.  Implemented there too. */
void l1_memory_written_anywhere(void);
