/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT violations of L2: walk EPT12, and fill EPT02 on the way.
 * SDM "EPT Violations", "EPT Misconfigurations", "Accessed and Dirty Flags for EPT".
 *
 * Every walk begins at EPT12's root and reads each entry once.  A linked mirror whose
 * remembered entry is what was read was checked before: that makes the walk short, and leaves no
 * question of what may be cached.  An entry found changed loses what was made of it at once:
 * the processor too forgets the mappings of an address that caused a violation.
 */
#include "nested/ept02/memory_type.h"
#include "nested/ept02/tables.h"
#include "xmhf/memory/l1_memory.h"

/* Rounds of a walk that finds entries changed before it gives way to L2. */
#define TOUCH_ROUNDS 8
/* Neighbours: the entries in one cache line. */
#define PREFETCH_LINE 8

/* What of a page's entry cannot change without a new translation. */
#define PAGE_IDENTITY (EPT_ADDRESS | EPT_MEMORY_TYPE | EPT_IGNORE_PAT | EPT_LEAF)

/* Equal in entries of a page table that differ in the address only. */
#define SAME_PAGE_KIND (EPT_RWX | EPT_MEMORY_TYPE | EPT_IGNORE_PAT)

/* One walk. */
struct touch {
	struct ept02 *ept;
	struct ept02_context *context;
	u64 address; /* L2's */
	u64 access;
	u64 rights;					/* of EPT12, ANDed so far */
	u64 entry;					/* that ended the walk */
	unsigned int level;				/* of that entry */
	struct ept02_table *path[EPT12_LEVELS_MAX + 1]; /* mirrors, by level */
};

/* The rights that an entry of EPT12 has by itself. */
static u64 own_rights(const struct ept02_context *context, u64 entry)
{
	u64 rights = entry & EPT_RWX;

	/* The first write has to set the dirty flag. */
	if (context->sets_flags && !(entry & EPT_DIRTY))
		rights &= ~EPT_WRITE;
	return rights;
}

/*
 * Claim: @below mirrors what @entry leads to, and may stay, with fewer rights at most.  It may not
 * if rights were added: pages below may be older than what they would be joined with.
 */
static bool may_stay(const struct ept02_context *context, const struct ept02_table *below, u64 seen,
		     u64 entry)
{
	u64 lost_flag = context->sets_flags ? seen & ~entry & EPT_ACCESSED : 0;

	return below && below->view && below->base.v == (entry & EPT_ADDRESS) && !lost_flag &&
	       !(entry & ~seen & EPT_RWX);
}

/* The mirror of the table that @entry of EPT12 points to. */
static struct ept02_table *follow(struct touch *t, struct ept02_table *table, unsigned int index,
				  u64 entry)
{
	struct ept02_table *below = ept02_table_below(t->ept, table->entries[index], table->level);

	if (!may_stay(t->context, below, table->seen[index], entry)) {
		ept02_table_drop(t->ept, table, index);
		below = ept02_table_new(t->ept, t->context, table->level - 1U);
		ept02_table_mirror(below, l1pa(entry & EPT_ADDRESS));
	}
	table->seen[index] = entry;
	ept02_table_link(t->ept, table, index, below, entry & EPT_RWX);
	return below;
}

/* Goes down to the entry that ends the walk. */
static enum ept12_kind descend(struct touch *t)
{
	struct ept02 *ept = t->ept;
	struct ept02_table *table = t->context->root;
	unsigned int level = t->context->levels;
	u64 rights = EPT_RWX, entry;
	enum ept12_kind kind;

	for (;; level--) {
		unsigned int index = ept12_index(t->address, level);

		entry = table->view[index];
		rights &= entry;
		t->path[level] = table;
		if (level > 1 && entry == table->seen[index] &&
		    !(entry & ept->rules.page_bits[level]) && table->entries[index]) {
			table = ept02_table_linked(ept, table->entries[index]);
			continue;
		}
		kind = ept12_classify(&ept->rules, entry, level);
		if (kind != EPT12_TABLE)
			break;
		table = follow(t, table, index, entry);
	}
	t->rights = rights;
	t->entry = entry;
	t->level = level;
	return kind;
}

/* What was made of the entry's former value goes. */
static void forget(struct touch *t)
{
	ept02_table_drop(t->ept, t->path[t->level], ept12_index(t->address, t->level));
}

static void forget_if_changed(struct touch *t)
{
	if (t->path[t->level]->seen[ept12_index(t->address, t->level)] != t->entry)
		forget(t);
}

static u64 missing_flags(const struct touch *t, unsigned int level, u64 entry)
{
	bool is_dirtied = level == t->level && t->access & EPT_WRITE;

	return (is_dirtied ? EPT_ACCESSED | EPT_DIRTY : EPT_ACCESSED) & ~entry;
}

static u64 entry_on_path(const struct touch *t, unsigned int level)
{
	return level == t->level ? t->entry : t->path[level]->seen[ept12_index(t->address, level)];
}

/* Claim: a flag has to be set, of any kind, and the log has no room: that comes first. */
static bool log_is_full(const struct touch *t)
{
	const struct ept02_log *log = &t->ept->log;
	unsigned int level;

	if (!log->on || log->index < EPT02_LOG_ENTRIES)
		return false;
	for (level = t->context->levels; level >= t->level; level--) {
		if (missing_flags(t, level, entry_on_path(t, level)))
			return true;
	}
	return false;
}

static void log_page(struct touch *t)
{
	struct ept02_log *log = &t->ept->log;
	u64 page = align_down(t->address, PAGE_SIZE);

	if (!log->on)
		return;
	l1_memory_write(l1pa(log->page.v + log->index * sizeof(page)), &page, sizeof(page));
	log->index--;
}

/* Sets accessed and dirty flags along the path; false if an entry changed meanwhile. */
static bool set_flags(struct touch *t)
{
	unsigned int level;

	for (level = t->context->levels; level >= t->level; level--) {
		struct ept02_table *table = t->path[level];
		unsigned int index = ept12_index(t->address, level);
		u64 entry = entry_on_path(t, level);
		u64 flags = missing_flags(t, level, entry);

		if (!flags)
			continue;
		/* Where the hypapp forbids writes the flags stay as they are. */
		if (l1_memory_may_write(table->base) &&
		    !ept12_set_flags((volatile u64 *)(uptr)&table->view[index], entry, flags))
			return false;
		if (level == t->level)
			t->entry |= flags;
		else
			table->seen[index] |= flags;
		if (flags & EPT_DIRTY)
			log_page(t);
	}
	return true;
}

/* EPT01's page at @address, from the last answer if that holds it. */
static bool look_below(struct ept02 *ept, u64 address)
{
	if (address - ept->lower_base < ept->lower.page_size)
		return true;
	if (!ept02_lower_lookup(l1pa(address), &ept->lower)) {
		ept->lower.page_size = 0;
		return false;
	}
	ept->lower_level = ept->lower.page_size >= GIB	     ? 3
			   : ept->lower.page_size >= 2 * MIB ? 2
							     : 1;
	if (ept->lower_level > ept->max_page_level)
		ept->lower_level = ept->max_page_level;
	ept->lower_base = align_down(address, ept->lower.page_size);
	ept->lower.address.v = align_down(ept->lower.address.v, ept->lower.page_size);
	return true;
}

/* An entry of EPT02 at @level for the EPT01 page found last. */
static u64 compose(const struct ept02 *ept, u64 l1_address, unsigned int level, u64 entry12,
		   u64 rights)
{
	u64 offset = align_down(l1_address - ept->lower_base, ept12_size(level));

	return (ept->lower.address.v + offset) | rights |
	       ept02_memory_type_bits(entry12, ept->lower.type) | EPT02_FLAGS |
	       (level > 1 ? EPT_LEAF : 0);
}

/* Puts a page into @table, in place of whatever was there. */
static void put_page(struct ept02 *ept, struct ept02_table *table, unsigned int index, u64 value)
{
	if (ept02_table_below(ept, table->entries[index], table->level))
		ept02_table_drop(ept, table, index);
	table->used |= BIT(index / 8);
	table->entries[index] = value;
}

/* The table below @table that splits a page of EPT12, down at @address. */
static struct ept02_table *split_below(struct touch *t, struct ept02_table *table, u64 rights,
				       u64 l1_address)
{
	unsigned int index = ept12_index(t->address, table->level);
	struct ept02_table *below = ept02_table_below(t->ept, table->entries[index], table->level);

	if (!below) {
		ept02_table_drop(t->ept, table, index);
		below = ept02_table_new(t->ept, t->context, table->level - 1U);
		below->base = l1pa(align_down(l1_address, ept12_size(table->level)));
	}
	ept02_table_link(t->ept, table, index, below, rights);
	return below;
}

/* Puts the largest page that both allow. */
static void fill(struct touch *t, u64 l1_address)
{
	struct ept02 *ept = t->ept;
	struct ept02_table *table = t->path[t->level];
	unsigned int index = ept12_index(t->address, t->level);
	unsigned int level = t->level;
	u64 rights = own_rights(t->context, t->entry);

	if (table->entries[index] && (table->seen[index] ^ t->entry) & PAGE_IDENTITY)
		ept02_table_drop(ept, table, index);
	table->seen[index] = t->entry;
	for (; level > ept->lower_level; level--) {
		table = split_below(t, table, rights, l1_address);
		rights = EPT_RWX;
		index = ept12_index(t->address, level - 1);
	}
	put_page(ept, table, index,
		 compose(ept, l1_address, level, t->entry, rights & ept->lower.rights));
}

/*
 * Fills absent neighbours in the same page table that EPT12 maps with the same rights and type into
 * the same page of EPT01.  A processor may cache translations it was not asked for; it
 * may not set accessed flags for them, so this is for EPTPs without such flags.  An entry with
 * these bits, leading to where EPT01 has a page (and so within L1's physical-address width), needs
 * no other check.
 */
static void prefetch(struct touch *t)
{
	struct ept02 *ept = t->ept;
	struct ept02_table *table = t->path[1];
	unsigned int touched = ept12_index(t->address, 1);
	unsigned int first = touched & ~(PREFETCH_LINE - 1U);
	u64 value = table->entries[touched] - (t->entry & EPT_ADDRESS);
	u64 size = ept->lower.page_size, base = ept->lower_base;
	unsigned int i;

	for (i = first; i < first + PREFETCH_LINE; i++) {
		u64 entry = table->view[i];
		u64 address = entry & EPT_ADDRESS;

		if (table->entries[i] || (entry ^ t->entry) & SAME_PAGE_KIND ||
		    address - base >= size)
			continue;
		table->seen[i] = entry;
		table->entries[i] = value + address;
		ept->statistics.prefetched++;
	}
}

static enum ept02_result refuse(struct touch *t, enum ept02_result result)
{
	forget_if_changed(t);
	return result;
}

static bool touch_page(struct touch *t, enum ept02_result *result, struct ept02_outcome *out)
{
	struct ept02 *ept = t->ept;
	u64 size = ept12_size(t->level);
	u64 l1_address = align_down(t->entry & EPT_ADDRESS, size) | (t->address & (size - 1));

	if (t->access & ~t->rights) {
		*result = refuse(t, EPT02_REFLECT_VIOLATION);
		return true;
	}
	if (t->context->sets_flags && log_is_full(t)) {
		*result = refuse(t, EPT02_LOG_FULL);
		return true;
	}
	if (t->context->sets_flags && !set_flags(t))
		return false;
	*result = EPT02_FIXED;
	if (!look_below(ept, l1_address) || t->access & ~ept->lower.rights ||
	    !(t->entry & ept->lower.rights & EPT_RWX)) {
		out->l1_address = l1pa(l1_address);
		*result = refuse(t, EPT02_L0_OWNED);
		return true;
	}
	fill(t, l1_address);
	if (ept->prefetch && t->level == 1 && !t->context->sets_flags)
		prefetch(t);
	return true;
}

/* One walk; false: EPT12 changed in the middle of it. */
static bool touch(struct touch *t, enum ept02_result *result, struct ept02_outcome *out)
{
	enum ept12_kind kind = descend(t);

	if (kind == EPT12_PAGE)
		return touch_page(t, result, out);
	forget(t);
	*result = kind == EPT12_ABSENT ? EPT02_REFLECT_VIOLATION : EPT02_REFLECT_MISCONFIGURATION;
	return true;
}

static enum ept02_result touch_rounds(struct touch *t, struct ept02_outcome *out)
{
	enum ept02_result result = EPT02_FIXED;
	unsigned int round;

	if (ept12_is_beyond(l2pa(t->address), t->context->levels))
		return EPT02_REFLECT_VIOLATION;
	if (t->ept->free_count < EPT12_LEVELS_MAX)
		ept02_make_room(t->ept, t->context, EPT12_LEVELS_MAX);
	for (round = 0; round < TOUCH_ROUNDS; round++) {
		if (touch(t, &result, out))
			return result;
		t->ept->statistics.retried++;
	}
	return result; /* L2 repeats its access; interrupts and L1's other CPUs get their turn */
}

enum ept02_result ept02_handle_violation(struct ept02 *ept, struct ept02_context *context,
					 l2pa_t address, u64 qualification,
					 struct ept02_outcome *out)
{
	struct touch t;
	enum ept02_result result;

	if (context->sets_flags)
		qualification = ept12_effective_qualification(context->eptp12, qualification);
	t.ept = ept;
	t.context = context;
	t.address = address.v;
	t.access = qualification & EPT12_ACCESS;
	t.rights = 0;
	t.entry = EPT_SUPPRESS_VE;
	result = touch_rounds(&t, out);
	ept->statistics.touches++;
	if (result == EPT02_FIXED)
		ept->statistics.fixed++;
	else if (result == EPT02_L0_OWNED)
		ept->statistics.l0_owned++;
	else
		ept->statistics.reflected++;
	out->qualification = field_set(qualification, EPT_VIOLATION_ENTRY_RWX, t.rights);
	out->may_be_ve = !(t.entry & EPT_SUPPRESS_VE);
	return result;
}

enum ept02_result ept02_handle_misconfiguration(struct ept02 *ept, struct ept02_context *context,
						l2pa_t address)
{
	struct ept12_translation translation;

	if (ept12_walk(&ept->rules, context->eptp12, address, 0, &translation) !=
	    EPT12_MISCONFIGURATION)
		return EPT02_UNEXPECTED;
	ept->statistics.reflected++;
	return EPT02_REFLECT_MISCONFIGURATION;
}
