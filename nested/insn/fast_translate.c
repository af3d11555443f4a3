/* SPDX-License-Identifier: BSD-2-Clause */
/* Quick walk of L1's 4-level paging structures.  Pure. */
#include "nested/insn/fast_operand.h"

#include "xmhf/memory/l1_memory.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

#define FIRST_SHIFT	39 /* of the PML4 */
#define LAST_SHIFT	12
#define SHIFT_PER_LEVEL 9

struct fast_paging fast_paging_of(u64 cr3, u64 cr4, u64 efer, u8 physical_address_width)
{
	return (struct fast_paging){
		.cr3 = cr3,
		.reserved = (FIELD(51, 0) & ~low_bits(physical_address_width)) |
			    (efer & EFER_NXE ? 0 : PTE_NX),
		.refuse_user = cr4 & (CR4_SMAP | CR4_PKE),
	};
}

bool fast_translate(const struct fast_paging *paging, u64 linear, bool write, l1pa_t *address)
{
	u64 need = PTE_P | PTE_A | (write ? PTE_W : 0);
	u64 mask = need | paging->reserved;
	u64 table = paging->cr3 & PTE_ADDRESS;
	unsigned int shift = FIRST_SHIFT;
	u64 entry, offset;

	for (;; shift -= SHIFT_PER_LEVEL) {
		const volatile u64 *entries = l1_memory_view(l1pa(table), PAGE_SIZE);

		if (!entries)
			return false;
		entry = entries[(linear >> shift) & 511];
		if ((entry & mask) != need)
			return false;
		table = entry & PTE_ADDRESS;
		if (shift == LAST_SHIFT || (entry & PTE_PS))
			break;
	}
	/* A page.  A PAT bit or reserved bits below a large page's address: uncommon. */
	offset = BIT(shift) - 1;
	if (shift == FIRST_SHIFT || (table & offset) || (write && !(entry & PTE_D)) ||
	    (paging->refuse_user && (entry & PTE_U)))
		return false;
	*address = l1pa(table | (linear & offset));
	return true;
}
