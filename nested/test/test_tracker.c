/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of writes against a model of the CPUs that write: each sets the dirty flag in EPT01 at
 * its first write after it last forgot the translation, and never again until it forgets.
 * No write may be missed; what was not written must become "not written".
 */
/* sources: nested/ept02/tracker.c */
#include "nested/ept02/tracker.h"

#include <string.h>

#include "xmhf/test/random.h"
#include "xmhf/test/tap.h"
#include "xmhf/vmx/ept01_shared.h"
#include "xmhf/vmx/l1_memory_written.h"
#include "xmhf/vmx/machine.h"

#define PAGES	4096
#define RECORDS 1024 /* as many as the tracker has room for */
#define CPUS	2
#define ROUNDS	200000

struct machine machine;

/* --- EPT01 and the CPUs --- */

static u64 entries[PAGES]; /* of EPT01; 0: the page has none */
static bool is_dirty_cached[CPUS][PAGES];
static unsigned int held; /* entries that were given away */
static bool has_flags, is_locked;
static unsigned int flushes, locks;

u64 ept01_pointer(const struct ept01 *ept)
{
	(void)ept;
	return has_flags ? EPTP_AD : 0;
}

u64 *ept01_page_entry(struct ept01 *ept, l1pa_t page)
{
	(void)ept;
	ok(is_locked, "EPT01 is changed under its lock");
	if (!entries[page.v / PAGE_SIZE])
		return NULL;
	held++;
	return &entries[page.v / PAGE_SIZE];
}

void ept01_lock(void)
{
	ok(!is_locked, "the lock is taken once");
	is_locked = true;
	locks++;
}

void ept01_unlock(void)
{
	is_locked = false;
}

void ept01_flush_all_cpus(void)
{
	ok(is_locked, "CPUs are flushed under the lock");
	memset(is_dirty_cached, 0, sizeof(is_dirty_cached));
	flushes++;
}

static enum ept01_result on_demand[2];
static unsigned int on_demand_calls, flushed_calls;
static struct ept01_translation found;
static bool is_found;

bool ept01_walk(const struct ept01 *ept, l1pa_t address, struct ept01_translation *out)
{
	(void)ept, (void)address;
	*out = found;
	return is_found;
}

bool ept01_lend(struct ept01 *ept, l1pa_t address, struct ept01_translation *out)
{
	ok(is_locked, "EPT01 is lent under its lock");
	return ept01_walk(ept, address, out);
}

/* Nothing is lent here: test_tracker_lent.c is about that. */
bool ept01_is_lent(const u64 *entry)
{
	(void)entry;
	return false;
}

void ept01_recall(struct ept01 *ept, l1pa_t page)
{
	(void)ept, (void)page;
	ok(false, "nothing to recall");
}

/* The last one joins the pages: its table waits for a flush. */
void ept01_page_release(struct ept01 *ept, l1pa_t page)
{
	ok(is_locked, "EPT01 is changed under its lock");
	ok(page.v < PAGES * PAGE_SIZE && held, "an entry of EPT01");
	ept->evicted_count += --held == 0;
}

bool ept01_change(const struct ept01 *ept, u64 generation, struct ept01_range *out)
{
	(void)ept, (void)generation, (void)out;
	return false;
}

enum ept01_result ept01_map_on_demand(struct ept01 *ept, l1pa_t address)
{
	enum ept01_result result = on_demand[on_demand_calls++ & 1];

	(void)ept, (void)address;
	ok(is_locked, "EPT01 is filled under its lock");
	is_found = result == EPT01_DONE;
	return result;
}

void ept01_flushed(struct ept01 *ept)
{
	ept->evicted_count = 0;
	flushed_calls++;
}

static void cpu_writes(unsigned int cpu, unsigned int page)
{
	if (!is_dirty_cached[cpu][page])
		entries[page] |= EPT_DIRTY;
	is_dirty_cached[cpu][page] = true;
}

/* --- What the test remembers --- */

static u64 events;	    /* counts writes */
static u64 written[PAGES];  /* the last event that wrote the page */
static u64 asked_at[PAGES]; /* the events there were when it was asked for, 0: not tracked */
static u64 asked_time[PAGES];
static struct tracked_copy copies[PAGES];
static u64 copied_at[PAGES];

static l1pa_t address_of(unsigned int page)
{
	return l1pa(page * PAGE_SIZE);
}

static void track(unsigned int page)
{
	asked_time[page] = ept12_track(address_of(page));
	asked_at[page] = events + 1;
}

static void write(unsigned int page)
{
	written[page] = ++events;
	if (random_below(4))
		cpu_writes(random_below(CPUS), page);
	else
		l1_memory_written(l1pa(page * PAGE_SIZE + random_below(PAGE_SIZE)));
}

static void check_page(unsigned int page)
{
	bool was_written = written[page] >= asked_at[page];

	if (asked_at[page] && was_written) {
		ok(ept12_page_was_written(address_of(page), asked_time[page]),
		   "page %u: a write is seen", page);
		ok(ept12_any_was_written(asked_time[page]), "page %u: any write", page);
	}
	if (copied_at[page] && written[page] >= copied_at[page])
		ok(!tracker_is_current(&copies[page], address_of(page)),
		   "page %u: the copy is stale", page);
}

/* Everything at random among the first @pages. */
static void random_orders(unsigned int pages)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int page = random_below(pages);

		switch (random_below(8)) {
		case 0:
			track(page);
			break;
		case 1:
			tracker_begin_copy(&copies[page], address_of(page));
			copied_at[page] = events + 1;
			break;
		case 2:
			/* Holders know of all writes before the time that they ask with. */
			(void)ept12_any_was_written(random_below(2) ? asked_time[page] : ~0ULL);
			break;
		case 3:
			write(page);
			break;
		default:
			check_page(page);
		}
	}
}

/* What was not written since is told apart from what was, and nobody is flushed for it again. */
static void test_precision(void)
{
	u64 time;
	unsigned int before;

	track(1);
	ok(ept12_page_was_written(address_of(1), asked_time[1]), "before the first harvest: yes");
	(void)ept12_any_was_written(asked_time[1]);
	time = ept12_track(address_of(1));
	ok(!ept12_page_was_written(address_of(1), time), "not written");
	ok(!ept12_any_was_written(time), "nothing written");
	before = flushes;
	ok(!ept12_any_was_written(time) && flushes == before, "no flush without a write");
	track(2);
	(void)ept12_any_was_written(time);
	time = ept12_track(address_of(2));
	cpu_writes(0, 2);
	ok(ept12_any_was_written(time), "page 2 written");
	ok(ept12_page_was_written(address_of(2), time), "it was page 2");
	ok(!ept12_page_was_written(address_of(1), time), "it was not page 1");
	time = ept12_track(address_of(1));
	ok(!ept12_any_was_written(time), "harvested once");
	tracker_begin_copy(&copies[1], address_of(1));
	ok(tracker_is_current(&copies[1], address_of(1)), "a fresh copy is current");
	ok(!tracker_is_current(&copies[1], address_of(2)), "of its page only");
	before = locks;
	ok(tracker_is_current(&copies[1], address_of(1)) && locks == before,
	   "asked without a lock");
	l1_memory_written(l1pa(PAGE_SIZE + 8));
	ok(!tracker_is_current(&copies[1], address_of(1)), "L0's write makes it stale");
	tracker_begin_copy(&copies[1], address_of(1));
	ok(tracker_is_current(&copies[1], address_of(1)), "a new copy");
}

/* A page without a 4 KiB entry: all that is asked of it is answered "written". */
static void test_no_entry(void)
{
	const unsigned int page = PAGES - 1;
	u64 time;

	entries[page] = 0;
	time = ept12_track(address_of(page));
	ok(ept12_page_was_written(address_of(page), time), "no entry: written");
	ok(ept12_any_was_written(~0ULL), "no entry: some page was written");
	tracker_begin_copy(&copies[page], address_of(page));
	ok(!tracker_is_current(&copies[page], address_of(page)), "no entry: no copy");
	entries[page] = 7;
}

static void test_without_flags(void)
{
	has_flags = false;
	ok(ept12_track(address_of(1)) == 0, "no dirty flags, no time");
	ok(ept12_any_was_written(~0ULL) && ept12_page_was_written(address_of(1), ~0ULL),
	   "no dirty flags: written");
	tracker_begin_copy(&copies[1], address_of(1));
	ok(!tracker_is_current(&copies[1], address_of(1)), "no dirty flags: no copy");
	has_flags = true;
}

static void test_lower(void)
{
	struct ept01_translation out;
	const unsigned int page = 5;

	/* L2 can write a page of its own EPT02 behind the record's back: no answer but "written".
	 */
	(void)ept12_any_was_written(0);
	tracker_begin_copy(&copies[page], address_of(page));
	ok(tracker_is_current(&copies[page], address_of(page)), "a copy");
	is_found = true;
	found = (struct ept01_translation){ hpa(0), 7, 2 * MIB, MEMORY_TYPE_WB, false };
	ok(ept02_lower_lookup(address_of(page + 1), &out) && out.page_size == 2 * MIB, "found");
	ok(tracker_is_current(&copies[page], address_of(page)), "another page");
	found.page_size = PAGE_SIZE;
	ok(ept02_lower_lookup(l1pa(page * PAGE_SIZE + 12), &out), "found");
	ok(!tracker_is_current(&copies[page], address_of(page)), "L2 may write the page");
	ok(ept12_page_was_written(address_of(page), ~0ULL), "L2 may always have");

	is_found = false;
	on_demand_calls = 0;
	on_demand[0] = EPT01_DONE;
	ok(ept02_lower_lookup(address_of(9), &out), "mapped on demand");
	is_found = false;
	on_demand_calls = 0;
	flushed_calls = 0;
	on_demand[0] = EPT01_FLUSH;
	on_demand[1] = EPT01_DONE;
	ok(ept02_lower_lookup(address_of(9), &out) && flushed_calls == 1, "after an eviction");
	is_found = false;
	on_demand[0] = on_demand[1] = EPT01_REFUSED;
	ok(!ept02_lower_lookup(address_of(9), &out), "L1 has nothing there");
	ok(!is_locked, "the lock was given back");
}

int main(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		entries[i] = 7;
	has_flags = true;
	test_precision();
	test_lower();
	random_orders(40);
	random_orders(RECORDS - 100);
	test_without_flags();
	test_no_entry();
	/* More pages than records. */
	random_orders(PAGES);
	return tap_end();
}
