/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of writes to a page of L1's, for one holder of a copy.  lower.h has the
 * functions for the tables of EPT12; these are for single pages such as an MSR bitmap.
 */
#pragma once

#include "nested/ept02/lower.h"

/** A page that somebody holds a copy of. */
struct tracked_copy {
	u64 page;  /* of L1's memory */
	u64 time;  /* of the record when the copy was made */
	u32 index; /* of the record */
	bool valid;
};

/** Claim: @copy, of @page, still is what the page holds. */
bool tracker_is_current(const struct tracked_copy *copy, l1pa_t page);

/** To be called before copying @page anew: @copy then tells later whether it is still current. */
void tracker_begin_copy(struct tracked_copy *copy, l1pa_t page);
