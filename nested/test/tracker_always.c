/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of writes for a processor without one: every page may have been written.
 * EPT02 then compares all entries that it uses at every INVEPT.
 */
#include "nested/ept02/lower.h"

u64 ept12_track(l1pa_t page)
{
	(void)page;
	return 0;
}

bool ept12_page_was_written(l1pa_t page, u64 time)
{
	(void)page;
	(void)time;
	return true;
}

bool ept12_any_was_written(u64 time)
{
	(void)time;
	return true;
}
