/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of active VMCSs: more VMCSs than slots, a region that another CPU changed, launch
 * state, shadow VMCSs, regions that are not L1's memory; and access to VMCS12's fields by index.
 */
/* sources: nested/vmcs12/slots.c nested/vmcs12/vmcs12.c xmhf/x86/vmcs.c */
#include "nested/vmcs12/slots.h"

#include "nested/caps/caps.h"
#include "nested/test/insn_world.h"
#include "nested/vmcs12/lazy.h"
#include "xmhf/test/tap.h"

#define REGION(n) (0x1000u * ((n) + 1))
#define REGIONS	  20

struct nested_shared nested_shared;
static struct nested nested;
static unsigned int pulls;

/* The slot's VMCS02 of the tests holds RSP 0x5150 if that field is stale. */
void lazy_pull_all(struct nested *n, struct vmcs12_slot *slot)
{
	ok(n == &nested, "pull for this CPU");
	pulls++;
	if (field_set_has(&slot->stale, VMCS_INDEX_guest_rsp))
		slot->vmcs12.guest_rsp = 0x5150;
	slot->stale = (struct field_set){ 0 };
}

static struct vmcs12_region *region_of(unsigned int n)
{
	return l1_memory_view(l1pa(REGION(n)), sizeof(struct vmcs12_region));
}

static void begin(void)
{
	memset(world, 0, sizeof(world));
	memset(&nested, 0, sizeof(nested));
	for (unsigned int i = 0; i < NESTED_SLOTS; i++)
		nested.slots[i].address = NO_VMCS;
	for (unsigned int i = 0; i < REGIONS; i++)
		region_of(i)->revision = NESTED_VMCS_REVISION;
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		field_set_add(&nested_shared.in_vmcs12, (enum vmcs_index)i);
	pulls = 0;
}

/* Twenty VMCSs, each with its own contents, taken in turn: none loses what was written. */
static void test_many(void)
{
	begin();
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < REGIONS; i++) {
			struct vmcs12_slot *slot = slots_load(&nested, REGION(i));

			nested.current = slot;
			is_u64(slot->vmcs12.guest_rip, round ? 100 * i + round - 1 : 0, "RIP");
			is_u64(slot->launched, round > 0, "launch state");
			slot->vmcs12.guest_rip = 100 * i + round;
			slot->launched = true;
		}
	}
	is_u64(nested.statistics.evictions, 5 * REGIONS - NESTED_SLOTS, "evictions");
	ok(slots_find(&nested, REGION(REGIONS - 1)) == nested.current, "found");
	ok(!slots_find(&nested, REGION(0)), "the oldest is gone");
}

/* What VMCS02 holds is fetched before the slot goes, and the current VMCS never goes. */
static void test_eviction(void)
{
	struct vmcs12_slot *first, *slot;

	begin();
	first = slots_load(&nested, REGION(0));
	field_set_add(&first->stale, VMCS_INDEX_guest_rsp);
	nested.current = first;
	for (unsigned int i = 1; i < REGIONS; i++)
		slots_load(&nested, REGION(i));
	ok(slots_find(&nested, REGION(0)) == first, "the current VMCS stays");
	nested.current = NULL;
	for (unsigned int i = 1; i < REGIONS; i++)
		slots_load(&nested, REGION(i));
	ok(!slots_find(&nested, REGION(0)), "it goes when it is not current");
	slot = slots_load(&nested, REGION(0));
	is_u64(slot->vmcs12.guest_rsp, 0x5150, "with what VMCS02 held");
}

static void test_clear(void)
{
	struct vmcs12_slot *slot;

	begin();
	slot = slots_load(&nested, REGION(3));
	slot->launched = true;
	slot->vmcs12.guest_rip = 0x1234;
	slots_clear(&nested, REGION(3));
	is_u64(region_of(3)->launched, 0, "launch state is clear");
	is_u64(region_of(3)->vmcs12.guest_rip, 0x1234, "the region has the contents");
	ok(!slot->active, "not active");
	slot->unchecked = 0;
	ok(slots_load(&nested, REGION(3)) == slot, "the same slot again");
	is_u64(slot->unchecked, 0, "unchanged, so VMCS02 is kept");
	slots_clear(&nested, REGION(3));
	region_of(3)->vmcs12.guest_rip = 0x5678; /* another CPU had it in between */
	region_of(3)->launched = 1;
	slots_load(&nested, REGION(3));
	is_u64(slot->vmcs12.guest_rip, 0x5678, "changed contents are read");
	is_u64(slot->launched, true, "and the launch state");
	is_u64(slot->unchecked, (u32)CHECK_ALL, "everything is checked");
	ok(field_set_has(&slot->dirty, VMCS_INDEX_guest_rip), "everything goes to VMCS02");
	region_of(5)->launched = 1;
	slots_clear(&nested, REGION(5));
	is_u64(region_of(5)->launched, 0, "VMCLEAR of one that is not active");
}

static void test_shadow(void)
{
	begin();
	region_of(1)->revision |= VMCS_SHADOW_INDICATOR;
	ok(slots_load(&nested, REGION(1))->is_shadow, "a shadow VMCS");
	ok(!slots_load(&nested, REGION(2))->is_shadow, "an ordinary one");
	slots_clear(&nested, REGION(1));
	region_of(1)->revision = NESTED_VMCS_REVISION;
	ok(!slots_load(&nested, REGION(1))->is_shadow, "no longer a shadow VMCS");
	is_u64(region_of(1)->revision, NESTED_VMCS_REVISION, "L0 leaves the revision alone");
}

/* A region that is not L1's: reads as ones, writes are dropped. */
static void test_outside(void)
{
	struct vmcs12_slot *slot;

	begin();
	slot = slots_load(&nested, WORLD_BYTES + 0x1000);
	is_u64(slot->vmcs12.guest_rip, ~0ULL, "ones");
	ok(!slot->launched && !slot->is_shadow, "clear, ordinary");
	slots_clear(&nested, WORLD_BYTES + 0x1000);
	ok(!slot->active, "cleared");
}

/* Every field by index: its own bytes, its own width. */
static void test_fields(void)
{
	static const u8 bits[] = { [VMCS_WIDTH_16] = 16,
				   [VMCS_WIDTH_64] = 64,
				   [VMCS_WIDTH_32] = 32,
				   [VMCS_WIDTH_NW] = 64 };
	struct vmcs12 v = { 0 };

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		vmcs12_set(&v, (enum vmcs_index)i, 0x1111111111111111ULL * (i % 15 + 1) + i);
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		is_u64(vmcs12_get(&v, (enum vmcs_index)i),
		       (0x1111111111111111ULL * (i % 15 + 1) + i) &
			       low_bits(bits[vmcs_fields[i].width]),
		       "a field of VMCS12");
}

int main(void)
{
	test_many();
	test_eviction();
	test_clear();
	test_shadow();
	test_outside();
	test_fields();
	return tap_end();
}
