/* SPDX-License-Identifier: BSD-2-Clause */
/* Access to L1's memory: identity-mapped, without what L0 hides. */
#include "xmhf/memory/l1_memory.h"

#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/vmx/l1_memory_written.h"
#include "xmhf/vmx/machine.h"
#include "xmhf/x86/cpu.h"

void *l1_memory_view(l1pa_t address, u64 size)
{
	void *view = (void *)(uptr)(PHYSMAP_BASE + address.v);

	/* Most is below L0's memory, which is below physmap_end and far above the first page. */
	if (address.v > machine.hidden_base - size &&
	    (machine_overlaps_hidden(address.v, size) || address.v > machine.physmap_end - size))
		return NULL;
	if (hypapp_intercepts && !intercepts_allow(address, EPT_READ))
		return NULL;
	if (!view)
		__builtin_unreachable(); /* the physmap is not at 0 */
	return view;
}

bool l1_memory_may_write(l1pa_t address)
{
	return !hypapp_intercepts || intercepts_allow(address, EPT_WRITE);
}

void *l1_memory_view_for_writing(l1pa_t address, u64 size)
{
	return l1_memory_may_write(address) ? l1_memory_view(address, size) : NULL;
}

static u64 to_page_end(u64 address, u64 size)
{
	return min_u64(size, PAGE_SIZE - (address & (PAGE_SIZE - 1)));
}

void l1_memory_read(l1pa_t address, void *out, u64 size)
{
	u8 *to = out;

	while (size) {
		u64 n = to_page_end(address.v, size);
		const void *from = l1_memory_view(address, n);

		if (from)
			memcpy(to, from, n);
		else
			memset(to, 0xff, n);
		address.v += n;
		to += n;
		size -= n;
	}
}

void l1_memory_write(l1pa_t address, const void *in, u64 size)
{
	const u8 *from = in;

	while (size) {
		u64 n = to_page_end(address.v, size);
		void *to = l1_memory_view_for_writing(address, n);

		if (to) {
			memcpy(to, from, n);
			l1_memory_written(address);
		}
		address.v += n;
		from += n;
		size -= n;
	}
}
