/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of EPT02: rights, memory type and address of EPT12 followed by EPT01, for every entry of
 * EPT12, every page of EPT01 and every size.
 */
/* sources: nested/ept02/memory_type.c */
#include "nested/test/prove.h"

#include "nested/ept02/violation.c"

/* SDM "Selecting Memory Types": the MTRRs' type with the PAT's. */
static u64 selected_type(u64 mtrr, u64 pat)
{
	const u64 uc = 0, wc = 1, wb = 6;

	if (pat == wb)
		return mtrr;
	if (pat == uc || pat == wc)
		return pat;
	return mtrr == uc || mtrr == wc ? uc : pat; /* WT, WP */
}

static bool is_type(u64 type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

void prove_memory_type(void)
{
	u64 entry = any_u64("entry"), type = entry >> 3 & 7, mtrr = any_u8("type of EPT01");

	given(is_type(type) && is_type(mtrr));
	must(ept02_memory_type_bits(entry, (enum memory_type)mtrr) ==
		     (selected_type(mtrr, type) << 3 | (entry & 0x40)),
	     "the type is what L1's own page would have, and the ignore-PAT bit EPT12's");
}

void prove_page(void)
{
	struct ept02 ept;
	struct ept02_context context;
	u64 entry12 = any_u64("entry"), l1_address = any_u64("address");
	u64 level = 1 + each_u32("level", 3), size = 1ULL << (3 + 9 * level), rights, entry;
	u64 lower_size = 1ULL << (12 + 9 * each_u32("level of EPT01", 3));

	any_memory(&ept.lower, sizeof(ept.lower), "EPT01");
	ept.lower_base = any_u64("base");
	ept.lower.page_size = lower_size;
	ept.lower.rights &= 7;
	context.sets_flags = any_bool("accessed and dirty flags");
	given(lower_size >= size && !(ept.lower_base & (lower_size - 1)));
	given(!(ept.lower.address.v & (lower_size - 1)) && !(ept.lower.address.v >> 52));
	given(l1_address - ept.lower_base < lower_size);
	given(is_type(entry12 >> 3 & 7) && is_type(ept.lower.type));
	rights = own_rights(&context, entry12);
	entry = compose(&ept, l1_address, (u32)level, entry12, rights & ept.lower.rights);
	must(!(entry & 7 & ~entry12) && !(entry & 7 & ~ept.lower.rights),
	     "no right that EPT12 or EPT01 does not give");
	must((entry & 5) == (entry12 & ept.lower.rights & 5), "all rights to read and execute");
	must((entry &
	      2) == (context.sets_flags && !(entry12 & 0x200) ? 0 : entry12 & ept.lower.rights & 2),
	     "the right to write, but not before EPT12's dirty flag is set");
	must((entry & 0xffffffffff000 & ~(size - 1)) ==
		     ept.lower.address.v + ((l1_address - ept.lower_base) & ~(size - 1)),
	     "the page that EPT01 has there");
	must(!(entry & 0xffffffffff000 & (size - 1)), "aligned");
	must((entry >> 3 & 7) == selected_type(ept.lower.type, entry12 >> 3 & 7), "memory type");
	must((entry >> 7 & 1) == (level > 1), "a large page above level 1");
	must(!(entry >> 52), "no other bits");
}

/* The write right of an entry above a page: what @below mirrors stays only with no new rights. */
void prove_may_stay(void)
{
	struct ept02_context context = { .sets_flags = any_bool("accessed and dirty flags") };
	struct ept02_table below = { .base = l1pa(any_u64("base")) };
	u64 seen = any_u64("seen"), entry = any_u64("entry");
	static const u64 view[1];

	below.view = view;
	if (!may_stay(&context, &below, seen, entry))
		return;
	must(below.base.v == (entry & 0xffffffffff000), "the same table");
	must(!(entry & 7 & ~seen), "no right is new");
	must(!context.sets_flags || !(seen & 0x100) || (entry & 0x100), "no accessed flag is lost");
	must(!may_stay(&context, NULL, seen, entry), "a table");
}
