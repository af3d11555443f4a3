/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory types in PAT.  Pure.  SDM "Memory Cache Control". */
#include "nested/entry/entry_values.h"

static bool is_pat_type(u64 type)
{
	switch (type) {
	case MEMORY_TYPE_UC:
	case MEMORY_TYPE_WC:
	case MEMORY_TYPE_WT:
	case MEMORY_TYPE_WP:
	case MEMORY_TYPE_WB:
	case MEMORY_TYPE_UC_MINUS:
		return true;
	default:
		return false;
	}
}

bool entry_is_valid_pat(u64 pat)
{
	for (unsigned int shift = 0; shift < 64; shift += 8)
		if (!is_pat_type(pat >> shift & FIELD(7, 0)))
			return false;
	return true;
}
