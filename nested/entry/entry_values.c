/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory types in PAT and MTRRs.  Pure.  SDM "Memory Cache Control". */
#include "nested/entry/entry_values.h"

bool entry_is_mtrr_type(u64 type)
{
	switch (type) {
	case MEMORY_TYPE_UC:
	case MEMORY_TYPE_WC:
	case MEMORY_TYPE_WT:
	case MEMORY_TYPE_WP:
	case MEMORY_TYPE_WB:
		return true;
	default:
		return false;
	}
}

bool entry_is_valid_pat(u64 pat)
{
	for (unsigned int shift = 0; shift < 64; shift += 8) {
		u64 type = pat >> shift & FIELD(7, 0);

		if (!entry_is_mtrr_type(type) && type != MEMORY_TYPE_UC_MINUS)
			return false;
	}
	return true;
}

bool entry_is_valid_fixed_mtrr(u64 value)
{
	for (unsigned int shift = 0; shift < 64; shift += 8)
		if (!entry_is_mtrr_type(value >> shift & FIELD(7, 0)))
			return false;
	return true;
}
