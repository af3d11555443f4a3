/* SPDX-License-Identifier: BSD-2-Clause */
/* Quick walk of L1's 4-level paging structures.  Pure. */
#include "nested/insn/fast_operand.h"

#include "xmhf/memory/l1_memory.h"
#include "xmhf/x86/cpu.h"

#define LEVELS 4

static unsigned int shift_of(unsigned int level)
{
	return 12 + 9 * (level - 1);
}

bool fast_translate(const struct fast_paging *paging, u64 linear, bool write, l1pa_t *address)
{
	u64 need = PTE_P | PTE_A | (write ? PTE_W : 0);
	u64 table = paging->cr3 & PTE_ADDRESS;

	for (unsigned int level = LEVELS;; level--) {
		u64 size = BIT(shift_of(level));
		const volatile u64 *entries = l1_memory_view(l1pa(table), PAGE_SIZE);
		u64 entry;

		if (!entries)
			return false;
		entry = entries[(linear >> shift_of(level)) & 511];
		if ((entry & need) != need || (entry & paging->reserved))
			return false;
		table = entry & PTE_ADDRESS;
		if (level > 1 && !(entry & PTE_PS))
			continue;
		/* A page.  A PAT bit or reserved bits below a large page's address: uncommon. */
		if (level == LEVELS || (table & (size - 1)) || (write && !(entry & PTE_D)) ||
		    (paging->refuse_user && (entry & PTE_U)))
			return false;
		*address = l1pa(table | (linear & (size - 1)));
		return true;
	}
}
