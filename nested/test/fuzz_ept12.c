/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT02 under random orders of: L1 writes EPT12, L2 touches memory, L1 executes INVEPT, EPT01
 * changes, another CPU writes EPT12 in the middle of a walk.  A model of the processor caches
 * translations and links of EPT02 as long as it may.  What must hold:
 *  - whatever L2 gets was EPT12's translation at some time since its last INVEPT, followed
 *    by EPT01 as it is now;
 *  - after INVEPT, all that EPT02 holds is what EPT12 says now;
 *  - every EPT violation is answered as EPT12 says now, and an answered access goes on.
 */
/* sources: nested/ept02/ept12.c nested/ept02/ept02.c nested/ept02/tables.c
 * nested/ept02/violation.c nested/ept02/resync.c nested/ept02/memory_type.c */
#include "nested/test/ept_cache.h"
#include "nested/test/ept_world.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define SAMPLES	    24
#define CONTEXTS    4
#define TABLES	    12 /* table n is for level 4 - n % 4 */
#define RECORDS	    64
#define LOWER_PAGES 2048
#define must(claim)                                                       \
	do {                                                              \
		if (!(claim))                                             \
			bug_stop(__FILE__, __LINE__, "must(" #claim ")"); \
	} while (0)

static struct ept02 ept;
static const unsigned char *input;
static size_t input_left;
static unsigned int contexts; /* that L2 uses */

static unsigned int next(unsigned int below)
{
	unsigned int v;

	if (!input_left)
		return 0;
	v = *input++;
	input_left--;
	return v % below;
}

static u64 eptp_of(unsigned int context)
{
	static const u64 flags[CONTEXTS] = { 0, EPTP_AD, 0, EPTP_AD };

	return world_table(context / 2 * 4) | 3 << 3 | 6 | flags[context];
}

static u64 sample_address(unsigned int sample)
{
	static const u64 last[] = { 0, 1, 9 };

	return (u64)(sample / 12) << 39 | (u64)(sample / 6 % 2) << 30 |
	       (u64)(sample / 3 % 2) << 21 | last[sample % 3] << 12;
}

/* --- The record of writes: exact, or always "written" --- */

static bool tracker_is_exact;
static u64 tracker_clock, tracker_written[TABLES];

u64 ept12_track(l1pa_t page)
{
	(void)page;
	return tracker_clock;
}

bool ept12_page_was_written(l1pa_t page, u64 time)
{
	u64 table = (page.v - WORLD_TABLES) / 4096;

	return !tracker_is_exact || (table < TABLES && tracker_written[table] > time);
}

bool ept12_any_was_written(u64 time)
{
	return !tracker_is_exact || tracker_clock > time;
}

/* --- What EPT12 said since the last INVEPT --- */

struct record {
	u64 l1_address, type, ignore_pat;
	u8 rights; /* bit n: with rights n */
};

static struct record records[CONTEXTS][SAMPLES][RECORDS];
static unsigned int record_count[CONTEXTS][SAMPLES];

/* EPT12 without EPT01, as the oracle sees it; rights only as far as L1 sees flags for them, @flags
 * being on their way. */
static struct oracle walk12(unsigned int context, u64 l2, u64 flags)
{
	struct oracle o = oracle_walk(eptp_of(context), l2);
	u64 table = eptp_of(context) & 0xffffffffff000ULL, entry = 0;
	int level;

	if (o.fate != ORACLE_OK)
		o.rights12 = 0;
	if (!o.rights12 || !(eptp_of(context) & EPTP_AD))
		return o;
	for (level = 4; level > 0 && !(entry & LARGE && level < 3); level--) {
		entry = world_memory[(table - WORLD_TABLES) / 4096][l2 >> (3 + 9 * level) & 511];
		table = entry & 0xffffffffff000ULL;
		if (!((entry | flags) & EPT_ACCESSED))
			o.rights12 = 0;
	}
	if (!((entry | flags) & EPT_DIRTY))
		o.rights12 &= ~2ULL;
	return o;
}

/* The entry of EPT12 that maps @l2.  The walk found a page. */
static u64 page_entry(unsigned int context, u64 l2)
{
	u64 table = eptp_of(context) & 0xffffffffff000ULL, entry;
	int level;

	for (level = 4;; level--) {
		entry = world_memory[(table - WORLD_TABLES) / 4096][l2 >> (3 + 9 * level) & 511];
		if (level == 1 || entry & LARGE)
			return entry;
		table = entry & 0xffffffffff000ULL;
	}
}

static void record(unsigned int context, unsigned int sample, u64 flags)
{
	struct oracle o = walk12(context, sample_address(sample), flags);
	struct record *r = records[context][sample];
	unsigned int i;
	u64 entry;

	if (!o.rights12)
		return;
	entry = page_entry(context, sample_address(sample));
	for (i = 0; i < record_count[context][sample]; i++)
		if (r[i].l1_address == o.l1_address && r[i].type == (entry >> 3 & 7) &&
		    r[i].ignore_pat == o.ignore_pat)
			break;
	must(i < RECORDS);
	if (i == record_count[context][sample]) {
		record_count[context][sample]++;
		r[i] = (struct record){ o.l1_address, entry >> 3 & 7, o.ignore_pat, 0 };
	}
	r[i].rights |= (u8)(1 << o.rights12);
}

static void record_all(void)
{
	unsigned int context, sample;

	for (context = 0; context < CONTEXTS; context++)
		for (sample = 0; sample < SAMPLES; sample++)
			record(context, sample, 0);
}

/* Claim: L2 may get this translation. */
static bool is_allowed(unsigned int context, unsigned int sample, const struct hardware *h)
{
	unsigned int i, rights;

	for (i = 0; i < record_count[context][sample]; i++) {
		const struct record *r = &records[context][sample][i];
		u64 pages, first;

		if (r->l1_address >= WORLD_L1_SIZE)
			continue;
		first = world_lower_first(r->l1_address >> 12, &pages);
		if (h->host != world_host(r->l1_address) || h->ignore_pat != r->ignore_pat ||
		    h->type != oracle_type(r->type, world_type[first]))
			continue;
		for (rights = 1; rights < 8; rights++)
			if (r->rights >> rights & 1 &&
			    !(h->rights & ~(rights & world_rights[first])))
				return true;
	}
	return false;
}

static void check_all(void)
{
	unsigned int i, sample;

	for (i = 0; i < CONTEXTS; i++) {
		const struct ept02_context *c = NULL;
		unsigned int k;

		for (k = 0; k < EPT02_CONTEXTS; k++)
			if (ept.contexts[k].root &&
			    !((ept.contexts[k].eptp12 ^ eptp_of(i)) & (EPTP_ADDRESS | EPTP_AD)))
				c = &ept.contexts[k];
		/* What L1's INVEPT is to drop goes before L2 can use it. */
		if (c && c->must_compare)
			continue;
		for (sample = 0; c && sample < SAMPLES; sample++) {
			struct hardware h = hardware_walk(c->eptp02, sample_address(sample));

			must(!h.misconfigured);
			must(!h.rights || is_allowed(i, sample, &h));
		}
	}
}

/* --- L1 --- */

static u64 random_entry(unsigned int level)
{
	static const u8 rights[] = { 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3, 5, 1, 4, 6, 0 };
	static const u8 types[] = { 6, 6, 6, 0, 1 };
	u64 e = rights[next(ARRAY_SIZE(rights))];
	unsigned int how = next(32);

	if (how & 1)
		e |= EPT_ACCESSED | EPT_DIRTY;
	else if (how & 2)
		e |= EPT_ACCESSED;
	if (level > 1 && (level == 4 || how & 28))
		return e | world_table(5 - level + 4 * (how >> 2) % TABLES);
	e |= (u64)types[next(ARRAY_SIZE(types))] << 3;
	if (level == 3)
		return e | LARGE;
	if (level == 2)
		return e | LARGE | (u64)next(3) << 21;
	return e | (0x200000 + 4096ULL * next(16));
}

static unsigned int random_index(void)
{
	static const unsigned int indices[] = { 0, 1, 9 };

	return indices[next(3)];
}

static void l1_writes(void)
{
	unsigned int table = next(TABLES), index = random_index();
	u64 *entry = &world_memory[table][index];

	tracker_written[table] = ++tracker_clock;
	switch (next(4)) {
	case 0:
		*entry ^= 1ULL << next(10);
		if (*entry & 0x78 && table % 4 == 0)
			*entry &= ~0xf8ULL;
		break;
	case 1:
		*entry &= ~(EPT_ACCESSED | EPT_DIRTY);
		break;
	default:
		*entry = random_entry(4 - table % 4);
	}
}

/* Another CPU writes EPT12 while this one walks it. */
static unsigned int race_after;
static bool raced;
static unsigned int race_context, race_sample; /* what is walked */
static u64 race_access;

static void race(void)
{
	if (!race_after || --race_after)
		return;
	record_all();
	/* An entry read before may be gone before the walk sets flags in the ones below it. */
	record(race_context, race_sample, EPT_ACCESSED | (race_access & EPT_WRITE ? EPT_DIRTY : 0));
	l1_writes();
	record_all();
	raced = true;
}

/* --- Page-modification log --- */

#define LOG_PAGE world_table(TABLES)

/* A log with little room, or none: the index before it is used. */
static u16 start_log(void)
{
	static const u16 indices[] = { 511, 2, 0, 512, 0xffff };

	ept.log = (struct ept02_log){ .on = true,
				      .page = l1pa(LOG_PAGE),
				      .index = indices[next(ARRAY_SIZE(indices))] };
	memset(world_memory[TABLES], 0xff, 4096);
	return ept.log.index;
}

/* SDM "Page-Modification Logging": one entry for a dirty flag that is set, none without. */
static void check_log(u16 before, u64 access, u64 l2, bool was_clean, enum ept02_result result)
{
	bool sets_dirty = result == EPT02_FIXED && was_clean && access & EPT_WRITE;

	if (result == EPT02_LOG_FULL)
		must(before > 511 && ept.log.index == before);
	else if (result == EPT02_FIXED)
		must(ept.log.index == (u16)(before - sets_dirty));
	if (sets_dirty)
		must(before <= 511 && world_memory[TABLES][before] == align_down(l2, 4096));
}

/* The answer to a violation is what EPT12 and EPT01 say. */
static void check_answer(const struct oracle *o, u64 access, enum ept02_result result,
			 const struct ept02_outcome *out)
{
	switch (result) {
	case EPT02_FIXED:
		must(o->fate == ORACLE_OK && !(access & ~o->rights));
		break;
	case EPT02_REFLECT_VIOLATION:
		must(o->fate == ORACLE_VIOLATION ||
		     (o->fate == ORACLE_OK && access & ~o->rights12));
		must(out->qualification == (access | 0x180 | o->rights12 << 3));
		break;
	case EPT02_REFLECT_MISCONFIGURATION:
		must(o->fate == ORACLE_MISCONFIGURATION);
		break;
	case EPT02_LOG_FULL:
		must(ept.log.on && o->fate == ORACLE_OK && !(access & ~o->rights12));
		break;
	case EPT02_L0_OWNED:
		must(o->fate == ORACLE_OK && !(access & ~o->rights12) && access & ~o->rights);
		must(out->l1_address.v == o->l1_address);
		break;
	default:
		must(false);
	}
}

static void touch(unsigned int races)
{
	unsigned int context = next(contexts), sample = next(SAMPLES), i;
	u64 access = 1ULL << next(3), l2 = sample_address(sample);
	bool deepest = next(2), logs = next(2), was_clean;
	struct hardware h;
	u16 log_index;

	raced = false;
	for (i = 0; i < 4; i++) {
		struct ept02_context *c = ept02_context(&ept, eptp_of(context));
		struct oracle o;
		struct ept02_outcome out;
		enum ept02_result result;

		if (ept02_entering(&ept, c))
			cache_drop(c->eptp02 & 0xffffffffff000ULL, 0, true);
		if (processor(c->eptp02, l2, access, deepest, &h)) {
			record_all();
			must(is_allowed(context, sample, &h));
			return;
		}
		must(i == 0 || raced); /* an answered access goes on */
		cache_drop(c->eptp02 & 0xffffffffff000ULL, l2, false);
		o = oracle_walk(eptp_of(context), l2);
		race_context = context;
		race_sample = sample;
		race_access = access;
		race_after = races;
		races = 0;
		log_index = logs ? start_log() : 0;
		was_clean = o.fate == ORACLE_OK && eptp_of(context) & EPTP_AD &&
			    !(page_entry(context, l2) & EPT_DIRTY);
		result = ept02_handle_violation(&ept, c, l2pa(l2), access | 0x180, &out);
		race_after = 0;
		record_all();
		if (!raced)
			check_answer(&o, access, result, &out);
		if (!raced && logs)
			check_log(log_index, access, l2, was_clean, result);
		ept.log.on = false;
		if (result != EPT02_FIXED)
			return;
	}
}

static void invept(void)
{
	unsigned int which = next(3), context, sample;

	if (which == 2)
		ept02_invept_all(&ept);
	else
		ept02_invept_single(&ept, eptp_of(which * 2));
	for (context = 0; context < CONTEXTS; context++)
		for (sample = 0; sample < SAMPLES; sample++)
			if (which == 2 || context / 2 == which)
				record_count[context][sample] = 0;
	record_all();
}

static void change_ept01(void)
{
	static const u8 rights[] = { 7, 7, 3, 5, 1, 0 };
	static u64 generation;
	u64 first = 0, size = 4096;

	switch (next(4)) {
	case 0:
		world_level_1g[0] = (u8)(2 + next(2));
		size = GIB;
		break;
	case 1:
		first = next(3);
		world_level_2m[first] = (u8)(1 + next(2));
		first *= 2 * MIB;
		size = 2 * MIB;
		break;
	default:
		first = next(2) ? 0 : 0x200 + next(16);
		world_rights[first] = rights[next(6)];
		world_type[first] = next(3) ? 6 : 0;
		first *= 4096;
		/* The fake's large pages have rights of their first 4 KiB. */
		size = world_level_1g[0] == 3 ? GIB : 2 * MIB;
		first = align_down(first, size);
	}
	generation++;
	if (next(4))
		ept02_ept01_changed(&ept, l1pa(first), size, generation);
	else
		ept02_ept01_check(&ept, generation);
}

static void start(void)
{
	static bool once;
	struct ept02_config config = { .memory_address = hpa(WORLD_POOL_HOST) };
	unsigned int table, i;

	if (!once) {
		world_init();
		world_hook = race;
		pool_memory = aligned_alloc(4096, 100 * 4096);
		once = true;
	}
	memset(world_level_1g, 3, sizeof(world_level_1g));
	memset(world_level_2m, 2, sizeof(world_level_2m));
	memset(world_rights, 7, LOWER_PAGES);
	memset(world_type, 6, LOWER_PAGES);
	memset(record_count, 0, sizeof(record_count));
	memset(cache, 0, sizeof(cache));
	memset(world_memory, 0, TABLES * 4096);
	contexts = 1 + next(CONTEXTS);
	tracker_is_exact = next(2);
	tracker_clock = 0;
	memset(tracker_written, 0, sizeof(tracker_written));
	config.memory = pool_memory;
	config.memory_pages = next(2) ? 34 : 34 + 2 * next(30);
	config.shown = &world_caps;
	config.hardware_ept_vpid = world_hardware.ept_vpid;
	config.prefetch = next(2);
	must(ept02_init(&ept, &config));
	for (table = 0; table < TABLES; table++)
		for (i = 0; i < 2; i++)
			world_memory[table][i] =
				table % 4 == 3 ? (0x200000 + 4096ULL * (table + i)) | 7 | 6 << 3
					       : world_table(table + 1) | 7;
	record_all();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	input = data;
	input_left = size;
	start();
	while (input_left) {
		switch (next(12)) {
		case 0:
		case 1:
		case 2:
			l1_writes();
			record_all();
			break;
		case 3:
			invept();
			break;
		case 4:
			change_ept01();
			break;
		case 5:
			touch(1 + next(3));
			break;
		default:
			touch(0);
		}
		check_all();
	}
	return 0;
}
