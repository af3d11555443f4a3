/* SPDX-License-Identifier: BSD-2-Clause */
/* Fetching VMCS12's fields from VMCS02. */
#include "nested/vmcs12/lazy.h"

#include "nested/vmcs12/shadow.h"
#include "xmhf/vmx/vcpu.h"
#include "xmhf/vmx/vmcs_hw.h"

/* What VMCS12 gets where VMCS02's field is @raw. */
static u64 translate(const struct vmcs12_slot *slot, enum vmcs_index field, u64 raw)
{
	const struct vmcs12 *v = &slot->vmcs12;

	if (field == VMCS_INDEX_entry_controls)
		return (v->entry_controls & ~(u64)ENTRY_IA32E_MODE_GUEST) |
		       (raw & ENTRY_IA32E_MODE_GUEST);
	return raw;
}

void lazy_pull(struct vmcs12_slot *slot, enum vmcs_index field)
{
	if (!field_set_has(&slot->stale, field))
		return;
	field_set_remove(&slot->stale, field);
	vmcs12_set(
		&slot->vmcs12, field,
		translate(slot, field, vmcs_read((enum vmcs_encoding)vmcs_fields[field].encoding)));
}

void lazy_pull_stale(struct vmcs12_slot *slot)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(slot->stale.bits); i++) {
		while (slot->stale.bits[i])
			lazy_pull(slot, (enum vmcs_index)(i * 64 + (unsigned int)__builtin_ctzll(
									   slot->stale.bits[i])));
	}
}

static bool has_stale(const struct vmcs12_slot *slot)
{
	u64 any = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(slot->stale.bits); i++)
		any |= slot->stale.bits[i];
	return any;
}

static hpa_t own_vmcs01(void)
{
	return vcpu_of_cpu(this_cpu())->vmcs01;
}

void lazy_pull_all(struct nested *nested, struct vmcs12_slot *slot)
{
	(void)nested;
	if (!has_stale(slot) && !slot->shadow_valid)
		return;
	shadow_fetch(slot, true);
	if (has_stale(slot)) {
		vmcs_load(slot->vmcs02);
		lazy_pull_stale(slot);
	}
	vmcs_load(own_vmcs01());
}

u64 lazy_read(struct nested *nested, struct vmcs12_slot *slot, enum vmcs_index field)
{
	(void)nested;
	if (field_set_has(&slot->stale, field)) {
		vmcs_load(slot->vmcs02);
		lazy_pull(slot, field);
		vmcs_load(own_vmcs01());
	} else if (slot->shadow_valid && field_set_has(&nested_shared.shadowed, field)) {
		shadow_fetch(slot, true);
		vmcs_load(own_vmcs01());
	}
	return vmcs12_get(&slot->vmcs12, field);
}

void lazy_write(struct vmcs12_slot *slot, enum vmcs_index field, u64 value)
{
	vmcs12_set(&slot->vmcs12, field, value);
	field_set_remove(&slot->stale, field);
	field_set_add(&slot->dirty, field);
	slot->unchecked |= nested_shared.check_groups[field] & (u32)CHECK_ALL;
	if (nested_shared.check_groups[field] & CHANGES_HOST)
		slot->host_is_current = false;
}

void lazy_override(struct vmcs12_slot *slot, enum vmcs_index field, u64 value)
{
	if (!field_set_has(&slot->stale, field) && vmcs12_get(&slot->vmcs12, field) == value)
		return;
	field_set_remove(&slot->stale, field);
	vmcs12_set(&slot->vmcs12, field, value);
	shadow_follow(slot, field);
}

void lazy_mark_stay(struct vmcs12_slot *slot)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(slot->stale.bits); i++)
		slot->stale.bits[i] |= slot->stay.bits[i];
	slot->event_was_injected = slot->vmcs12.entry_interruption_information & INTR_INFO_VALID;
	slot->vmcs12.entry_interruption_information &= ~INTR_INFO_VALID;
}
