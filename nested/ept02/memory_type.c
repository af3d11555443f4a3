/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Combination of memory types.
 * SDM "Selecting Memory Types for Pentium III and More Recent Processor Families".
 */
#include "nested/ept02/memory_type.h"

#include "xmhf/x86/vmx.h"

#define TYPE_COUNT 8

#define UC MEMORY_TYPE_UC
#define WC MEMORY_TYPE_WC
#define WT MEMORY_TYPE_WT
#define WP MEMORY_TYPE_WP
#define WB MEMORY_TYPE_WB

/* [EPT01's type][EPT12's type]; reserved types are UC. */
// clang-format off
static const u8 combined[TYPE_COUNT][TYPE_COUNT] = {
	[UC] = { [UC] = UC, [WC] = WC, [WT] = UC, [WP] = UC, [WB] = UC },
	[WC] = { [UC] = UC, [WC] = WC, [WT] = UC, [WP] = UC, [WB] = WC },
	[WT] = { [UC] = UC, [WC] = WC, [WT] = WT, [WP] = WP, [WB] = WT },
	[WP] = { [UC] = UC, [WC] = WC, [WT] = WT, [WP] = WP, [WB] = WP },
	[WB] = { [UC] = UC, [WC] = WC, [WT] = WT, [WP] = WP, [WB] = WB },
};
// clang-format on

u64 ept02_memory_type_bits(u64 ept12_entry, enum memory_type ept01_type)
{
	u64 type12 = field_get(ept12_entry, EPT_MEMORY_TYPE);
	u64 type = combined[(unsigned int)ept01_type % TYPE_COUNT][type12];

	return field_make(EPT_MEMORY_TYPE, type) | (ept12_entry & EPT_IGNORE_PAT);
}
