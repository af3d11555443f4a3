/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of EPT12 and the walk.  SDM "The EPT Translation Mechanism", "EPT Misconfigurations",
 * "EPT Violations", "Accessed and Dirty Flags for EPT".
 *
 * Mode-based execute control and sub-page permissions are not offered to L1, so bits 10 and 61
 * are ignored here, as are 63:52 in general.
 */
#include "nested/ept02/ept12.h"

#include "xmhf/memory/l1_memory.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/* Memory types 2, 3 and 7 are reserved in an entry that maps a page. */
#define BAD_MEMORY_TYPES (BIT32(2) | BIT32(3) | BIT32(7))
/* Rounds of a walk that finds entries changed before it gives way to L2. */
#define WALK_ROUNDS 8
/* Bits 7:3 are reserved in entries above those that may map a page, 6:3 where bit 7 has a meaning.
 */
#define RESERVED_UPPER	   FIELD(7, 3)
#define RESERVED_REFERENCE FIELD(6, 3)

static u64 too_wide(const struct vmx_caps *caps)
{
	return FIELD(51, 0) & ~low_bits(caps->physical_address_width);
}

static void large_page_rules(struct ept12_rules *rules, unsigned int level, bool supported)
{
	/* A processor without the page size has bit 7 reserved. */
	rules->reserved_in_table[level] |= supported ? RESERVED_REFERENCE : RESERVED_UPPER;
	rules->page_bits[level] = supported ? EPT_LEAF : 0;
	rules->reserved_in_page[level] |= ept12_size(level) - PAGE_SIZE;
}

void ept12_rules_init(struct ept12_rules *rules, const struct vmx_caps *caps)
{
	unsigned int level;

	for (level = 0; level <= EPT12_LEVELS_MAX; level++) {
		rules->reserved_in_table[level] = too_wide(caps);
		rules->reserved_in_page[level] = too_wide(caps);
		rules->page_bits[level] = 0;
		if (level > 3)
			rules->reserved_in_table[level] |= RESERVED_UPPER;
	}
	large_page_rules(rules, 3, caps->ept_vpid & EPT_CAP_1G);
	large_page_rules(rules, 2, caps->ept_vpid & EPT_CAP_2M);
	rules->page_bits[1] = EPT_RWX; /* every present entry of a page table */
	rules->bad_rights = BIT32(EPT_WRITE) | BIT32(EPT_WRITE | EPT_EXECUTE);
	if (!(caps->ept_vpid & EPT_CAP_EXECUTE_ONLY))
		rules->bad_rights |= BIT32(EPT_EXECUTE);
}

enum ept12_kind ept12_classify(const struct ept12_rules *rules, u64 entry, unsigned int level)
{
	u64 rights = entry & EPT_RWX;

	if (!rights)
		return EPT12_ABSENT;
	if (rules->bad_rights >> rights & 1)
		return EPT12_MISCONFIGURED;
	if (!(entry & rules->page_bits[level]))
		return entry & rules->reserved_in_table[level] ? EPT12_MISCONFIGURED : EPT12_TABLE;
	if (entry & rules->reserved_in_page[level])
		return EPT12_MISCONFIGURED;
	if (BAD_MEMORY_TYPES >> field_get(entry, EPT_MEMORY_TYPE) & 1)
		return EPT12_MISCONFIGURED;
	return EPT12_PAGE;
}

unsigned int ept12_levels(u64 eptp)
{
	return field_get(eptp, EPTP_WALK_LENGTH) == EPT12_LEVELS_MAX - 1 ? EPT12_LEVELS_MAX : 4;
}

/* Page-walk length 4, as the EPTP has it: one less. */
#define WALK_4 (3U << 3)

bool ept12_eptp_is_valid(const struct vmx_caps *caps, u64 eptp)
{
	u64 cap = caps->ept_vpid;
	u64 wanted = EPT_CAP_WALK_4;

	switch (eptp & ~(EPTP_ADDRESS | EPTP_AD)) {
	case WALK_4 | MEMORY_TYPE_WB:
		wanted |= EPT_CAP_WB;
		break;
	case WALK_4 | MEMORY_TYPE_UC:
		wanted |= EPT_CAP_UC;
		break;
	default:
		return false;
	}
	if (eptp & EPTP_AD)
		wanted |= EPT_CAP_AD;
	return (cap & wanted) == wanted && !(eptp >> caps->physical_address_width);
}

u64 ept12_effective_qualification(u64 eptp, u64 qualification)
{
	if (eptp & EPTP_AD && qualification & EPT_VIOLATION_LINEAR_VALID &&
	    !(qualification & EPT_VIOLATION_FINAL))
		return qualification | EPT_VIOLATION_READ | EPT_VIOLATION_WRITE;
	return qualification;
}

bool ept12_set_flags(volatile u64 *entry, u64 expected, u64 flags)
{
	return __atomic_compare_exchange_n(entry, &expected, expected | flags, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

const volatile u64 *ept12_page_of_ones(void)
{
	static const u64 ones[EPT_ENTRIES] = { [0 ... EPT_ENTRIES - 1] = ~0ULL };

	return ones;
}

const volatile u64 *ept12_view(l1pa_t page)
{
	const u64 *view = l1_memory_view(page, PAGE_SIZE);

	return view ? view : ept12_page_of_ones();
}

/* The entries of one walk, by level, for the flags that are set at its end. */
struct steps {
	const volatile u64 *place[EPT12_LEVELS_MAX + 1];
	u64 entry[EPT12_LEVELS_MAX + 1];
};

static enum ept12_kind read_entries(const struct ept12_rules *rules, u64 eptp, u64 address,
				    struct steps *steps, struct ept12_translation *out)
{
	unsigned int level = ept12_levels(eptp);
	l1pa_t page = l1pa(eptp & EPTP_ADDRESS);
	enum ept12_kind kind;

	for (out->rights = EPT_RWX;; level--) {
		steps->place[level] = ept12_view(page) + ept12_index(address, level);
		steps->entry[level] = *steps->place[level];
		out->level = level;
		out->rights &= steps->entry[level];
		kind = ept12_classify(rules, steps->entry[level], level);
		if (kind != EPT12_TABLE)
			return kind;
		page = l1pa(steps->entry[level] & EPT_ADDRESS);
	}
}

static bool set_flags(struct steps *steps, unsigned int leaf, unsigned int top, bool dirty)
{
	unsigned int level;

	for (level = top; level >= leaf; level--) {
		u64 flags = EPT_ACCESSED | (level == leaf && dirty ? EPT_DIRTY : 0);
		u64 entry = steps->entry[level];

		if ((entry & flags) != flags &&
		    !ept12_set_flags((volatile u64 *)(uptr)steps->place[level], entry, flags))
			return false;
	}
	return true;
}

static void describe_page(u64 entry, u64 address, struct ept12_translation *out)
{
	u64 size = ept12_size(out->level);

	out->page_size = size;
	out->address = l1pa(align_down(entry & EPT_ADDRESS, size) | (address & (size - 1)));
	out->memory_type = (enum memory_type)field_get(entry, EPT_MEMORY_TYPE);
	out->ignore_pat = entry & EPT_IGNORE_PAT;
}

static enum ept12_result walk_once(const struct ept12_rules *rules, u64 eptp, l2pa_t address,
				   u64 access, struct ept12_translation *out)
{
	struct steps steps;
	enum ept12_kind kind = read_entries(rules, eptp, address.v, &steps, out);

	if (kind == EPT12_MISCONFIGURED)
		return EPT12_MISCONFIGURATION;
	if (kind == EPT12_ABSENT || access & ~out->rights)
		return EPT12_VIOLATION;
	describe_page(steps.entry[out->level], address.v, out);
	if (eptp & EPTP_AD && access &&
	    !set_flags(&steps, out->level, ept12_levels(eptp), access & EPT_WRITE))
		return EPT12_RETRY;
	return EPT12_OK;
}

enum ept12_result ept12_walk(const struct ept12_rules *rules, u64 eptp, l2pa_t address,
			     u64 qualification, struct ept12_translation *out)
{
	enum ept12_result result = EPT12_VIOLATION;
	u64 effective = ept12_effective_qualification(eptp, qualification);
	unsigned int round;

	*out = (struct ept12_translation){ 0 };
	for (round = 0; round < WALK_ROUNDS; round++) {
		if (!ept12_is_beyond(address, ept12_levels(eptp)))
			result = walk_once(rules, eptp, address, effective & EPT12_ACCESS, out);
		if (result != EPT12_RETRY)
			break;
	}
	out->qualification = field_set(effective, EPT_VIOLATION_ENTRY_RWX, out->rights);
	return result;
}
