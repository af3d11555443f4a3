/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMCS12s that L0 holds copies of. */
#include "nested/vmcs12/slots.h"

#include "nested/caps/caps.h"
#include "nested/vmcs12/lazy.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/l1_memory.h"

_Static_assert(sizeof(struct vmcs12_region) <= NESTED_VMCS_REGION_SIZE, "fits its region");

struct vmcs12_slot *slots_find(struct nested *nested, u64 address)
{
	for (unsigned int i = 0; i < NESTED_SLOTS; i++) {
		if (nested->slots[i].address == address)
			return &nested->slots[i];
	}
	return NULL;
}

static struct vmcs12_slot *oldest(struct nested *nested)
{
	struct vmcs12_slot *best = NULL;

	for (unsigned int i = 0; i < NESTED_SLOTS; i++) {
		struct vmcs12_slot *slot = &nested->slots[i];

		if (slot->address == NO_VMCS)
			return slot;
		if (slot != nested->current && (!best || slot->last_used < best->last_used))
			best = slot;
	}
	return best;
}

/* What L1 wrote may differ in any field: all goes to VMCS02 and is checked again. */
static void forget_vmcs02(struct vmcs12_slot *slot)
{
	slot->dirty = nested_shared.in_vmcs12;
	slot->stale = (struct field_set){ 0 };
	slot->unchecked = (u32)CHECK_ALL;
	slot->host_is_current = false;
	slot->shadow_valid = false;
	slot->shadows_crs = false;
	slot->cr_reads = 0;
	slot->words12 = (struct control_words){ 0 };
}

static void fill(struct vmcs12_slot *slot, u64 address)
{
	const struct vmcs12_region *region = l1_memory_view(l1pa(address), sizeof(*region));

	if (slot->address == address && region &&
	    !memcmp(&region->vmcs12, &slot->vmcs12, sizeof(slot->vmcs12))) {
		slot->launched = region->launched;
		slot->is_shadow = region->revision & VMCS_SHADOW_INDICATOR;
		return;
	}
	slot->address = address;
	slot->is_shadow = region && (region->revision & VMCS_SHADOW_INDICATOR);
	l1_memory_read(l1pa(address + offsetof(struct vmcs12_region, vmcs12)), &slot->vmcs12,
		       sizeof(slot->vmcs12));
	slot->launched = region ? region->launched : false;
	forget_vmcs02(slot);
}

struct vmcs12_slot *slots_load(struct nested *nested, u64 address)
{
	struct vmcs12_slot *slot = slots_find(nested, address);

	if (!slot) {
		slot = oldest(nested);
		if (slot->active) {
			nested->statistics.evictions++;
			slots_write_back(nested, slot);
		}
	}
	if (!slot->active || slot->address != address)
		fill(slot, address);
	slot->active = true;
	slot->last_used = ++nested->clock;
	return slot;
}

void slots_write_back(struct nested *nested, struct vmcs12_slot *slot)
{
	u32 launched = slot->launched;

	lazy_pull_all(nested, slot);
	l1_memory_write(l1pa(slot->address + offsetof(struct vmcs12_region, launched)), &launched,
			sizeof(launched));
	l1_memory_write(l1pa(slot->address + offsetof(struct vmcs12_region, vmcs12)), &slot->vmcs12,
			sizeof(slot->vmcs12));
	slot->active = false;
}

void slots_clear(struct nested *nested, u64 address)
{
	struct vmcs12_slot *slot = slots_find(nested, address);
	const struct vmcs12_region *region;
	const u32 launched = 0;

	if (slot && slot->active) {
		slot->launched = false;
		slots_write_back(nested, slot);
		return;
	}
	region = l1_memory_view(l1pa(address), sizeof(*region));
	if (region && region->launched)
		l1_memory_write(l1pa(address + offsetof(struct vmcs12_region, launched)), &launched,
				sizeof(launched));
}
