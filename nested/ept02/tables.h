/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of EPT02 and their pool.  Inside nested/ept02 only.
 */
#pragma once

#include "nested/ept02/ept02.h"
#include "xmhf/x86/cpu.h"

/* Accessed and dirty are set from the start, so that the processor need not. */
#define EPT02_FLAGS (EPT_ACCESSED | EPT_DIRTY)

/** Divides the memory of @config into tables; false if there are too few. */
bool ept02_tables_init(struct ept02 *ept, const struct ept02_config *config);

/** A cleared table of @context.  @pre free_count is not 0. */
struct ept02_table *ept02_table_new(struct ept02 *ept, const struct ept02_context *context,
				    unsigned int level);

/** Makes @table the mirror of EPT12's table at @page. */
void ept02_table_mirror(struct ept02_table *table, l1pa_t page);

/** Links @child below entry @index of @parent, with @rights. */
void ept02_table_link(const struct ept02 *ept, struct ept02_table *parent, unsigned int index,
		      struct ept02_table *child, u64 rights);

/** The table at @entry's address.  @pre @entry is a link. */
static inline struct ept02_table *ept02_table_linked(const struct ept02 *ept, u64 entry)
{
	return &ept->tables[((entry & EPT_ADDRESS) - ept->tables_address) / PAGE_SIZE];
}

/** The table that @entry, one of a table at @level, links to; NULL if it is absent or maps a
 * page. */
static inline struct ept02_table *ept02_table_below(const struct ept02 *ept, u64 entry,
						    unsigned int level)
{
	return level == 1 || entry & EPT_LEAF || !entry ? NULL : ept02_table_linked(ept, entry);
}

/** Removes entry @index, with all below; present before, it makes a flush due. */
void ept02_table_drop(struct ept02 *ept, struct ept02_table *table, unsigned int index);

/** Removes all entries of @table, with all below. */
void ept02_table_clear(struct ept02 *ept, struct ept02_table *table);

/** Gives back @table and all below. */
void ept02_table_free(struct ept02 *ept, struct ept02_table *table);

/** Makes at least @count tables free: evicts contexts other than @keep (may be NULL), then
 * trims @keep. */
void ept02_make_room(struct ept02 *ept, struct ept02_context *keep, u64 count);
