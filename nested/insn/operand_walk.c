/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk of L1's paging structures: every paging mode, access rights, protection keys,
 * reserved bits, accessed and dirty flags.  SDM chapter "Paging"; titles below.
 */
#include "nested/insn/operand.h"

#include "nested/insn/operand_space.h"
#include "xmhf/lib/bits.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/l1_memory_written.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

#define WALK_LEVELS 5
/* A flag update that other CPUs of L1 keep defeating is tried again this often. */
#define WALK_TRIES 8

#define PTE_PROTECTION_KEY FIELD(62, 59)
#define KEY_ACCESS_DISABLE BIT32(0)
#define KEY_WRITE_DISABLE  BIT32(1)
#define PSE36_RESERVED	   BIT(21)
#define PSE36_HIGH	   FIELD(20, 13) /* physical-address bits 39:32 of a 4-MByte page */

enum paging_mode {
	PAGING_NONE,
	PAGING_32_BIT,
	PAGING_PAE,
	PAGING_LONG, /* 4-level or 5-level */
};

/* One entry used by the walk, as it was read. */
struct step {
	u64 physical;	/* as the walk has it: L2's, for an instruction of L2 */
	l1pa_t address; /* where that is in L1's memory */
	u64 entry;
};

struct walk {
	const struct l1_cpu_state *state;
	enum paging_mode mode;
	u32 entry_bytes; /* 4 or 8 */
	u64 linear;
	struct step steps[WALK_LEVELS];
	u32 count;
	bool is_user, is_writable, is_no_execute; /* all levels together */
	u32 key;
	u64 page_bytes;
	l1pa_t page;
};

enum walk_result {
	WALK_OK,
	WALK_NOT_PRESENT,
	WALK_RESERVED,
	WALK_REFUSED, /* by EPT12; the fault says how */
};

static enum paging_mode paging_mode(const struct l1_cpu_state *state)
{
	if (!(state->cr0 & CR0_PG))
		return PAGING_NONE;
	if (!(state->cr4 & CR4_PAE))
		return PAGING_32_BIT;
	return state->efer & EFER_LMA ? PAGING_LONG : PAGING_PAE;
}

/* Reads one entry, once; what is not L1's reads as all-ones. */
static u64 read_entry(l1pa_t address, u32 bytes)
{
	const void *view = l1_memory_view(address, bytes);

	if (!view)
		return low_bits(bytes * 8);
	if (bytes == 4)
		return __atomic_load_n((const u32 *)view, __ATOMIC_RELAXED);
	return __atomic_load_n((const u64 *)view, __ATOMIC_RELAXED);
}

/* Sets @flags in an entry that still is @old; returns false if it changed meanwhile. */
static bool set_flags(l1pa_t address, u32 bytes, u64 old, u64 flags)
{
	void *view = l1_memory_view_for_writing(address, bytes);
	u32 old32 = (u32)old;

	if (!view)
		return true;
	l1_memory_written(address);
	if (bytes == 4)
		return __atomic_compare_exchange_n((u32 *)view, &old32, old32 | (u32)flags, false,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return __atomic_compare_exchange_n((u64 *)view, &old, old | flags, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

/*
 * Reserved bits of an entry at @level (1: page table).  SDM "Reserved bits" of the tables
 * "Formats of CR3 and Paging-Structure Entries" of each mode.
 */
static u64 reserved_bits(const struct walk *w, u32 level, bool is_leaf)
{
	u32 width = w->state->physical_address_width;
	u64 reserved;

	if (w->mode == PAGING_32_BIT) {
		/* Only a 4-MByte page has any: address bits above the width, and bit 21. */
		if (level != 2 || !is_leaf)
			return 0;
		return PSE36_RESERVED | (width >= 40 ? 0 : PSE36_HIGH & ~low_bits(width - 32 + 13));
	}
	reserved = FIELD(51, 12) & ~low_bits(width);
	if (w->mode == PAGING_PAE)
		reserved |= FIELD(62, 52);
	if (!(w->state->efer & EFER_NXE))
		reserved |= PTE_NX;
	if (level >= 4 || (level == 3 && !w->state->has_1g_pages))
		reserved |= PTE_PS;
	if (is_leaf && level == 2)
		reserved |= FIELD(20, 13);
	if (is_leaf && level == 3)
		reserved |= FIELD(29, 13);
	return reserved;
}

static bool maps_page(const struct walk *w, u32 level, u64 entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_PS) || level > 3)
		return false;
	return w->mode != PAGING_32_BIT || (w->state->cr4 & CR4_PSE);
}

/* Address bits that index the structure at @level start here. */
static u32 level_shift(const struct walk *w, u32 level)
{
	return w->mode == PAGING_32_BIT ? 12 + 10 * (level - 1) : 12 + 9 * (level - 1);
}

/* Where the entry at @physical is in L1's memory.  False: EPT12 refuses. */
static bool locate_entry(const struct walk *w, u64 physical, enum l1_access access, l1pa_t *out,
			 struct l1_fault *fault)
{
	*out = l1pa(physical);
	return !w->state->is_l2 ||
	       operand_space_translate(physical, w->linear, access, false, out, fault);
}

static u64 entry_address(const struct walk *w, u64 table, u32 level)
{
	u64 count = w->mode == PAGING_32_BIT ? 1024 : 512;
	u64 index = (w->linear >> level_shift(w, level)) & (count - 1);

	return table + index * w->entry_bytes;
}

/* The page that a leaf maps. */
static void take_leaf(struct walk *w, u32 level, u64 entry)
{
	w->page_bytes = BIT(level_shift(w, level));
	if (w->mode == PAGING_32_BIT && level == 2)
		w->page = l1pa((entry & FIELD(31, 22)) | field_get(entry, PSE36_HIGH) << 32);
	else
		w->page = l1pa(align_down(entry & PTE_ADDRESS, w->page_bytes));
	w->key = (u32)field_get(entry, PTE_PROTECTION_KEY);
}

/* Follows the entries from the structure at @table, of @level, down to a page. */
static enum walk_result walk_down(struct walk *w, u64 table, u32 level, struct l1_fault *fault)
{
	for (;; level--) {
		u64 physical = entry_address(w, table, level), entry;
		l1pa_t address;
		bool is_leaf;

		if (!locate_entry(w, physical, L1_ACCESS_READ, &address, fault))
			return WALK_REFUSED;
		entry = read_entry(address, w->entry_bytes);
		is_leaf = maps_page(w, level, entry);
		if (!(entry & PTE_P))
			return WALK_NOT_PRESENT;
		if (entry & reserved_bits(w, level, is_leaf))
			return WALK_RESERVED;
		w->steps[w->count++] = (struct step){ physical, address, entry };
		w->is_user &= !!(entry & PTE_U);
		w->is_writable &= !!(entry & PTE_W);
		w->is_no_execute |= (entry & PTE_NX) && (w->state->efer & EFER_NXE);
		if (is_leaf) {
			take_leaf(w, level, entry);
			return WALK_OK;
		}
		table = entry & PTE_ADDRESS;
	}
}

static enum walk_result walk(struct walk *w, struct l1_fault *fault)
{
	const struct l1_cpu_state *state = w->state;
	u64 pdpte;

	w->entry_bytes = w->mode == PAGING_32_BIT ? 4 : 8;
	w->count = 0;
	w->is_user = w->is_writable = true;
	w->is_no_execute = false;
	switch (w->mode) {
	case PAGING_32_BIT:
		return walk_down(w, state->cr3 & FIELD(31, 12), 2, fault);
	case PAGING_PAE:
		/* The processor holds the four PDPTEs in registers. */
		pdpte = state->pdptes[(w->linear >> 30) & 3];
		if (!(pdpte & PTE_P))
			return WALK_NOT_PRESENT;
		return walk_down(w, pdpte & PTE_ADDRESS, 2, fault);
	default:
		return walk_down(w, state->cr3 & PTE_ADDRESS, state->cr4 & CR4_LA57 ? 5 : 4, fault);
	}
}

/*
 * Do protection keys forbid a data access?  User pages have PKRU, supervisor pages PKRS.
 * SDM "Protection Keys".
 */
static bool key_forbids(const struct walk *w, enum l1_access access)
{
	const struct l1_cpu_state *state = w->state;
	u64 enable = w->is_user ? CR4_PKE : CR4_PKS;
	u32 rights = (w->is_user ? state->pkru : state->pkrs) >> (2 * w->key);

	if (w->mode != PAGING_LONG || !(state->cr4 & enable) || access == L1_ACCESS_FETCH)
		return false;
	if (rights & KEY_ACCESS_DISABLE)
		return true;
	return access == L1_ACCESS_WRITE && (rights & KEY_WRITE_DISABLE) &&
	       (state->cpl == 3 || (state->cr0 & CR0_WP));
}

/* SDM "Determination of Access Rights", without protection keys. */
static bool rights_allow(const struct walk *w, enum l1_access access)
{
	const struct l1_cpu_state *state = w->state;

	if (access == L1_ACCESS_FETCH && w->is_no_execute)
		return false;
	if (state->cpl == 3)
		return w->is_user && (access != L1_ACCESS_WRITE || w->is_writable);
	if (access == L1_ACCESS_FETCH)
		return !w->is_user || !(state->cr4 & CR4_SMEP);
	if (w->is_user && (state->cr4 & CR4_SMAP) && !(state->rflags & RFLAGS_AC))
		return false;
	return access == L1_ACCESS_READ || w->is_writable || !(state->cr0 & CR0_WP);
}

enum mark_result {
	MARK_OK,
	MARK_CHANGED, /* walk again */
	MARK_REFUSED,
};

/* Sets accessed flags in all entries and the dirty flag in the leaf. */
static enum mark_result mark_used(const struct walk *w, enum l1_access access,
				  struct l1_fault *fault)
{
	for (u32 i = 0; i < w->count; i++) {
		bool is_leaf = i + 1 == w->count;
		u64 flags = PTE_A | (is_leaf && access == L1_ACCESS_WRITE ? PTE_D : 0);
		const struct step *step = &w->steps[i];
		l1pa_t address;

		if ((step->entry & flags) == flags)
			continue;
		if (!locate_entry(w, step->physical, L1_ACCESS_WRITE, &address, fault))
			return MARK_REFUSED;
		if (!set_flags(address, w->entry_bytes, step->entry, flags))
			return MARK_CHANGED;
	}
	return MARK_OK;
}

/* SDM "Page-Fault Exceptions". */
static void page_fault(const struct walk *w, enum l1_access access, u32 cause,
		       struct l1_fault *fault)
{
	const struct l1_cpu_state *state = w->state;
	bool has_nx = (state->cr4 & CR4_PAE) && (state->efer & EFER_NXE);

	*fault = (struct l1_fault){ .vector = VECTOR_PF, .error_code = cause, .cr2 = w->linear };
	if (access == L1_ACCESS_WRITE)
		fault->error_code |= PF_ERROR_WRITE;
	if (state->cpl == 3)
		fault->error_code |= PF_ERROR_USER;
	if (access == L1_ACCESS_FETCH && (has_nx || (state->cr4 & CR4_SMEP)))
		fault->error_code |= PF_ERROR_FETCH;
}

/* One walk with its checks and flags.  MARK_REFUSED: @fault. */
static enum mark_result walk_once(struct walk *w, enum l1_access access, struct l1_fault *fault)
{
	enum walk_result result = walk(w, fault);
	bool key_fault;

	if (result == WALK_REFUSED)
		return MARK_REFUSED;
	if (result == WALK_NOT_PRESENT)
		page_fault(w, access, 0, fault);
	if (result == WALK_RESERVED)
		page_fault(w, access, PF_ERROR_PRESENT | PF_ERROR_RESERVED, fault);
	if (result != WALK_OK)
		return MARK_REFUSED;
	key_fault = key_forbids(w, access);
	if (!key_fault && rights_allow(w, access))
		return mark_used(w, access, fault);
	page_fault(w, access, PF_ERROR_PRESENT | (key_fault ? PF_ERROR_PKEY : 0), fault);
	return MARK_REFUSED;
}

bool operand_translate(const struct l1_cpu_state *state, u64 linear, enum l1_access access,
		       l1pa_t *address, struct l1_fault *fault)
{
	struct walk w = { .state = state, .mode = paging_mode(state), .linear = linear };
	enum mark_result result = MARK_CHANGED;
	u64 physical = linear;

	/*
	 * Another CPU of L1 changed the entry: what it says now counts.  One that does so for
	 * ever cannot hold this CPU in L0: the last walk is used, its flags not set.
	 */
	for (int tries = 0; w.mode != PAGING_NONE && tries < WALK_TRIES && result == MARK_CHANGED;
	     tries++) {
		result = walk_once(&w, access, fault);
		physical = w.page.v + (linear & (w.page_bytes - 1));
	}
	if (result == MARK_REFUSED)
		return false;
	*address = l1pa(physical);
	return !state->is_l2 ||
	       operand_space_translate(physical, linear, access, true, address, fault);
}
