/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT01: L1's memory, mapped one to one, with the memory types of the MTRRs, pages as
 * large as alignment, types and the processor allow, and L0's own memory absent.
 * SDM "The Extended Page Table Mechanism (EPT)".
 *
 * RAM and everything below 4 GiB is mapped eagerly; what lies above (64-bit devices) is mapped
 * when L1 touches it.  Every table can be built again from the MTRRs, except those that
 * hold an override (a permission or page set by L0 or a hypapp): when the pool runs out,
 * the others are evicted.  So mapping never fails for want of memory.  Large pages that were split
 * for overrides are put together again when the last of these ends.
 *
 * Rules: the caller holds one lock around every call.  After a call that changed
 * `generation`, or returned EPT01_FLUSH, every CPU must execute INVEPT before its old
 * translations may be taken for gone, and whatever was derived from EPT01 is stale.
 * Mapping what was absent does not change the generation: absence is not cached.
 * ept01_change() says what a generation changed, for whoever wants to keep the rest.
 */
#pragma once

#include "xmhf/memory/mtrr.h"
#include "xmhf/memory/page_pool.h"
#include "xmhf/x86/vmx.h"

#define EPT01_HIDDEN_MAX 8
/** So many generations back ept01_change() knows. */
#define EPT01_CHANGES 16

struct ept01_range {
	u64 base, size;
};

struct ept01_settings {
	u64 top_of_ram;		   /* eager up to max(4 GiB, this) */
	u64 ept_vpid;		   /* the processor's IA32_VMX_EPT_VPID_CAP */
	bool use_accessed_dirty;   /* where the processor can */
	u8 physical_address_width; /* addresses of L1 from 1 << width on are refused */
	unsigned int hidden_count;
	struct ept01_range hidden[EPT01_HIDDEN_MAX]; /* absent from EPT01; multiples of 4 KiB */
};

struct ept01 {
	struct ept01_settings settings;
	struct mtrr_state mtrr;
	struct page_pool *pool;
	hpa_t root;
	u64 pages_max; /* of the pool, and how many are in use */
	u64 pages;
	u64 limit;     /* first address that is not mapped */
	u64 eager_end; /* what lies below was mapped by ept01_build() */
	u64 generation;
	struct ept01_range changes[EPT01_CHANGES]; /* of generation n at n % EPT01_CHANGES */
	hpa_t evicted;				   /* list of tables waiting for ept01_flushed() */
	unsigned int evicted_count;		   /* tables in it */
};

enum ept01_result {
	EPT01_DONE,
	/** A translation was there already: a stale TLB entry, or not enough rights. */
	EPT01_PRESENT,
	/** The address is hidden or too high, its access was taken away, or the processor knows no
	 * such rights or memory type. */
	EPT01_REFUSED,
	/** Tables were evicted.  Nothing else was done: INVEPT on every CPU, call ept01_flushed(),
	 * then call again. */
	EPT01_FLUSH,
	/** Overrides only: as many as the pool allows are there already. */
	EPT01_FULL,
};

/** Where EPT01 leads. */
struct ept01_translation {
	hpa_t address;
	u64 rights; /* EPT_READ, EPT_WRITE, EPT_EXECUTE */
	u64 page_size;
	enum memory_type type;
	bool lent; /* ept01_lend() was called for this page */
};

/** Tables, the root included, that ept01_build() uses if the pool has them. */
u64 ept01_pages_needed(const struct ept01_settings *settings, const struct mtrr_state *mtrr);

/**
 * The pages that EPT01 may take from the pool: ept01_pages_needed(), bounded, and some more for
 * addresses above RAM, overrides and MTRR changes.  At most EPT01_POOL_PAGES_MAX.
 */
u64 ept01_pool_pages(const struct ept01_settings *settings, const struct mtrr_state *mtrr);

#define EPT01_SPARE_PAGES    512
#define EPT01_POOL_PAGES_MAX (512 + EPT01_SPARE_PAGES)
#define EPT01_POOL_PAGES_MIN 8

/**
 * Builds EPT01.  What the pool has no room for is mapped on demand.
 * The pool may be shared: EPT01 never takes more than ept01_pool_pages().
 * @pre the pool has EPT01_POOL_PAGES_MIN free pages beyond what others will take.
 */
void ept01_build(struct ept01 *ept, const struct ept01_settings *settings,
		 const struct mtrr_state *mtrr, struct page_pool *pool);

/** The EPT pointer for VMCS01. */
u64 ept01_pointer(const struct ept01 *ept);

/** Maps the largest possible page at @address, after an EPT violation there. */
enum ept01_result ept01_map_on_demand(struct ept01 *ept, l1pa_t address);

/** Tells that every CPU executed INVEPT: tables evicted before become free pages. */
void ept01_flushed(struct ept01 *ept);

/** Overrides the rights of the 4 KiB page at @page; @rights 0 takes it away. */
enum ept01_result ept01_set_permission(struct ept01 *ept, l1pa_t page, u64 rights);

/** Overrides the 4 KiB page at @page, hidden or not: it leads to @to, with @rights and @type. */
enum ept01_result ept01_map_page(struct ept01 *ept, l1pa_t page, hpa_t to, u64 rights,
				 enum memory_type type);

/**
 * The entry that maps the 4 KiB page at @page, made by splitting larger pages; translations stay as
 * they are.  For the accessed and dirty flags in it.  NULL where nothing is mapped, or the pool has
 * no room.  The pointer stays good until ept01_page_release(): the entry's table is not evicted.
 * What else changes such an entry sets its dirty flag.
 */
u64 *ept01_page_entry(struct ept01 *ept, l1pa_t page);

/**
 * Gives back the entry of ept01_page_entry() for @page, which may be asked for again.  Where no
 * page needs an entry of its own any more, one of a large page takes the place of their table.
 */
void ept01_page_release(struct ept01 *ept, l1pa_t page);

/**
 * As ept01_walk(), and notes that somebody else's tables lead past EPT01 to the page of EPT01, of
 * whatever size, that holds @address: what is written through them leaves no dirty flag here.  The
 * note is inherited when the page is split.
 */
bool ept01_lend(struct ept01 *ept, l1pa_t address, struct ept01_translation *out);

/** Claim: the 4 KiB page at @entry, of ept01_page_entry(), was lent, alone or with others. */
bool ept01_is_lent(const u64 *entry);

/**
 * Takes back the 2 MiB around @page, which is mapped by 4 KiB pages: a change, so that whoever made
 * tables of his own from them drops these; and nothing of it is lent any more.
 */
void ept01_recall(struct ept01 *ept, l1pa_t page);

/**
 * What the change to @generation changed.  Returns false if that is too long ago.  May be called
 * without the lock.
 */
bool ept01_change(const struct ept01 *ept, u64 generation, struct ept01_range *out);

/** Claim: ept01_set_permission() set @rights for the 4 KiB page at @address. */
bool ept01_override(const struct ept01 *ept, l1pa_t address, u64 *rights);

/** A new generation in which EPT01 itself is as it was, for whoever depends on more than it. */
void ept01_announce(struct ept01 *ept);

/** Ends any override of the 4 KiB page at @page; as ept01_page_release(), makes large pages. */
void ept01_restore(struct ept01 *ept, l1pa_t page);

/**
 * Obeys new MTRRs: memory types change in place, large pages are split where needed and not
 * merged.  Pages set by ept01_map_page() keep their type.  The MTRRs that EPT01 has already
 * change nothing.
 */
void ept01_retype(struct ept01 *ept, const struct mtrr_state *mtrr);

/** Walks EPT01; false: nothing is mapped at @address, or it has no rights. */
bool ept01_walk(const struct ept01 *ept, l1pa_t address, struct ept01_translation *out);
