/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes out of EPT02: after L1's INVEPT what differs from EPT12 now, and after a change of
 * EPT01 what was made of the old one.  SDM "INVEPT - Invalidate Translations Derived from EPT".
 */
#include "nested/ept02/tables.h"

#include "xmhf/x86/cpu.h"

/* Bits of an entry that lead elsewhere if they change. */
#define TABLE_IDENTITY EPT_ADDRESS
#define PAGE_IDENTITY  (EPT_ADDRESS | EPT_MEMORY_TYPE | EPT_IGNORE_PAT)

struct resync {
	struct ept02 *ept;
	struct ept02_context *context;
	bool all; /* tables are compared, written or not */
	bool changed;
};

/*
 * Rights that a changed entry still gives to what was made of its old value, or 0 if that has
 * to go: it leads elsewhere, or L1 took back the accessed flag.
 */
static u64 remaining_rights(const struct resync *r, const struct ept02_table *table, u64 old,
			    u64 now)
{
	const struct ept12_rules *rules = &r->ept->rules;
	enum ept12_kind kind = ept12_classify(rules, now, table->level);
	u64 identity = kind == EPT12_PAGE ? PAGE_IDENTITY : TABLE_IDENTITY;
	u64 rights = now & EPT_RWX;

	if (kind == EPT12_ABSENT || kind == EPT12_MISCONFIGURED ||
	    kind != ept12_classify(rules, old, table->level) || (old ^ now) & identity)
		return 0;
	if (!r->context->sets_flags)
		return rights;
	if (!(now & EPT_ACCESSED) && (old & EPT_ACCESSED))
		return 0;
	if (kind == EPT12_PAGE && !(now & EPT_DIRTY))
		rights &= ~EPT_WRITE;
	return rights;
}

static void resync_entry(struct resync *r, struct ept02_table *table, unsigned int index, u64 now)
{
	u64 entry = table->entries[index];
	u64 rights = remaining_rights(r, table, table->seen[index], now);
	u64 left;

	/* A link has EPT12's rights.  A page may have fewer: more come with the next violation. */
	if (ept02_table_below(r->ept, entry, table->level))
		left = rights;
	else
		left = entry & rights;
	if (!left) {
		ept02_table_drop(r->ept, table, index);
		r->changed = true;
		return;
	}
	table->seen[index] = now;
	table->entries[index] = (entry & ~EPT_RWX) | left;
	if (entry & ~left & EPT_RWX) {
		r->ept->statistics.entries_narrowed++;
		r->changed = true;
	}
}

/* Claim: the eight entries from @first on are those that were seen. */
static bool is_same_line(const struct ept02_table *table, unsigned int first)
{
	const volatile u64 *now = table->view + first;
	const u64 *seen = table->seen + first;

	return !((now[0] ^ seen[0]) | (now[1] ^ seen[1]) | (now[2] ^ seen[2]) | (now[3] ^ seen[3]) |
		 (now[4] ^ seen[4]) | (now[5] ^ seen[5]) | (now[6] ^ seen[6]) | (now[7] ^ seen[7]));
}

static void compare_line(struct resync *r, struct ept02_table *table, unsigned int first)
{
	unsigned int i;

	for (i = first; i < first + 8; i++) {
		u64 now = table->view[i];

		if (now == table->seen[i])
			continue;
		if (table->entries[i])
			resync_entry(r, table, i, now);
		else
			table->seen[i] = now; /* lets is_same_line() say yes next time */
	}
}

static void compare_table(struct resync *r, struct ept02_table *table)
{
	u64 lines;

	table->tracked_since = ept12_track(table->base);
	r->ept->statistics.tables_compared++;
	for (lines = table->used; lines; lines &= lines - 1) {
		unsigned int first = (unsigned int)__builtin_ctzll(lines) * 8;

		if (!is_same_line(table, first))
			compare_line(r, table, first);
	}
}

/* Recursion ends after as many calls as there are levels. */
static void resync_table(struct resync *r, struct ept02_table *table)
{
	u64 lines;

	if (r->all || ept12_page_was_written(table->base, table->tracked_since))
		compare_table(r, table);
	if (table->level == 1)
		return;
	for (lines = table->used; lines; lines &= lines - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(lines) * 8;
		unsigned int end = i + 8;

		for (; i < end; i++) {
			struct ept02_table *below =
				ept02_table_below(r->ept, table->entries[i], table->level);

			if (below && below->view)
				resync_table(r, below);
		}
	}
}

bool ept02_settle(struct ept02 *ept, struct ept02_context *context)
{
	struct resync r = { .ept = ept, .context = context, .all = context->compare_all };

	if (!context->must_compare)
		return false;
	context->must_compare = context->compare_all = false;
	ept->statistics.resyncs++;
	if (ept12_any_was_written(context->tracked_since) || r.all) {
		context->tracked_since = ept12_track(context->root->base);
		resync_table(&r, context->root);
	}
	ept->statistics.resyncs_unchanged += !r.changed;
	return r.changed;
}

static void invept(struct ept02_context *context)
{
	context->must_compare = true;
	if (context->has_run)
		context->must_flush = true;
	context->has_run = false;
}

void ept02_invept_all(struct ept02 *ept)
{
	unsigned int i;

	for (i = 0; i < ept->contexts_used; i++) {
		if (!ept->contexts[i].root)
			continue;
		invept(&ept->contexts[i]);
		ept->contexts[i].compare_all = true;
	}
}

void ept02_invept_single(struct ept02 *ept, u64 eptp12)
{
	unsigned int i;

	/* Translations are tagged by the address in the EPTP alone. */
	for (i = 0; i < ept->contexts_used; i++) {
		struct ept02_context *context = &ept->contexts[i];

		if (context->root && !((context->eptp12 ^ eptp12) & EPTP_ADDRESS))
			invept(context);
	}
}

/* EPT01's change. */
struct change {
	struct ept02 *ept;
	u64 first, size;
};

static bool touches(const struct change *c, u64 address, u64 size)
{
	return address < c->first ? c->first - address < size : address - c->first < c->size;
}

static u64 l1_address_of(const struct ept02_table *table, unsigned int index)
{
	u64 size = ept12_size(table->level);

	return table->view ? align_down(table->seen[index] & EPT_ADDRESS, size)
			   : table->base.v + index * size;
}

static void drop_changed(const struct change *c, struct ept02_table *table);

static void drop_changed_entry(const struct change *c, struct ept02_table *table, unsigned int i)
{
	struct ept02_table *below = ept02_table_below(c->ept, table->entries[i], table->level);
	bool gone;

	if (!below)
		gone = touches(c, l1_address_of(table, i), ept12_size(table->level));
	else /* a mirror whose table is no longer where it was cannot be read either */
		gone = below->view && touches(c, below->base.v, PAGE_SIZE);
	if (gone)
		ept02_table_drop(c->ept, table, i);
	else if (below)
		drop_changed(c, below);
}

/* Recursion ends after as many calls as there are levels. */
static void drop_changed(const struct change *c, struct ept02_table *table)
{
	u64 lines;

	for (lines = table->used; lines; lines &= lines - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(lines) * 8;
		unsigned int end = i + 8;

		for (; i < end; i++) {
			if (table->entries[i])
				drop_changed_entry(c, table, i);
		}
	}
}

void ept02_ept01_changed(struct ept02 *ept, l1pa_t first, u64 size, u64 generation)
{
	struct change change = { .ept = ept, .first = first.v, .size = size };
	unsigned int i;

	ept->ept01_generation = generation;
	ept->lower.page_size = 0;
	for (i = 0; i < EPT02_CONTEXTS; i++) {
		struct ept02_context *context = &ept->contexts[i];

		if (!context->root)
			continue;
		if (touches(&change, context->root->base.v, PAGE_SIZE)) {
			ept02_table_clear(ept, context->root);
			ept02_table_mirror(context->root, context->root->base);
		} else {
			drop_changed(&change, context->root);
		}
	}
}

/* Obeys the changes up to @generation one by one; false if not all of them are known. */
static bool follow_changes(struct ept02 *ept, u64 generation)
{
	for (u64 next = ept->ept01_generation + 1; next - 1 != generation; next++) {
		struct ept01_range change;

		if (!ept02_lower_change(next, &change))
			return false;
		ept02_ept01_changed(ept, l1pa(change.base), change.size, next);
	}
	return true;
}

void ept02_ept01_check(struct ept02 *ept, u64 generation)
{
	if (generation != ept->ept01_generation && !follow_changes(ept, generation))
		ept02_ept01_changed(ept, l1pa(0), ~0ULL, generation);
}
