/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EPT02 needs of the two things under it that belong to others, found at link time:
 * EPT01, and a record of which pages of L1 were written.  Host tests link their own.
 */
#pragma once

#include "xmhf/memory/ept01.h"

/**
 * Where EPT01 leads for @address: host address of that byte, rights, size of the page in EPT01
 * that holds it, memory type.  Maps on demand what EPT01 maps on demand.  False: L1 has nothing
 * there (L0's memory, or taken away).
 */
bool ept02_lower_lookup(l1pa_t address, struct ept01_translation *out);

/** What EPT01's change to @generation changed; false: not known any more. */
bool ept02_lower_change(u64 generation, struct ept01_range *out);

/**
 * Asks for a record of writes to @page from now on; returns the present time of the record, one
 * clock for all pages.  Calling it again for the same page is allowed and cheap.
 * A record may say "written" too often, never too seldom: every write that this CPU could see
 * counts, by any CPU, by L1, by L2 (whose writes leave EPT01's dirty flags alone), or by L0 for
 * them; except the accessed and dirty flags that ept12_set_flags() sets.
 */
u64 ept12_track(l1pa_t page);

/** Claim: @page may have been written since @time, a value of ept12_track(). */
bool ept12_page_was_written(l1pa_t page, u64 time);

/** Claim: some tracked page may have been written since @time. */
bool ept12_any_was_written(u64 time);
