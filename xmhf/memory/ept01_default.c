/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EPT01 says of an address by itself: from the MTRRs, the processor's page sizes and what is
 * hidden; and the tables that this takes.
 */
#include "xmhf/memory/ept01_entry.h"

#define WIDTH_MAX 48 /* of a walk of four levels */

enum part { NONE, SOME, ALL };

/* How much of the @size bytes at @base is hidden. */
static enum part hidden_part(const struct ept01_settings *settings, u64 base, u64 size)
{
	for (unsigned int i = 0; i < settings->hidden_count; i++) {
		u64 start = settings->hidden[i].base, end = start + settings->hidden[i].size;

		if (start <= base && base + size <= end)
			return ALL;
		if (start < base + size && base < end)
			return SOME;
	}
	return NONE;
}

bool ept01_is_hidden(const struct ept01_settings *settings, u64 base, u64 size)
{
	return hidden_part(settings, base, size) != NONE;
}

static unsigned int largest_level(const struct ept01_settings *settings)
{
	if (!(settings->ept_vpid & EPT_CAP_2M))
		return 1;
	return settings->ept_vpid & EPT_CAP_1G ? 3 : 2;
}

bool ept01_default_leaf(const struct ept01_settings *settings, const struct mtrr_state *mtrr,
			u64 base, unsigned int level, u64 *leaf)
{
	u64 size = size_of_level(level), end;
	enum part hidden = hidden_part(settings, base, size);
	enum memory_type type;

	*leaf = 0;
	if (hidden == ALL || (hidden == SOME && level == 1))
		return true;
	if (hidden == SOME || level > largest_level(settings))
		return false;
	type = mtrr_type(mtrr, base, &end);
	if (end - base < size && level > 1)
		return false;
	*leaf = base | EPT_RWX | field_make(EPT_MEMORY_TYPE, type) | (level > 1 ? EPT_LEAF : 0);
	return true;
}

bool ept01_make_leaf(const struct ept01 *ept, u64 address, unsigned int level, u64 *leaf)
{
	return ept01_default_leaf(&ept->settings, &ept->mtrr,
				  align_down(address, size_of_level(level)), level, leaf);
}

u64 ept01_limit_of(const struct ept01_settings *settings)
{
	return BIT(min_u64(settings->physical_address_width, WIDTH_MAX));
}

u64 ept01_eager_end_of(const struct ept01_settings *settings)
{
	return min_u64(max_u64(4 * GIB, settings->top_of_ram), ept01_limit_of(settings));
}

/* Tables needed for an entry of @level at @base, as far as it lies below @end. */
static u64 count_tables(const struct ept01_settings *settings, const struct mtrr_state *mtrr,
			u64 base, unsigned int level, u64 end)
{
	u64 step = size_of_level(level - 1);
	u64 leaf, count = 1;

	if (ept01_default_leaf(settings, mtrr, base, level, &leaf))
		return 0;
	if (level == 2)
		return 1;
	for (u64 i = 0; i < ENTRIES && base + i * step < end; i++)
		count += count_tables(settings, mtrr, base + i * step, level - 1, end);
	return count;
}

u64 ept01_pages_needed(const struct ept01_settings *settings, const struct mtrr_state *mtrr)
{
	return count_tables(settings, mtrr, 0, TOP_LEVEL + 1, ept01_eager_end_of(settings));
}

u64 ept01_pool_pages(const struct ept01_settings *settings, const struct mtrr_state *mtrr)
{
	u64 needed = ept01_pages_needed(settings, mtrr);

	return min_u64(needed + EPT01_SPARE_PAGES, EPT01_POOL_PAGES_MAX);
}
