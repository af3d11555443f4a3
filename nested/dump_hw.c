/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps of VMCS01, VMCS12 and VMCS02 with their MSR lists, in the form of docs/logs.md. */
#include "nested/nested.h"

#include "nested/state.h"
#include "nested/vmcs12/lazy.h"
#include "xmhf/device/log.h"
#include "xmhf/lib/format.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/panic.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"

#define TAG_SIZE	32
#define LISTED_MSRS_MAX 16 /* of each list; more are counted */

static void dump_list(const char *tag, const char *name, u64 address, u32 count)
{
	for (u32 i = 0; i < count && i < LISTED_MSRS_MAX; i++) {
		struct vmx_msr_entry entry;

		l1_memory_read(l1pa(address + i * sizeof(entry)), &entry, sizeof(entry));
		log_line("@%s@%s[%u] = 0x%08x -> 0x%016llx", tag, name, i, entry.index,
			 entry.value);
	}
	if (count > LISTED_MSRS_MAX)
		log_line("@%s@%s: %u more", tag, name, count - LISTED_MSRS_MAX);
}

static void dump_vmcs12(const char *tag, const struct vmcs12 *v)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		enum vmcs_index field = (enum vmcs_index)i;

		vmcs_dump_field(tag, field, field_set_has(&nested_shared.in_vmcs12, field),
				vmcs12_get(v, field));
	}
	dump_list(tag, "entry_msr_load", v->entry_msr_load_address, v->entry_msr_load_count);
	dump_list(tag, "exit_msr_store", v->exit_msr_store_address, v->exit_msr_store_count);
	dump_list(tag, "exit_msr_load", v->exit_msr_load_address, v->exit_msr_load_count);
}

void nested_dump(struct vcpu *vcpu, const char *tag)
{
	struct vmcs12_slot *slot = vcpu->nested ? vcpu->nested->current : NULL;
	char name[TAG_SIZE];

	vmcs_load(vcpu->vmcs01);
	format_text(name, sizeof(name), "%s01", tag);
	vmcs_dump(name);
	if (slot) {
		lazy_pull_all(vcpu->nested, slot);
		format_text(name, sizeof(name), "%s12", tag);
		dump_vmcs12(name, &slot->vmcs12);
	}
	if (slot && slot->vmcs02_ready) {
		vmcs_load(slot->vmcs02);
		format_text(name, sizeof(name), "%s02", tag);
		vmcs_dump(name);
	}
	vmcs_load(nested_in_l2(vcpu) ? slot->vmcs02 : vcpu->vmcs01);
}

void panic_dump_vmcs(struct vcpu *vcpu, const char *tag)
{
	nested_dump(vcpu, tag);
}
