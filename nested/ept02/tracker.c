/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of writes, by the dirty flags of EPT01.  A tracked page has a 4 KiB entry in EPT01.
 * While it is armed the flag was clear after all CPUs forgot their translations, so
 * the first write on any CPU sets it.  Finding flags set, harvest() gives their pages a new
 * time, clears the flags, and makes all CPUs forget again, once for all of them.
 *
 * L2 writes through EPT02, which leaves EPT01's flags alone.  So EPT01 remembers what was lent to
 * an EPT02.  A page that is lent while it is tracked counts as written always.  One that was
 * lent before, perhaps as a part of a large page, is taken back when it is armed: all CPUs drop
 * it from their EPT02 before L2 runs there again, and it is lent anew if L2 still wants it.
 *
 * Shared by all CPUs under EPT01's lock.  A page that does not fit counts as written always, and so
 * does everything where the processor has no dirty flags for EPT.
 *
 * Not seen: writes by devices (docs/decisions/0010-who-writes-ept12.md).
 */
#include "nested/ept02/tracker.h"

#include "xmhf/vmx/ept01_shared.h"
#include "xmhf/vmx/l1_memory_written.h"
#include "xmhf/vmx/machine.h"
#include "xmhf/x86/cpu.h"

#define TRACKED_PAGES 1024
#define HASH_HEADS    256
#define NONE	      0xffffU

struct tracked {
	u64 page;
	volatile u64 *entry; /* of EPT01 */
	u64 written;	     /* time of the last write that was found */
	bool armed;	     /* since all CPUs were seen to have forgotten the set flag */
	bool always;	     /* L2 can write to it: not seen in EPT01 */
	u16 next;	     /* in its hash chain */
};

static struct tracked pages[TRACKED_PAGES];
static u16 heads[HASH_HEADS];
static u32 used, hand;
static u64 now = 1, last_written = 1;
static bool any_untraced; /* a page does not fit, or L2 can write to one */

static u32 hash(u64 page)
{
	return (page >> 12) % HASH_HEADS;
}

static struct tracked *find(u64 page)
{
	u16 i = used ? heads[hash(page)] : NONE;

	while (i != NONE && pages[i].page != page)
		i = pages[i].next;
	return i == NONE ? NULL : &pages[i];
}

static void unlink_page(struct tracked *t)
{
	u16 *link = &heads[hash(t->page)];

	while (&pages[*link] != t)
		link = &pages[*link].next;
	*link = t->next;
}

static void set_armed(struct tracked *t, bool armed)
{
	__atomic_store_n(&t->armed, armed, __ATOMIC_RELEASE);
}

static struct tracked *take_record(void)
{
	struct tracked *t;

	if (!used) {
		for (u32 i = 0; i < HASH_HEADS; i++)
			heads[i] = NONE;
	}
	if (used < TRACKED_PAGES)
		return &pages[used++];
	any_untraced = true;
	t = &pages[hand++ % TRACKED_PAGES];
	unlink_page(t);
	/* Who asks without the lock must not believe the entry of a table that is going. */
	set_armed(t, false);
	ept01_page_release(&machine.ept, l1pa(t->page));
	return t;
}

static void add(u64 page)
{
	u64 *entry = ept01_page_entry(&machine.ept, l1pa(page));
	struct tracked *t;

	if (!entry) {
		any_untraced = true;
		return;
	}
	t = take_record();
	*t = (struct tracked){ page, entry, ++now, false, false, heads[hash(page)] };
	heads[hash(page)] = (u16)(t - pages);
	last_written = now;
}

static bool has_dirty_flags(void)
{
	return ept01_pointer(&machine.ept) & EPTP_AD;
}

u64 ept12_track(l1pa_t page)
{
	if (!has_dirty_flags())
		return 0;
	if (!find(page.v)) {
		ept01_lock();
		if (!find(page.v))
			add(page.v);
		ept01_unlock();
	}
	return now;
}

static bool needs_arming(const struct tracked *t)
{
	return !t->armed || (*t->entry & EPT_DIRTY);
}

/* Takes @t's page back from all EPT02s; they learn it from EPT01's generation. */
static void recall(struct tracked *t)
{
	if (!t->always && ept01_is_lent((u64 *)(uptr)t->entry))
		ept01_recall(&machine.ept, l1pa(t->page));
}

/*
 * Notes all writes since the last time; arms what was written.  Until all CPUs have forgotten, a
 * page is not armed, so that who asks meanwhile without the lock comes here and waits for it; its
 * time is that of the end, since until then a write may leave no trace.
 */
static void harvest(void)
{
	u64 found = 0;

	for (u32 i = 0; i < used; i++) {
		if (!needs_arming(&pages[i]))
			continue;
		found++;
		set_armed(&pages[i], false);
		__atomic_and_fetch(pages[i].entry, ~EPT_DIRTY, __ATOMIC_RELAXED);
		recall(&pages[i]);
	}
	if (!found)
		return;
	ept01_flush_all_cpus();
	ept01_flushed(&machine.ept);
	last_written = ++now;
	for (u32 i = 0; i < used; i++) {
		if (pages[i].armed)
			continue;
		pages[i].written = now;
		set_armed(&pages[i], true);
	}
}

static bool any_to_harvest(void)
{
	for (u32 i = 0; i < used; i++) {
		if (needs_arming(&pages[i]))
			return true;
	}
	return false;
}

bool ept12_any_was_written(u64 time)
{
	if (!has_dirty_flags())
		return true;
	if (any_to_harvest()) {
		ept01_lock();
		harvest();
		ept01_unlock();
	}
	return any_untraced || last_written > time;
}

bool ept12_page_was_written(l1pa_t page, u64 time)
{
	const struct tracked *t = has_dirty_flags() ? find(page.v) : NULL;

	return !t || t->always || t->written > time || needs_arming(t);
}

bool tracker_is_current(const struct tracked_copy *copy, l1pa_t page)
{
	const struct tracked *t = &pages[copy->index];

	return copy->valid && copy->page == page.v && t->page == page.v && !t->always &&
	       !needs_arming(t) && t->written <= copy->time;
}

void tracker_begin_copy(struct tracked_copy *copy, l1pa_t page)
{
	const struct tracked *t;

	copy->valid = false;
	if (!has_dirty_flags())
		return;
	ept12_track(page);
	ept01_lock();
	harvest();
	t = find(page.v);
	if (t)
		*copy = (struct tracked_copy){ page.v, now, (u32)(t - pages), true };
	ept01_unlock();
}

void l1_memory_written(l1pa_t address)
{
	struct tracked *t = used ? find(align_down(address.v, PAGE_SIZE)) : NULL;

	if (t)
		__atomic_or_fetch(t->entry, EPT_DIRTY, __ATOMIC_RELAXED);
}

bool ept02_lower_change(u64 generation, struct ept01_range *out)
{
	return ept01_change(&machine.ept, generation, out);
}

void l1_memory_written_anywhere(void)
{
	for (u32 i = 0; i < used; i++)
		__atomic_or_fetch(pages[i].entry, EPT_DIRTY, __ATOMIC_RELAXED);
}

/* Maps what is mapped when it is first used: device memory above RAM. */
static bool map(l1pa_t address)
{
	enum ept01_result result = ept01_map_on_demand(&machine.ept, address);

	if (result == EPT01_FLUSH) {
		ept01_flush_all_cpus();
		ept01_flushed(&machine.ept);
		result = ept01_map_on_demand(&machine.ept, address);
	}
	return result == EPT01_DONE || result == EPT01_PRESENT;
}

/* As ept02_lower_lookup(), under the lock, for what is not lent or not mapped. */
static bool lend(l1pa_t address, struct ept01_translation *out)
{
	struct tracked *t;

	if (!ept01_lend(&machine.ept, address, out) &&
	    !(map(address) && ept01_lend(&machine.ept, address, out)))
		return false;
	t = out->page_size == PAGE_SIZE ? find(align_down(address.v, PAGE_SIZE)) : NULL;
	if (t)
		t->always = any_untraced = true;
	return true;
}

bool ept02_lower_lookup(l1pa_t address, struct ept01_translation *out)
{
	bool found;

	/* What is lent stays lent until the generation changes, which ends what comes of this. */
	if (ept01_walk(&machine.ept, address, out) && out->lent)
		return true;
	ept01_lock();
	found = lend(address, out);
	ept01_unlock();
	return found;
}
