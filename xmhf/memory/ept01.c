/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT01.  A level is the SDM's: 4 for the PML4 table, 1 for a page table.  An entry of
 * level n maps or leads to 4 KiB << 9 * (n - 1) bytes.
 *
 * Facts that every function keeps:
 *  1. A present entry without EPT_LEAF at level 2 to 4 leads to a table of the pool, and has all
 *     rights.  Overrides are entries of level 1 only.
 *  2. An entry that is not an override is either absent or what default_leaf() says.
 *  3. Pages that can still be taken plus tables that could be evicted are at least RESERVED_PAGES,
 * so that any one address can always be mapped.
 *  4. An evicted table is not written, but for its first entry, nor used again until
 *     ept01_flushed(): another CPU may still walk it.
 */
#include "xmhf/memory/ept01.h"

#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/x86/cpu.h"

#define TOP_LEVEL      4
#define ENTRIES	       512
#define WIDTH_MAX      48 /* of a walk of four levels */
#define RESERVED_PAGES 3  /* one table of level 3, 2 and 1 */

/* Bits that the processor ignores mark overrides. */
#define OVERRIDDEN BIT(52)
#define OWN_PAGE   BIT(53) /* address and memory type are those of ept01_map_page() */
/* Others of them serve those who look at dirty flags. */
#define PINNED BIT(54) /* ept01_page_entry() gave it away */
#define LENT   BIT(55) /* ept01_lend() */

static u64 size_of_level(unsigned int level)
{
	return PAGE_SIZE << 9 * (level - 1);
}

static u64 *entries_of(hpa_t table)
{
	return hpa_to_pointer(table);
}

static u64 *entry_of(hpa_t table, u64 address, unsigned int level)
{
	return &entries_of(table)[address / size_of_level(level) % ENTRIES];
}

static bool is_present(u64 entry)
{
	return entry & EPT_RWX;
}

static bool is_table(u64 entry, unsigned int level)
{
	return level > 1 && is_present(entry) && !(entry & EPT_LEAF);
}

static hpa_t table_of(u64 entry)
{
	return hpa(entry & EPT_ADDRESS);
}

static u64 table_entry(hpa_t table)
{
	return table.v | EPT_RWX;
}

/* Other CPUs walk the tables: an entry changes at once, after what it leads to. */
static void set_entry(u64 *entry, u64 value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* Pages that EPT01 may still take: the pool is shared, and what others planned for is theirs. */
static unsigned int free_pages(const struct ept01 *ept)
{
	return (unsigned int)min_u64(ept->pool->free, ept->pages_max - ept->pages);
}

static bool take_page(struct ept01 *ept, hpa_t *page)
{
	if (!free_pages(ept) || !page_pool_alloc(ept->pool, page))
		return false;
	ept->pages++;
	return true;
}

/* A new generation, in which the @size bytes at @base differ. */
static void note_change(struct ept01 *ept, u64 base, u64 size)
{
	u64 generation = ept->generation + 1;

	ept->changes[generation % EPT01_CHANGES] = (struct ept01_range){ base, size };
	__atomic_store_n(&ept->generation, generation, __ATOMIC_RELEASE);
}

bool ept01_change(const struct ept01 *ept, u64 generation, struct ept01_range *out)
{
	const volatile struct ept01_range *change = &ept->changes[generation % EPT01_CHANGES];

	*out = (struct ept01_range){ change->base, change->size };
	/* The place may be written for a generation that is not there yet. */
	return __atomic_load_n(&ept->generation, __ATOMIC_ACQUIRE) - generation < EPT01_CHANGES - 1;
}

/* What an entry keeps when it gets another value: its holder may have missed a write. */
static u64 kept_bits(u64 entry)
{
	return entry & PINNED ? PINNED | EPT_DIRTY : 0;
}

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

static unsigned int largest_level(const struct ept01_settings *settings)
{
	if (!(settings->ept_vpid & EPT_CAP_2M))
		return 1;
	return settings->ept_vpid & EPT_CAP_1G ? 3 : 2;
}

/*
 * The entry of @level for L1's memory at @base, without overrides; 0 where it is hidden.
 * Returns false if no single entry can say it.
 */
static bool default_leaf(const struct ept01_settings *settings, const struct mtrr_state *mtrr,
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

static bool make_leaf(const struct ept01 *ept, u64 address, unsigned int level, u64 *leaf)
{
	return default_leaf(&ept->settings, &ept->mtrr, align_down(address, size_of_level(level)),
			    level, leaf);
}

static u64 limit_of(const struct ept01_settings *settings)
{
	return BIT(min_u64(settings->physical_address_width, WIDTH_MAX));
}

static u64 eager_end_of(const struct ept01_settings *settings)
{
	return min_u64(max_u64(4 * GIB, settings->top_of_ram), limit_of(settings));
}

/* Tables needed for an entry of @level at @base, as far as it lies below @end. */
static u64 count_tables(const struct ept01_settings *settings, const struct mtrr_state *mtrr,
			u64 base, unsigned int level, u64 end)
{
	u64 step = size_of_level(level - 1);
	u64 leaf, count = 1;

	if (default_leaf(settings, mtrr, base, level, &leaf))
		return 0;
	if (level == 2)
		return 1;
	for (u64 i = 0; i < ENTRIES && base + i * step < end; i++)
		count += count_tables(settings, mtrr, base + i * step, level - 1, end);
	return count;
}

u64 ept01_pages_needed(const struct ept01_settings *settings, const struct mtrr_state *mtrr)
{
	return count_tables(settings, mtrr, 0, TOP_LEVEL + 1, eager_end_of(settings));
}

u64 ept01_pool_pages(const struct ept01_settings *settings, const struct mtrr_state *mtrr)
{
	u64 needed = ept01_pages_needed(settings, mtrr);

	return min_u64(needed + EPT01_SPARE_PAGES, EPT01_POOL_PAGES_MAX);
}

/* Fills @table, of @level and for addresses from @base on, as far as it lies below @end. */
static void fill_table(struct ept01 *ept, hpa_t table, u64 base, unsigned int level, u64 end)
{
	for (u64 i = 0; i < ENTRIES; i++) {
		u64 address = base + i * size_of_level(level);
		u64 *entry = &entries_of(table)[i];
		hpa_t child;

		if (address >= end)
			return;
		if (make_leaf(ept, address, level, entry))
			continue;
		if (free_pages(ept) <= RESERVED_PAGES || !take_page(ept, &child))
			continue;
		fill_table(ept, child, address, level - 1, end);
		*entry = table_entry(child);
	}
}

void ept01_build(struct ept01 *ept, const struct ept01_settings *settings,
		 const struct mtrr_state *mtrr, struct page_pool *pool)
{
	bug_if(pool->free < EPT01_POOL_PAGES_MIN);
	bug_if(settings->hidden_count > EPT01_HIDDEN_MAX);
	ept->settings = *settings;
	ept->mtrr = *mtrr;
	ept->pool = pool;
	ept->limit = limit_of(settings);
	ept->eager_end = eager_end_of(settings);
	ept->generation = 1;
	ept->evicted = hpa(0);
	ept->evicted_count = 0;
	ept->pages_max = ept01_pool_pages(settings, mtrr);
	ept->pages = 0;
	bug_if(!take_page(ept, &ept->root));
	fill_table(ept, ept->root, 0, TOP_LEVEL, ept->eager_end);
}

u64 ept01_pointer(const struct ept01 *ept)
{
	const struct ept01_settings *settings = &ept->settings;
	enum memory_type type = settings->ept_vpid & EPT_CAP_WB ? MEMORY_TYPE_WB : MEMORY_TYPE_UC;
	bool use_ad = settings->use_accessed_dirty && settings->ept_vpid & EPT_CAP_AD;

	return ept->root.v | field_make(EPTP_MEMORY_TYPE, type) |
	       field_make(EPTP_WALK_LENGTH, TOP_LEVEL - 1) | (use_ad ? EPTP_AD : 0);
}

/* The entry where the walk for @address ends: a page, or absent.  @pre @address < limit */
static u64 *find_entry(const struct ept01 *ept, u64 address, unsigned int *level)
{
	hpa_t table = ept->root;
	u64 *entry;

	*level = TOP_LEVEL;
	while (is_table(*(entry = entry_of(table, address, *level)), *level)) {
		table = table_of(*entry);
		--*level;
	}
	return entry;
}

/* Where @entry, of @level, leads for @address. */
static bool translate(u64 entry, u64 address, unsigned int level, struct ept01_translation *out)
{
	u64 size = size_of_level(level);

	if (!is_present(entry))
		return false;
	out->address = hpa(align_down(entry & EPT_ADDRESS, size) | (address & (size - 1)));
	out->rights = entry & EPT_RWX;
	out->page_size = size;
	out->type = (enum memory_type)field_get(entry, EPT_MEMORY_TYPE);
	out->lent = entry & LENT;
	return true;
}

bool ept01_walk(const struct ept01 *ept, l1pa_t address, struct ept01_translation *out)
{
	unsigned int level;
	u64 entry;

	if (address.v >= ept->limit)
		return false;
	entry = *find_entry(ept, address.v, &level);
	return translate(entry, address.v, level, out);
}

bool ept01_lend(struct ept01 *ept, l1pa_t address, struct ept01_translation *out)
{
	unsigned int level;
	u64 *entry;

	if (address.v >= ept->limit)
		return false;
	entry = find_entry(ept, address.v, &level);
	if (is_present(*entry))
		__atomic_or_fetch(entry, LENT, __ATOMIC_RELAXED);
	return translate(*entry, address.v, level, out);
}

/* Puts a table that nothing leads to any more on the list; the link makes entry 0 absent. */
static void push_evicted(struct ept01 *ept, hpa_t table)
{
	set_entry(&entries_of(table)[0], ept->evicted.v);
	ept->evicted = table;
	ept->evicted_count++;
}

/*
 * Unlinks from @table, for addresses from @base on, the tables that lie at or above @from and
 * hold no override and no pinned entry.  Returns whether @table itself is such a table now.
 */
static bool evict_below(struct ept01 *ept, hpa_t table, u64 base, unsigned int level, u64 from)
{
	bool evictable = base >= from;

	for (u64 i = 0; i < ENTRIES; i++) {
		u64 *entry = &entries_of(table)[i];
		u64 address = base + i * size_of_level(level);
		hpa_t child = table_of(*entry);

		if (*entry & (OVERRIDDEN | PINNED))
			evictable = false;
		if (!is_table(*entry, level))
			continue;
		if (evict_below(ept, child, address, level - 1, from)) {
			set_entry(entry, 0);
			push_evicted(ept, child);
		} else {
			evictable = false;
		}
	}
	return evictable;
}

/*
 * The pool has not the @wanted pages: evicts what was mapped on demand and, if that is not
 * enough, all that can be evicted.
 */
static enum ept01_result run_out(struct ept01 *ept, unsigned int wanted)
{
	if (ept->evicted_count)
		return EPT01_FLUSH;
	evict_below(ept, ept->root, 0, TOP_LEVEL, ept->eager_end);
	if (free_pages(ept) + ept->evicted_count < wanted)
		evict_below(ept, ept->root, 0, TOP_LEVEL, 0);
	if (!ept->evicted_count)
		return EPT01_FULL;
	note_change(ept, 0, ~0ULL);
	return EPT01_FLUSH;
}

void ept01_flushed(struct ept01 *ept)
{
	while (ept->evicted_count) {
		hpa_t table = ept->evicted;

		ept->evicted = hpa(entries_of(table)[0]);
		ept->evicted_count--;
		page_pool_free(ept->pool, table);
		ept->pages--;
	}
}

enum ept01_result ept01_map_on_demand(struct ept01 *ept, l1pa_t address)
{
	unsigned int level;
	u64 *entry, leaf;

	if (address.v >= ept->limit)
		return EPT01_REFUSED;
	entry = find_entry(ept, address.v, &level);
	if (is_present(*entry))
		return EPT01_PRESENT;
	if (*entry & OVERRIDDEN || hidden_part(&ept->settings, address.v, 1))
		return EPT01_REFUSED;
	while (!make_leaf(ept, address.v, level, &leaf)) {
		hpa_t child;

		if (!take_page(ept, &child))
			return run_out(ept, RESERVED_PAGES);
		set_entry(entry, table_entry(child));
		entry = entry_of(child, address.v, --level);
	}
	set_entry(entry, leaf);
	return EPT01_DONE;
}

/* Replaces the page or absence at @entry, of @level, by the table @child that says the same. */
static void split(u64 *entry, unsigned int level, hpa_t child)
{
	u64 step = size_of_level(level - 1);
	u64 leaf = level == 2 ? *entry & ~EPT_LEAF : *entry;

	for (u64 i = 0; is_present(leaf) && i < ENTRIES; i++)
		entries_of(child)[i] = leaf + i * step;
	set_entry(entry, table_entry(child));
}

/* Finds or makes the level-1 entry of @page, for an override. */
static enum ept01_result reach_page(struct ept01 *ept, u64 page, u64 **entry)
{
	unsigned int level;
	hpa_t child;

	*entry = find_entry(ept, page, &level);
	if (**entry & OVERRIDDEN)
		return EPT01_DONE;
	if (free_pages(ept) < level - 1 + RESERVED_PAGES)
		return run_out(ept, level - 1 + RESERVED_PAGES);
	for (; level > 1; level--) {
		bug_if(!take_page(ept, &child));
		split(*entry, level, child);
		*entry = entry_of(child, page, level - 1);
	}
	return EPT01_DONE;
}

/* Claim: the processor takes an entry with @rights, other than none, for valid. */
static bool are_rights(const struct ept01 *ept, u64 rights)
{
	if (rights & ~EPT_RWX || (rights & EPT_WRITE && !(rights & EPT_READ)))
		return false;
	return rights != EPT_EXECUTE || ept->settings.ept_vpid & EPT_CAP_EXECUTE_ONLY;
}

/* Claim: @type may stand in an EPT entry. */
static bool is_memory_type(enum memory_type type)
{
	return type == MEMORY_TYPE_UC || type == MEMORY_TYPE_WC || type == MEMORY_TYPE_WT ||
	       type == MEMORY_TYPE_WP || type == MEMORY_TYPE_WB;
}

static bool is_page(const struct ept01 *ept, l1pa_t page)
{
	return page.v < ept->limit && is_aligned(page.v, PAGE_SIZE);
}

enum ept01_result ept01_set_permission(struct ept01 *ept, l1pa_t page, u64 rights)
{
	enum ept01_result result;
	unsigned int level;
	u64 *entry, leaf;
	bool own_page;

	if (!is_page(ept, page) || !are_rights(ept, rights))
		return EPT01_REFUSED;
	own_page = *find_entry(ept, page.v, &level) & OWN_PAGE;
	if (!own_page && hidden_part(&ept->settings, page.v, PAGE_SIZE))
		return EPT01_REFUSED;
	if (!own_page && rights == EPT_RWX) {
		ept01_restore(ept, page);
		return EPT01_DONE;
	}
	result = reach_page(ept, page.v, &entry);
	if (result != EPT01_DONE)
		return result;
	if (own_page)
		leaf = *entry;
	else
		make_leaf(ept, page.v, 1, &leaf);
	set_entry(entry, field_set(leaf, EPT_RWX, rights) | OVERRIDDEN | kept_bits(*entry));
	note_change(ept, page.v, PAGE_SIZE);
	return EPT01_DONE;
}

bool ept01_override(const struct ept01 *ept, l1pa_t address, u64 *rights)
{
	unsigned int level;
	u64 entry;

	if (address.v >= ept->limit)
		return false;
	entry = *find_entry(ept, address.v, &level);
	*rights = entry & EPT_RWX;
	return entry & OVERRIDDEN && !(entry & OWN_PAGE);
}

void ept01_announce(struct ept01 *ept)
{
	note_change(ept, 0, 0);
}

enum ept01_result ept01_map_page(struct ept01 *ept, l1pa_t page, hpa_t to, u64 rights,
				 enum memory_type type)
{
	enum ept01_result result;
	u64 *entry;

	if (!is_page(ept, page) || !are_rights(ept, rights) || !is_memory_type(type) ||
	    to.v & ~EPT_ADDRESS)
		return EPT01_REFUSED;
	result = reach_page(ept, page.v, &entry);
	if (result != EPT01_DONE)
		return result;
	set_entry(entry, to.v | rights | field_make(EPT_MEMORY_TYPE, type) | OVERRIDDEN | OWN_PAGE |
				 kept_bits(*entry));
	note_change(ept, page.v, PAGE_SIZE);
	return EPT01_DONE;
}

u64 *ept01_page_entry(struct ept01 *ept, l1pa_t page)
{
	unsigned int level;
	u64 *entry;

	if (!is_page(ept, page) || page.v >= ept->eager_end)
		return NULL;
	entry = find_entry(ept, page.v, &level);
	/* Nothing is evicted for the sake of flags. */
	if (!is_present(*entry) || free_pages(ept) < level - 1 + RESERVED_PAGES ||
	    reach_page(ept, page.v, &entry) != EPT01_DONE)
		return NULL;
	__atomic_or_fetch(entry, PINNED, __ATOMIC_RELAXED);
	return entry;
}

void ept01_page_release(u64 *entry)
{
	__atomic_and_fetch(entry, ~PINNED, __ATOMIC_RELAXED);
}

bool ept01_is_lent(const u64 *entry)
{
	return *entry & LENT;
}

void ept01_recall(struct ept01 *ept, l1pa_t page)
{
	u64 base = align_down(page.v, size_of_level(2));
	unsigned int level;
	u64 *first = find_entry(ept, base, &level);

	for (u64 i = 0; level == 1 && i < ENTRIES; i++)
		__atomic_and_fetch(&first[i], ~LENT, __ATOMIC_RELAXED);
	note_change(ept, base, size_of_level(2));
}

void ept01_restore(struct ept01 *ept, l1pa_t page)
{
	unsigned int level;
	u64 *entry, leaf;

	if (!is_page(ept, page))
		return;
	entry = find_entry(ept, page.v, &level);
	if (!(*entry & OVERRIDDEN))
		return;
	make_leaf(ept, page.v, 1, &leaf);
	set_entry(entry, leaf | kept_bits(*entry));
	note_change(ept, page.v, PAGE_SIZE);
}

static void retype_table(struct ept01 *ept, hpa_t table, u64 base, unsigned int level);

/* Gives the page at @entry the type of the MTRRs, in pieces if it must be; absent without room. */
static void retype_page(struct ept01 *ept, u64 *entry, u64 address, unsigned int level)
{
	hpa_t child;
	u64 leaf;

	if (make_leaf(ept, address, level, &leaf)) {
		leaf = field_set(*entry, EPT_MEMORY_TYPE, field_get(leaf, EPT_MEMORY_TYPE));
		set_entry(entry, leaf | kept_bits(leaf));
		return;
	}
	if (!take_page(ept, &child)) {
		set_entry(entry, 0);
		return;
	}
	split(entry, level, child);
	retype_table(ept, child, address, level - 1);
}

static void retype_table(struct ept01 *ept, hpa_t table, u64 base, unsigned int level)
{
	for (u64 i = 0; i < ENTRIES; i++) {
		u64 address = base + i * size_of_level(level);
		u64 *entry = &entries_of(table)[i];

		if (is_table(*entry, level))
			retype_table(ept, table_of(*entry), address, level - 1);
		else if (*entry && !(*entry & OWN_PAGE))
			retype_page(ept, entry, address, level);
	}
}

void ept01_retype(struct ept01 *ept, const struct mtrr_state *mtrr)
{
	/* Every CPU of L1 writes the same MTRRs; only the first one changes anything. */
	if (!memcmp(&ept->mtrr, mtrr, sizeof(*mtrr)))
		return;
	ept->mtrr = *mtrr;
	retype_table(ept, ept->root, 0, TOP_LEVEL);
	note_change(ept, 0, ~0ULL);
}
