/* SPDX-License-Identifier: BSD-2-Clause */
/* The three MSR lists of VMCS12, walked in software. */
#include "nested/msr_lists.h"

#include "nested/entry/entry_msr_load.h"
#include "nested/vmcs12/lazy.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/l1_msr.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/msr.h"

/* The field of the guest-state area that holds an MSR; 0 for the others. */
static u32 field_of_msr(u32 index)
{
	switch (index) {
	case MSR_IA32_EFER:
		return VMCS_guest_ia32_efer;
	case MSR_IA32_PAT:
		return VMCS_guest_ia32_pat;
	case MSR_IA32_DEBUGCTL:
		return VMCS_guest_ia32_debugctl;
	case MSR_IA32_SYSENTER_CS:
		return VMCS_guest_ia32_sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return VMCS_guest_ia32_sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return VMCS_guest_ia32_sysenter_eip;
	case MSR_IA32_FS_BASE:
		return VMCS_guest_fs_base;
	case MSR_IA32_GS_BASE:
		return VMCS_guest_gs_base;
	default:
		return 0;
	}
}

/* IA32_VMX_MISC as L1 sees it recommends no more; what lies beyond is not followed. */
#define LIST_MAX 512U

static struct vmx_msr_entry entry_at(u64 list, u32 n)
{
	struct vmx_msr_entry entry;

	l1_memory_read(l1pa(list + n * sizeof(entry)), &entry, sizeof(entry));
	return entry;
}

static struct entry_msr_state current_state(void)
{
	return (struct entry_msr_state){
		.caps = &nested_shared.caps12,
		.mtrrs = &machine.ept.mtrr,
		.cr0 = vmcs_read(VMCS_guest_cr0),
		.efer = vmcs_read(VMCS_guest_ia32_efer),
	};
}

static bool load(struct vcpu *vcpu, const struct vmx_msr_entry *entry)
{
	struct entry_msr_state state = current_state();
	struct check_failure why = { 0 };
	u32 field = field_of_msr(entry->index);

	if (entry_msr_load_verdict(entry, &state, &why) == ENTRY_MSR_REFUSED)
		return false;
	if (field) {
		vmcs_write((enum vmcs_encoding)field, entry_msr_loaded_value(entry, &state));
		vcpu->loaded_msr_written = true; /* perhaps */
		return true;
	}
	return l1_msr_write(vcpu, entry->index, entry->value);
}

/* The fields that an entry list can change.  VMCS12 keeps its own values if the entry fails. */
static const u16 loaded_fields[] = {
	VMCS_INDEX_guest_ia32_efer,	    VMCS_INDEX_guest_ia32_pat,
	VMCS_INDEX_guest_ia32_debugctl,	    VMCS_INDEX_guest_ia32_sysenter_cs,
	VMCS_INDEX_guest_ia32_sysenter_esp, VMCS_INDEX_guest_ia32_sysenter_eip,
};

void msr_list_entry_undo(struct vmcs12_slot *slot)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(loaded_fields); i++)
		field_set_add(&slot->dirty, (enum vmcs_index)loaded_fields[i]);
}

u32 msr_list_entry_load(struct vcpu *vcpu, struct vmcs12_slot *slot)
{
	const struct vmcs12 *v = &slot->vmcs12;

	for (unsigned int i = 0; i < ARRAY_SIZE(loaded_fields); i++)
		lazy_pull(slot, (enum vmcs_index)loaded_fields[i]);
	for (u32 n = 0; n < v->entry_msr_load_count; n++) {
		struct vmx_msr_entry entry = entry_at(v->entry_msr_load_address, n);

		if (n >= LIST_MAX || !load(vcpu, &entry)) {
			msr_list_entry_undo(slot);
			return n + 1;
		}
	}
	return 0;
}

static bool store(struct vcpu *vcpu, struct vmx_msr_entry *entry)
{
	struct entry_msr_state state = current_state();
	struct check_failure why = { 0 };
	u32 field = field_of_msr(entry->index);

	if (entry_msr_store_verdict(entry, &state, &why) == ENTRY_MSR_REFUSED)
		return false;
	if (field) {
		entry->value = vmcs_read((enum vmcs_encoding)field);
		return true;
	}
	return l1_msr_read(vcpu, entry->index, &entry->value);
}

bool msr_list_exit_store(struct vcpu *vcpu, const struct vmcs12_slot *slot)
{
	const struct vmcs12 *v = &slot->vmcs12;

	for (u32 n = 0; n < v->exit_msr_store_count; n++) {
		u64 at = v->exit_msr_store_address + n * sizeof(struct vmx_msr_entry);
		struct vmx_msr_entry entry = entry_at(v->exit_msr_store_address, n);

		if (n >= LIST_MAX || !store(vcpu, &entry))
			return false;
		l1_memory_write(l1pa(at + offsetof(struct vmx_msr_entry, value)), &entry.value,
				sizeof(entry.value));
	}
	return true;
}

bool msr_list_exit_load(struct vcpu *vcpu, const struct vmcs12_slot *slot)
{
	const struct vmcs12 *v = &slot->vmcs12;

	for (u32 n = 0; n < v->exit_msr_load_count; n++) {
		struct vmx_msr_entry entry = entry_at(v->exit_msr_load_address, n);

		if (n >= LIST_MAX || !load(vcpu, &entry))
			return false;
	}
	return true;
}
