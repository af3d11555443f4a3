/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of EPT02: the pool, links, removal.  A table is a page for the processor, and a page
 * of remembered EPT12 entries.
 */
#include "nested/ept02/tables.h"

#include "xmhf/lib/string.h"

_Static_assert(sizeof(struct ept02_table) == 64, "a cache line");

bool ept02_tables_init(struct ept02 *ept, const struct ept02_config *config)
{
	u64 bytes = config->memory_pages * PAGE_SIZE;
	u64 count = bytes / (2 * PAGE_SIZE + sizeof(struct ept02_table));
	u8 *pages = config->memory;
	u64 i;

	if (count < EPT02_TABLES_MIN || !is_aligned((uptr)pages, PAGE_SIZE) ||
	    !is_aligned(config->memory_address.v, PAGE_SIZE))
		return false;
	ept->tables = (struct ept02_table *)(void *)(pages + 2 * count * PAGE_SIZE);
	ept->tables_count = count;
	ept->tables_address = config->memory_address.v;
	for (i = count; i-- > 0;) {
		struct ept02_table *table = &ept->tables[i];

		*table = (struct ept02_table){ .parent = ept->free, .context = EPT02_CONTEXTS };
		table->entries = (u64 *)(void *)(pages + i * PAGE_SIZE);
		table->seen = (u64 *)(void *)(pages + (count + i) * PAGE_SIZE);
		memset(table->entries, 0, PAGE_SIZE);
		memset(table->seen, 0, PAGE_SIZE);
		ept->free = table;
	}
	ept->free_count = count;
	return true;
}

struct ept02_table *ept02_table_new(struct ept02 *ept, const struct ept02_context *context,
				    unsigned int level)
{
	struct ept02_table *table = ept->free;

	ept->free = table->parent;
	ept->free_count--;
	table->context = context->index;
	table->level = (u8)level;
	table->used = 0;
	table->parent = NULL;
	table->view = NULL;
	return table;
}

void ept02_table_mirror(struct ept02_table *table, l1pa_t page)
{
	table->tracked_since = ept12_track(page);
	table->base = page;
	table->view = ept12_view(page);
}

void ept02_table_link(const struct ept02 *ept, struct ept02_table *parent, unsigned int index,
		      struct ept02_table *child, u64 rights)
{
	u64 number = (u64)(child - ept->tables);

	child->parent = parent;
	child->parent_index = (u16)index;
	parent->used |= BIT(index / 8);
	parent->entries[index] = (ept->tables_address + number * PAGE_SIZE) | rights | EPT_ACCESSED;
}

void ept02_table_drop(struct ept02 *ept, struct ept02_table *table, unsigned int index)
{
	u64 entry = table->entries[index];
	struct ept02_table *below = ept02_table_below(ept, entry, table->level);

	if (!entry)
		return;
	table->entries[index] = 0;
	ept->contexts[table->context].must_flush = true;
	ept->statistics.entries_dropped++;
	if (below)
		ept02_table_free(ept, below);
}

/* Recursion ends after as many calls as there are levels. */
void ept02_table_clear(struct ept02 *ept, struct ept02_table *table)
{
	unsigned int line, i;

	for (line = 0; line < EPT_ENTRIES / 8; line++) {
		if (!(table->used & BIT(line)))
			continue;
		for (i = line * 8; i < line * 8 + 8; i++) {
			struct ept02_table *below =
				ept02_table_below(ept, table->entries[i], table->level);

			table->entries[i] = 0;
			table->seen[i] = 0;
			if (below)
				ept02_table_free(ept, below);
		}
	}
	table->used = 0;
}

void ept02_table_free(struct ept02 *ept, struct ept02_table *table)
{
	ept02_table_clear(ept, table);
	ept->contexts[table->context].must_flush = true;
	table->context = EPT02_CONTEXTS;
	table->parent = ept->free;
	ept->free = table;
	ept->free_count++;
}

static struct ept02_context *least_recently_used(struct ept02 *ept,
						 const struct ept02_context *keep)
{
	struct ept02_context *oldest = NULL;
	unsigned int i;

	for (i = 0; i < EPT02_CONTEXTS; i++) {
		struct ept02_context *context = &ept->contexts[i];

		if (!context->root || context == keep)
			continue;
		if (!oldest || context->last_used < oldest->last_used)
			oldest = context;
	}
	return oldest;
}

static void evict(struct ept02 *ept, struct ept02_context *context)
{
	ept02_table_free(ept, context->root);
	context->root = NULL;
	ept->statistics.contexts_evicted++;
	if (ept->current == context)
		ept->current = NULL;
}

/*
 * One context fills the pool.  An eighth of all tables goes, page tables only, in turn; if
 * that was not enough, all of them.
 */
static void trim(struct ept02 *ept, struct ept02_context *context, u64 count)
{
	u64 goal = max_u64(count, ept->tables_count / 8);
	u64 i;

	ept->statistics.trims++;
	for (i = 0; i < ept->tables_count && ept->free_count < goal; i++) {
		struct ept02_table *table = &ept->tables[ept->trim_next];

		if (table->context == context->index && table->level == 1)
			ept02_table_drop(ept, table->parent, table->parent_index);
		ept->trim_next = (ept->trim_next + 1) % ept->tables_count;
	}
	if (ept->free_count < count)
		ept02_table_clear(ept, context->root);
}

void ept02_make_room(struct ept02 *ept, struct ept02_context *keep, u64 count)
{
	while (ept->free_count < count) {
		struct ept02_context *victim = least_recently_used(ept, keep);

		if (!victim)
			break;
		evict(ept, victim);
	}
	if (keep && ept->free_count < count)
		trim(ept, keep, count);
}
