/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hypapp asked for, and the functions of the contract that ask. */
#include "xmhf/vmx/intercepts.h"

#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmx/ept01_shared.h"
#include "xmhf/vmx/vmcs01.h"

#define PORTS_PER_PAGE 0x8000U
/* Of one call: EPT01 is locked meanwhile. */
#define RIGHTS_SIZE_MAX (16 * MIB)

struct intercepts intercepts;

u64 intercepts_pages(void)
{
	return hypapp_intercepts ? 2 : 0;
}

void intercepts_create(void)
{
	if (!hypapp_intercepts)
		return;
	bug_if(!page_pool_alloc(&machine.pool, &intercepts.ports_a_address) ||
	       !page_pool_alloc(&machine.pool, &intercepts.ports_b_address));
	intercepts.ports_a = hpa_to_pointer(intercepts.ports_a_address);
	intercepts.ports_b = hpa_to_pointer(intercepts.ports_b_address);
}

static u64 *word_of_port(const struct intercepts *wanted, u32 port)
{
	u64 *page = port < PORTS_PER_PAGE ? wanted->ports_a : wanted->ports_b;

	return &page[port % PORTS_PER_PAGE / 64];
}

bool intercepts_want_port(const struct intercepts *wanted, u16 port, u32 size)
{
	for (u32 i = port; wanted->ports_a && i < port + size && i <= 0xffff; i++)
		if (*word_of_port(wanted, i) >> i % 64 & 1)
			return true;
	return false;
}

bool intercepts_want_msr(const struct intercepts *wanted, u32 index, bool is_write)
{
	for (u32 i = 0; i < wanted->msr_count; i++)
		if (wanted->msr[i].index == index)
			return is_write ? wanted->msr[i].write : wanted->msr[i].read;
	return false;
}

bool intercepts_want_cpuid(const struct intercepts *wanted, u32 leaf)
{
	for (u32 i = 0; i < wanted->leaf_count; i++)
		if (wanted->leaf[i] == leaf)
			return true;
	return false;
}

bool intercepts_allow(l1pa_t address, u64 access)
{
	u64 rights;

	return !intercepts.pages || !ept01_override(&machine.ept, address, &rights) ||
	       !(access & ~rights);
}

/* All CPUs leave their guest and see the new generation.  Before they run there is nothing to do.
 */
static void make_all_obey(void)
{
	if (machine.cpu_count)
		ept01_flush_all_cpus();
}

bool hypapp_intercept_ports(u16 first, u16 last, bool on)
{
	if (!intercepts.ports_a || first > last)
		return false;
	ept01_lock();
	for (u32 port = first; port <= last; port++) {
		if (on)
			*word_of_port(&intercepts, port) |= BIT(port % 64);
		else
			*word_of_port(&intercepts, port) &= ~BIT(port % 64);
	}
	ept01_announce(&machine.ept);
	make_all_obey();
	ept01_unlock();
	return true;
}

static u32 find_msr(u32 index)
{
	u32 i = 0;

	while (i < intercepts.msr_count && intercepts.msr[i].index != index)
		i++;
	return i;
}

/* L1's bitmap is in use: it changes word by word, each bit at most once. */
static void renew_msr_bitmap(void)
{
	static u64 made[PAGE_SIZE / sizeof(u64)];
	u64 *bitmap = hpa_to_pointer(machine.msr_bitmap);

	vmcs01_build_msr_bitmap((u8 *)made);
	for (u32 i = 0; i < ARRAY_SIZE(made); i++)
		__atomic_store_n(&bitmap[i], made[i], __ATOMIC_RELAXED);
}

bool hypapp_intercept_msr(u32 index, bool read, bool write)
{
	u32 at;

	if (!intercepts.ports_a)
		return false;
	ept01_lock();
	at = find_msr(index);
	if (at < INTERCEPTS_MSRS) {
		if (!read && !write && at < intercepts.msr_count)
			intercepts.msr[at] = intercepts.msr[--intercepts.msr_count];
		else if (read || write) {
			intercepts.msr[at].index = index;
			intercepts.msr[at].read = read;
			intercepts.msr[at].write = write;
			intercepts.msr_count += at == intercepts.msr_count;
		}
		renew_msr_bitmap();
		ept01_announce(&machine.ept);
		make_all_obey();
	}
	ept01_unlock();
	return at < INTERCEPTS_MSRS;
}

bool hypapp_intercept_cpuid(u32 leaf, bool on)
{
	u32 i = 0;
	bool done = true;

	if (!intercepts.ports_a)
		return false;
	ept01_lock();
	while (i < intercepts.leaf_count && intercepts.leaf[i] != leaf)
		i++;
	if (!on && i < intercepts.leaf_count)
		intercepts.leaf[i] = intercepts.leaf[--intercepts.leaf_count];
	else if (on && i == intercepts.leaf_count && i < INTERCEPTS_LEAVES)
		intercepts.leaf[intercepts.leaf_count++] = leaf;
	else
		done = !on || i < intercepts.leaf_count;
	make_all_obey();
	ept01_unlock();
	return done;
}

static bool set_page(u64 page, u64 rights)
{
	enum ept01_result result = ept01_set_permission(&machine.ept, l1pa(page), rights);

	if (result == EPT01_FLUSH) {
		make_all_obey();
		ept01_flushed(&machine.ept);
		result = ept01_set_permission(&machine.ept, l1pa(page), rights);
	}
	return result == EPT01_DONE;
}

static bool set_pages(u64 address, u64 size, u64 rights)
{
	for (u64 done = 0; done < size; done += PAGE_SIZE) {
		if (set_page(address + done, rights))
			continue;
		while (done) {
			done -= PAGE_SIZE;
			ept01_restore(&machine.ept, l1pa(address + done));
		}
		return false;
	}
	return true;
}

bool hypapp_set_rights(u64 address, u64 size, u32 rights)
{
	bool done;

	if (!intercepts.ports_a || !is_aligned(address | size, PAGE_SIZE) ||
	    size > RIGHTS_SIZE_MAX || address > ~0ULL - size)
		return false;
	ept01_lock();
	/* An upper bound: it only has to be 0 while no page lacks a right. */
	if (rights != EPT_RWX)
		intercepts.pages += size / PAGE_SIZE;
	done = set_pages(address, size, rights);
	make_all_obey();
	ept01_flushed(&machine.ept);
	ept01_unlock();
	return done;
}
