/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT02: what the processor walks while it runs L2.  EPT12 (L1's, in L1's memory) followed
 * by EPT01 (ours), filled as L2 touches memory, kept until L1's INVEPT, and as far as EPT12 did not
 * change beyond it. SDM "The Extended Page Table Mechanism (EPT)", "Caching Translation
 * Information".
 *
 * One struct ept02 belongs to one CPU: INVEPT acts on one CPU by architecture, so nothing
 * here is shared and there are no locks.  It holds up to EPT02_CONTEXTS contexts, one for each
 * EPTP12 in use, all out of one pool; what was used least recently makes room.
 *
 * Shape.  A table of EPT02 either mirrors one table of EPT12, entry by entry (each entry then
 * depends on its own entry of EPT12 only, and for pages on EPT01), or splits a large page
 * of EPT12 whose parts EPT01 maps by smaller pages.  A mirror remembers in `seen` the entry of
 * EPT12 that each of its own was made from.
 *
 * Invariants
 *  1. A present entry was made from `seen`, which ept12_classify() accepted.
 *  2. A page is present only if every table above it is linked.
 *  3. With accessed and dirty flags for EPT on in EPTP12, a page is present only if L1 sees the
 *     accessed flags set on its whole path, writable only if it sees the dirty flag.
 *  4. What the processor may have cached for a context is still in the context's tables, or was
 *     there at some time since L1's last INVEPT, when EPT12 and EPT01 both said so; or else the
 *     context has `must_flush`: INVEPT is executed before the next VM entry with it.  So a flush
 *     is due after L1's INVEPT, if L2 ran since the last flush, and when a table or what was made
 *     of EPT01 goes.  The processor tags what it caches by the root's address; a new
 *     context starts with a flush due, whatever its root was before.
 */
#pragma once

#include "nested/ept02/ept12.h"
#include "nested/ept02/lower.h"

#define EPT02_CONTEXTS 16
/** Fewest tables that ept02_init() accepts: two contexts with a path each. */
#define EPT02_TABLES_MIN 16

/** One table of EPT02; 64 bytes. */
struct ept02_table {
	const volatile u64 *view; /* the table of EPT12 it mirrors; NULL if it splits a page */
	u64 *entries;		  /* what the processor walks */
	u64 *seen;		  /* mirrors: entry of EPT12 behind each present entry */
	l1pa_t base;		  /* mirror: address of EPT12's table; split: first byte mapped */
	u64 used;		  /* bit n: some entry of 8n..8n+7 may be present */
	u64 tracked_since;	  /* mirrors: ept12_track() before the entries were last compared */
	struct ept02_table *parent; /* the next free table, if free */
	u16 parent_index;
	u8 level;
	u8 context; /* index of the owner; EPT02_CONTEXTS if free */
};

/** The EPT02 of one EPTP12. */
struct ept02_context {
	struct ept02_table *root; /* NULL: the context is free */
	u64 eptp12;		  /* bits that matter: address, walk length, A/D */
	u64 eptp02;		  /* for the VMCS */
	u64 last_used;
	u64 tracked_since; /* ept12_track() before the last complete comparison */
	u8 levels;
	u8 index;
	bool sets_flags;   /* accessed and dirty flags for EPT */
	bool must_flush;   /* see invariant 4 */
	bool must_compare; /* L1 said INVEPT */
	bool compare_all;  /* without asking the record of writes */
	bool has_run;	   /* L2 may have run with it since the last flush */
};

/* The number of tables in use is tables_count - free_count. */
struct ept02_statistics {
	u64 touches; /* violations handled */
	u64 fixed, reflected, l0_owned, retried;
	u64 prefetched; /* entries filled besides the one touched */
	u64 contexts_created;
	u64 contexts_evicted;
	u64 trims;	       /* times that one context filled the pool and lost tables */
	u64 resyncs;	       /* contexts compared after INVEPT */
	u64 resyncs_unchanged; /* of these, without any change */
	u64 tables_compared;
	u64 entries_dropped;  /* present entries removed, those below them not counted */
	u64 entries_narrowed; /* rights taken away in place */
	u64 flushes;	      /* hardware INVEPTs asked for */
};

struct ept02_config {
	void *memory;		      /* page-aligned, contiguous, for this CPU alone */
	hpa_t memory_address;	      /* of @memory */
	u64 memory_pages;	      /* 4 KiB each; a table takes a little more than two */
	const struct vmx_caps *shown; /* to L1; no more than the processor can do */
	u64 hardware_ept_vpid;	      /* the processor's IA32_VMX_EPT_VPID_CAP */
	bool prefetch; /* fill neighbours of a touched page that EPT12 maps, when that is legal */
};

/**
 * Page-modification logging of the VMCS12 that runs: where L0 logs the pages whose dirty
 * flag it sets in EPT12.  SDM "Page-Modification Logging".
 */
struct ept02_log {
	bool on;
	l1pa_t page;
	u16 index; /* of the next entry; above 511 the log is full */
};

#define EPT02_LOG_ENTRIES 512

struct ept02 {
	struct ept12_rules rules;
	struct ept02_context *current; /* used last */
	struct ept02_table *tables, *free;
	u64 tables_count, free_count;
	u64 tables_address;		/* host-physical, of the first table's entries */
	struct ept01_translation lower; /* EPT01 page looked up last; size 0: none */
	u64 lower_base;			/* its first byte, in L1's memory */
	u8 lower_level;			/* largest page of EPT02 that it allows */
	u64 ept01_generation;
	u64 clock;
	u64 trim_next; /* where the next trim begins */
	u64 eptp_fixed;
	u8 max_page_level; /* largest page the processor can map */
	bool prefetch;
	struct ept02_log log;	    /* the caller's, set before it hands in a violation */
	unsigned int contexts_used; /* contexts from this index on were never used */
	struct ept02_context contexts[EPT02_CONTEXTS];
	struct ept02_statistics statistics;
};

enum ept02_result {
	/** The translation is there: resume L2. */
	EPT02_FIXED,
	/** EPT12 refuses: an EPT violation for L1, with `qualification`. */
	EPT02_REFLECT_VIOLATION,
	/** EPT12 is misconfigured: an EPT misconfiguration for L1. */
	EPT02_REFLECT_MISCONFIGURATION,
	/** EPT12 allows, EPT01 does not: L0's memory, or a page a hypapp took away, at
	   `l1_address`. */
	EPT02_L0_OWNED,
	/** An EPT misconfiguration that nothing in EPT12 explains: a mistake of ours. */
	EPT02_UNEXPECTED,
	/** The log is full: a page-modification log-full event for L1, with no flag set. */
	EPT02_LOG_FULL,
};

struct ept02_outcome {
	u64 qualification; /* EPT02_REFLECT_VIOLATION: what L1 sees */
	bool may_be_ve;	   /* EPT02_REFLECT_VIOLATION: EPT12's entry does not suppress #VE */
	l1pa_t l1_address; /* EPT02_L0_OWNED: what L2's access leads to */
};

/** Prepares the EPT02 of one CPU.  False: the memory is too small or not aligned. */
bool ept02_init(struct ept02 *ept, const struct ept02_config *config);

/**
 * The context of @eptp12, made if there is none (never fails, may evict another).  A pointer
 * stays good until the next call with another EPTP: call this before each VM entry to L2;
 * it is a comparison if the EPTP is the same.
 * @pre the VM-entry checks accepted @eptp12.
 */
struct ept02_context *ept02_context(struct ept02 *ept, u64 eptp12);

/**
 * To be called immediately before each VM entry with @context->eptp02: settles L1's INVEPT.  True:
 * single-context INVEPT of eptp02 has to be executed first.
 */
bool ept02_entering(struct ept02 *ept, struct ept02_context *context);

/** The second part of ept02_entering(), for who has called ept02_settle() itself. */
static inline bool ept02_take_flush(struct ept02 *ept, struct ept02_context *context)
{
	context->has_run = true;
	if (!context->must_flush)
		return false;
	context->must_flush = false;
	ept->statistics.flushes++;
	return true;
}

/**
 * An EPT violation of L2 at @address with the processor's @qualification.  Reads EPT12, sets its
 * flags, fills EPT02.
 */
enum ept02_result ept02_handle_violation(struct ept02 *ept, struct ept02_context *context,
					 l2pa_t address, u64 qualification,
					 struct ept02_outcome *out);

/**
 * An EPT misconfiguration of L2 at @address.  EPT02 holds no misconfigured entries (where EPT12
 * has one, EPT02's is absent and the violation is answered by REFLECT_MISCONFIGURATION, which costs
 * the same), so this is for completeness: EPT02_REFLECT_MISCONFIGURATION or EPT02_UNEXPECTED.
 */
enum ept02_result ept02_handle_misconfiguration(struct ept02 *ept, struct ept02_context *context,
						l2pa_t address);

/**
 * L1's INVEPT, single-context with @eptp12, or all-context.  A few stores: the contexts are
 * compared with EPT12 at their next entry, however often L1 said INVEPT before it, and then lose
 * what changed, nothing else.  The record of writes says which tables to compare; all-context
 * compares all of them (docs/decisions/0010-who-writes-ept12.md).  The processor's INVEPT is left
 * to ept02_entering() too.  It also drops combined mappings, made from L2's own paging structures,
 * and L1 may rely on that; so one flush is due even if nothing changed, unless L2 has not run since
 * the last one.
 */
void ept02_invept_single(struct ept02 *ept, u64 eptp12);
void ept02_invept_all(struct ept02 *ept);

/** The comparison, if one is due; ept02_entering() does it.  Returns true if something changed. */
bool ept02_settle(struct ept02 *ept, struct ept02_context *context);

/**
 * EPT01 changed in the @size bytes at @first, and has @generation now: whatever EPT02 made of
 * them goes.  Contexts that lost something flush at their next entry; if this is called while the
 * CPU is between an exit from L2 and the next entry, as it must be, that is soon enough.
 */
void ept02_ept01_changed(struct ept02 *ept, l1pa_t first, u64 size, u64 generation);

/** EPT01 has @generation: drops what changed since the one EPT02 was made from. */
void ept02_ept01_check(struct ept02 *ept, u64 generation);

/** Drops all contexts. */
void ept02_reset(struct ept02 *ept);
