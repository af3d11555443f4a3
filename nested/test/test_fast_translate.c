/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The quick walk of L1's paging structures against the complete one, on random structures and
 * registers: where the quick one has an answer, the complete one has the same, raises no fault,
 * and finds no flag that it would have to set.
 */
/* sources: nested/insn/fast_translate.c nested/insn/operand_walk.c nested/insn/decode.c */
#include "nested/insn/fast_operand.h"
#include "nested/insn/operand.h"

#include "nested/test/insn_world.h"
#include "xmhf/test/random.h"
#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

#define TABLES	8
#define WIDTH	36
#define SAMPLES 400000

static bool chance(u32 one_in)
{
	return random_below(one_in) == 0;
}

/* Tables 2n and 2n + 1 are of level 4 - n; only their entries 0 and 511 are used. */
static u64 random_linear(void)
{
	u64 linear = random_below(PAGE_SIZE);

	for (unsigned int shift = 12; shift < 48; shift += 9)
		linear |= (u64)(random_below(2) ? 511 : 0) << shift;
	return (u64)((s64)(linear << 16) >> 16);
}

static u64 random_entry(unsigned int level)
{
	u64 e = PTE_P | PTE_W | PTE_A | PTE_D;

	if (level == 1 || (level < 4 && chance(4)))
		e |= level == 1 ? (u64)random_below(48) << 12 : 0;
	else
		e |= (u64)((4 - level) * 2 + 2 + random_below(2)) << 12;
	if (level > 1 && level < 4 && !(e & PTE_ADDRESS))
		e |= PTE_PS;
	e |= chance(2) ? PTE_U : 0;
	e |= chance(2) ? (u64)random_below(16) << 59 : 0;
	e |= chance(8) ? PTE_NX : 0;
	/* What is not common: a bit turned, anywhere. */
	return chance(5) ? e ^ BIT(random_below(64)) : e;
}

static void random_tables(void)
{
	for (unsigned int table = 0; table < TABLES; table++) {
		for (unsigned int i = 0; i < 2; i++) {
			u64 entry = random_entry(4 - table / 2);

			memcpy(world + table * PAGE_SIZE + i * 511 * 8, &entry, 8);
		}
	}
}

static struct l1_cpu_state random_state_of_l1(void)
{
	struct l1_cpu_state s = {
		.cr0 = CR0_PE | CR0_PG | CR0_NE | (chance(4) ? 0 : CR0_WP),
		.cr3 = (u64)random_below(2) << 12,
		.cr4 = CR4_PAE | CR4_VMXE,
		.efer = EFER_LME | EFER_LMA | (chance(3) ? 0 : EFER_NXE),
		.rflags = chance(2) ? RFLAGS_AC : 0,
		.physical_address_width = WIDTH,
		.has_1g_pages = true,
	};

	s.cr4 |= chance(3) ? CR4_SMAP : 0;
	s.cr4 |= chance(3) ? CR4_PKE : 0;
	s.pkru = chance(2) ? 0 : random_u32();
	s.segments[SEGMENT_CS].access_rights = ACCESS_RIGHTS_L;
	return s;
}

/* One sample; returns whether the quick walk has an answer. */
static bool compare(unsigned int n)
{
	static unsigned char before[WORLD_BYTES];
	struct l1_cpu_state s = random_state_of_l1();
	struct fast_paging paging = fast_paging_of(s.cr3, s.cr4, s.efer, WIDTH);
	u64 linear = random_linear();
	bool write = random_below(2);
	struct l1_fault fault = { 0 };
	l1pa_t quick, complete = l1pa(0);

	if (!fast_translate(&paging, linear, write, &quick))
		return false;
	memcpy(before, world, TABLES * PAGE_SIZE);
	if (!ok(operand_translate(&s, linear, write ? L1_ACCESS_WRITE : L1_ACCESS_READ, &complete,
				  &fault),
		"%u: no fault (CR0 %llx CR4 %llx PKRU %x write %d: error code %x)", n,
		(unsigned long long)s.cr0, (unsigned long long)s.cr4, s.pkru, write,
		fault.error_code))
		return true;
	is_u64(quick.v, complete.v, "address");
	ok(!memcmp(before, world, TABLES * PAGE_SIZE), "%u: all flags were set", n);
	return true;
}

/* Not vacuous: the common case has an answer, by pages of all sizes. */
static void test_common(void)
{
	static const u64 page = PTE_P | PTE_W | PTE_A | PTE_D;
	struct fast_paging paging = fast_paging_of(0, CR4_PAE | CR4_VMXE, EFER_LMA, WIDTH);
	u64 *const root = (u64 *)(void *)world, *const below = root + 2 * 512;
	l1pa_t address;

	memset(world, 0, sizeof(world));
	root[0] = 0x2000 | page;
	below[0] = 0x4000 | page;
	below[1] = GIB | PTE_PS | page;
	below[2 * 512] = 0x6000 | page;
	below[2 * 512 + 1] = 2 * MIB | PTE_PS | page;
	below[4 * 512] = 0x7000 | page;
	ok(fast_translate(&paging, 0x123, true, &address) && address.v == 0x7123, "4 KiB");
	ok(fast_translate(&paging, 2 * MIB + 0x1234, true, &address) &&
		   address.v == 2 * MIB + 0x1234,
	   "2 MiB");
	ok(fast_translate(&paging, GIB + 0x345678, true, &address) && address.v == GIB + 0x345678,
	   "1 GiB");
	ok(!fast_translate(&paging, 2 * GIB, true, &address), "nothing there");
	below[4 * 512] &= ~PTE_D;
	ok(fast_translate(&paging, 0, false, &address), "a read of a clean page");
	ok(!fast_translate(&paging, 0, true, &address), "a write there sets a flag");
	/* Tables that are not L1's memory. */
	root[0] = BIT(30) | page;
	ok(!fast_translate(&paging, 0, false, &address), "no table");
}

int main(void)
{
	unsigned int answers = 0;

	test_common();
	memset(world, 0, sizeof(world));
	for (unsigned int n = 0; n < SAMPLES; n++) {
		if (n % 16 == 0)
			random_tables();
		answers += compare(n);
	}
	ok(answers > SAMPLES / 100, "%u of %u samples have a quick answer", answers, SAMPLES);
	return tap_end();
}
