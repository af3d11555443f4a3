/* SPDX-License-Identifier: BSD-2-Clause */
// clang-format off
/* sources: xmhf/vmx/vmcs01.c xmhf/memory/ept01.c xmhf/memory/ept01_default.c xmhf/memory/ept01_override.c xmhf/memory/ept01_tables.c
 * xmhf/memory/mtrr.c
 * xmhf/memory/page_pool.c xmhf/test/fake_physmap.c */
// clang-format on
/* What a hypapp asks for: lists and bitmaps, rights of memory, and that all CPUs are told. */
#define CONFIG_HYPAPP_INTERCEPTS 1
#include "xmhf/vmx/intercepts.c"

#include <string.h>

#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/bug.h"
#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"
#include "xmhf/vmx/ept01_shared.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/x86/msr.h"

#define POOL_BASE  0x7fc00000ULL
#define POOL_PAGES 64

struct machine machine;
static unsigned int flushes, locked;
static u64 generation_at_flush;

void bug_stop(const char *file, int line, const char *claim)
{
	printf("not ok - %s:%d: %s\n", file, line, claim);
	exit(1);
}

void ept01_lock(void)
{
	ok(!locked++, "locked once");
}

void ept01_unlock(void)
{
	locked--;
}

void ept01_flush_all_cpus(void)
{
	ok(locked, "under the lock");
	flushes++;
	generation_at_flush = machine.ept.generation;
}

static void start(void)
{
	struct ept01_settings settings = {
		.top_of_ram = 2 * GIB,
		.ept_vpid = EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G |
			    EPT_CAP_EXECUTE_ONLY,
		.physical_address_width = 40,
		.hidden_count = 1,
		.hidden = { { POOL_BASE, 0x400000 } },
	};
	struct mtrr_state mtrr = { .physical_address_width = 40 };

	fake_physmap_add(POOL_BASE, NULL, POOL_PAGES * 4096);
	page_pool_init(&machine.pool, hpa(POOL_BASE), POOL_PAGES);
	ept01_build(&machine.ept, &settings, &mtrr, &machine.pool);
	ok(page_pool_alloc(&machine.pool, &machine.msr_bitmap), "a page");
	ok(!hypapp_set_rights(0x1000, 0x1000, 0), "nothing before it is ready");
	is_u64(intercepts_pages(), 2, "two pages");
	intercepts_create();
	vmcs01_build_msr_bitmap(hpa_to_pointer(machine.msr_bitmap));
}

/* The change is complete, new generation included, before the others are told; then it is over. */
static void is_obeyed(unsigned int before, u64 generation, const char *what)
{
	is_u64(flushes, before + 1, what);
	ok(generation_at_flush > generation && machine.ept.generation == generation_at_flush,
	   "%s: a new generation before the kick", what);
	is_u64(locked, 0, "unlocked");
}

static void test_ports(void)
{
	u64 generation = machine.ept.generation;
	unsigned int before = flushes, bad = 0;

	ok(hypapp_intercept_ports(0x7ffe, 0x8001, true), "ports in both pages");
	is_obeyed(before, generation, "ports");
	for (u32 port = 0; port < 0x10000; port++)
		for (u32 size = 1; size <= 4; size *= 2)
			bad += intercepts_want_port(&intercepts, (u16)port, size) !=
			       (port <= 0x8001 && port + size > 0x7ffe);
	is_u64(bad, 0, "every port and size");
	is_u64(intercepts.ports_a[511], 3ULL << 62, "bits in page A");
	is_u64(intercepts.ports_b[0], 3, "bits in page B");
	ok(hypapp_intercept_ports(0, 0xffff, false), "no more");
	ok(!intercepts_want_port(&intercepts, 0x7ffe, 4), "none");
	ok(!hypapp_intercept_ports(2, 1, true), "an empty range");
}

static bool bit_of(u32 byte, u32 index)
{
	const u8 *bitmap = hpa_to_pointer(machine.msr_bitmap);

	return bitmap[byte + index % 0x2000 / 8] >> index % 8 & 1;
}

static void test_msrs(void)
{
	u64 generation = machine.ept.generation;
	unsigned int before = flushes;

	ok(hypapp_intercept_msr(0xc0000102, true, false), "reads of an MSR");
	is_obeyed(before, generation, "MSR");
	ok(intercepts_want_msr(&intercepts, 0xc0000102, false) &&
		   !intercepts_want_msr(&intercepts, 0xc0000102, true) &&
		   !intercepts_want_msr(&intercepts, 0xc0000101, false),
	   "of this one only");
	ok(bit_of(1024, 0xc0000102) && !bit_of(3072, 0xc0000102), "L1's bitmap");
	ok(hypapp_intercept_msr(0xc0000102, false, true), "writes instead");
	ok(!bit_of(1024, 0xc0000102) && bit_of(3072, 0xc0000102), "L1's bitmap");
	is_u64(intercepts.msr_count, 1, "one entry");
	ok(hypapp_intercept_msr(MSR_IA32_FEATURE_CONTROL, true, true) &&
		   hypapp_intercept_msr(MSR_IA32_FEATURE_CONTROL, false, false),
	   "one that is L0's, and no more");
	ok(bit_of(0, MSR_IA32_FEATURE_CONTROL), "stays L0's");
	ok(hypapp_intercept_msr(0x12345678, true, true), "one outside the bitmap");
	for (u32 i = intercepts.msr_count; i < INTERCEPTS_MSRS; i++)
		ok(hypapp_intercept_msr(0x10 + i, true, true), "room");
	ok(!hypapp_intercept_msr(0x100, true, true), "no room");
	ok(!hypapp_intercept_msr(0x100, false, false), "nothing to end");
	while (intercepts.msr_count)
		hypapp_intercept_msr(intercepts.msr[0].index, false, false);
	ok(!bit_of(1024, 0xc0000102) && !bit_of(3072, 0xc0000102), "none in L1's bitmap");
}

static void test_leaves(void)
{
	for (u32 i = 0; i < INTERCEPTS_LEAVES; i++)
		ok(hypapp_intercept_cpuid(i, true) && hypapp_intercept_cpuid(i, true), "a leaf");
	ok(!hypapp_intercept_cpuid(99, true), "no room");
	ok(hypapp_intercept_cpuid(3, false) && !intercepts_want_cpuid(&intercepts, 3), "ended");
	ok(intercepts_want_cpuid(&intercepts, 7), "another is there");
	ok(hypapp_intercept_cpuid(3, false), "ended twice");
}

static void test_rights(void)
{
	u64 generation = machine.ept.generation;
	struct ept01_translation t;
	unsigned int before = flushes;

	ok(intercepts_allow(l1pa(0x601000), 7), "everything at first");
	ok(hypapp_set_rights(0x601000, 0x3000, EPT_READ), "three pages");
	is_obeyed(before, generation, "rights");
	ok(intercepts_allow(l1pa(0x603fff), EPT_READ) &&
		   !intercepts_allow(l1pa(0x603fff), EPT_WRITE),
	   "read only");
	ok(intercepts_allow(l1pa(0x604000), 7) && intercepts_allow(l1pa(0x600fff), 7), "no others");
	ok(ept01_walk(&machine.ept, l1pa(0x602000), &t) && t.rights == EPT_READ, "in EPT01");
	ok(hypapp_set_rights(0x602000, 0x1000, 0), "one of them loses all");
	ok(!intercepts_allow(l1pa(0x602000), EPT_READ), "all");
	ok(intercepts_allow(l1pa(1ULL << 50), 7), "what is not there is nobody's");
	ok(hypapp_set_rights(0x601000, 0x3000, EPT_RWX), "given back");
	ok(intercepts_allow(l1pa(0x602000), 7), "all of them");
	ok(!hypapp_set_rights(0x601000, 0x1000, EPT_WRITE), "rights that EPT does not know");
	ok(!hypapp_set_rights(0x601800, 0x1000, 0) && !hypapp_set_rights(0x601000, 0x800, 0),
	   "not pages");
	ok(!hypapp_set_rights(0x1000000, 0x2000000, 0), "too much at once");
	ok(!hypapp_set_rights(POOL_BASE - 0x1000, 0x2000, EPT_READ), "L0's memory");
	ok(intercepts_allow(l1pa(POOL_BASE - 0x1000), 7),
	   "the page before it has all rights again");
	for (u64 i = 0; i < 64; i++)
		if (!hypapp_set_rights(0x10000000 + i * 2 * MIB, 0x1000, EPT_READ)) {
			ok(i > 8, "room for %llu pages in different places", (unsigned long long)i);
			ok(intercepts_allow(l1pa(0x10000000 + i * 2 * MIB), 7), "the last has all");
			return;
		}
	ok(false, "no end");
}

int main(void)
{
	start();
	flushes = 0;
	hypapp_intercept_ports(0x10, 0x10, true);
	is_u64(flushes, 0, "before the CPUs run nobody is told");
	hypapp_intercept_ports(0x10, 0x10, false);
	machine.cpu_count = 2;
	test_ports();
	test_msrs();
	test_leaves();
	test_rights();
	fake_physmap_reset();
	return tap_end();
}
