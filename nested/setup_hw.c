/* SPDX-License-Identifier: BSD-2-Clause */
/* Set-up of nested VMX: what L1 may use, which fields go where, the state and pages of each CPU. */
#include "nested/nested.h"

#include "nested/caps/caps.h"
#include "nested/vmcs02/rules.h"
#include "nested/vmcs12/check_group.h"
#include "nested/vmcs12/shadow.h"
#include "xmhf/device/log.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/msr.h"

#define EPT02_PAGES 960
/* VMCS02, shadow VMCS, MSR bitmap, and I/O bitmaps if they have to be merged. */
#define SLOT_PAGES (3 + (hypapp_intercepts ? 2 : 0))

struct nested_shared nested_shared;

static u64 state_pages(void)
{
	return align_up(sizeof(struct nested), PAGE_SIZE) / PAGE_SIZE;
}

u64 nested_cpu_memory(void)
{
	/* State; what each slot has; EPT02. */
	return (state_pages() + SLOT_PAGES * NESTED_SLOTS + EPT02_PAGES) * PAGE_SIZE;
}

/* Fields that rules.def leaves to code, and that here are plain copies: L0 owns no bit of them. */
static bool is_plain_copy(enum vmcs_index field)
{
	switch (field) {
	case VMCS_INDEX_guest_cr0:
	case VMCS_INDEX_guest_cr4:
	case VMCS_INDEX_cr0_guest_host_mask:
	case VMCS_INDEX_cr4_guest_host_mask:
	case VMCS_INDEX_cr0_read_shadow:
	case VMCS_INDEX_cr4_read_shadow:
	case VMCS_INDEX_exception_bitmap:
	case VMCS_INDEX_page_fault_error_code_mask:
	case VMCS_INDEX_page_fault_error_code_match:
		return true;
	default:
		return false;
	}
}

/* Computed fields on which no other depends: L1 writes them before many VM entries. */
static bool is_written_alone(enum vmcs_index field)
{
	return field == VMCS_INDEX_entry_interruption_information ||
	       field == VMCS_INDEX_entry_exception_error_code ||
	       field == VMCS_INDEX_entry_instruction_length ||
	       field == VMCS_INDEX_preemption_timer_value;
}

static bool changes_in_every_stay(enum vmcs_index field)
{
	u8 out = vmcs02_rules[field].out;

	return out == OUT_SAVE || out == OUT_RARE || field == VMCS_INDEX_guest_cr0 ||
	       field == VMCS_INDEX_guest_cr4 || field == VMCS_INDEX_entry_controls;
}

static u8 groups_of(enum vmcs_index field)
{
	bool host = vmcs_encoding_type(vmcs_fields[field].encoding) == VMCS_TYPE_HOST ||
		    field == VMCS_INDEX_exit_controls || field == VMCS_INDEX_pin_based_controls;

	return (u8)(check_group_of(field) | (host ? CHANGES_HOST : 0));
}

static void sort_field(enum vmcs_index field)
{
	struct nested_shared *s = &nested_shared;
	bool in_hardware = nested_caps_has_field(&machine.caps, field);

	s->check_groups[field] = groups_of(field);
	if (nested_caps_has_field(&s->caps12, field)) {
		field_set_add(&s->in_vmcs12, field);
		s->places[nested_place_of(vmcs_fields[field].encoding)] =
			(struct nested_place){ vmcs_fields[field].encoding, (u8)field };
	}
	if (!in_hardware)
		return;
	field_set_add(&s->in_hardware, field);
	if (vmcs02_rules[field].into == INTO_COPY || is_plain_copy(field))
		field_set_add(&s->copied, field);
	else if (vmcs02_rules[field].into == INTO_OWN && !is_written_alone(field))
		field_set_add(&s->owned, field);
	if (changes_in_every_stay(field))
		field_set_add(&s->saved, field);
}

/* The accesses of L2 that L0 itself has to see: as for L1, in vmcs01.c. */
static void add_msr_wishes(void)
{
	struct msr_bitmap_wishes *w = &nested_shared.wishes;
	bool ok = msr_bitmap_wish(w, MSR_IA32_APIC_BASE, MSR_ACCESS_WRITE) &&
		  msr_bitmap_wish(w, MSR_IA32_FEATURE_CONTROL, MSR_ACCESS_BOTH) &&
		  msr_bitmap_wish(w, MSR_IA32_BIOS_UPDT_TRIG, MSR_ACCESS_WRITE) &&
		  msr_bitmap_wish(w, MSR_IA32_MISC_ENABLE, MSR_ACCESS_BOTH) &&
		  msr_bitmap_wish(w, MSR_IA32_PEBS_ENABLE, MSR_ACCESS_WRITE) &&
		  msr_bitmap_wish(w, MSR_IA32_MTRR_DEF_TYPE, MSR_ACCESS_WRITE);

	for (u32 i = MSR_IA32_MTRR_PHYSBASE0; i < MSR_IA32_MTRR_FIX64K_00000; i++)
		ok = ok && msr_bitmap_wish(w, i, MSR_ACCESS_WRITE);
	for (unsigned int i = 0; i < MTRR_FIXED_COUNT; i++)
		ok = ok && msr_bitmap_wish(w, mtrr_fixed_msr(i), MSR_ACCESS_WRITE);
	for (u32 i = MSR_IA32_VMX_BASIC; i <= MSR_IA32_VMX_EXIT_CTLS2; i++)
		ok = ok && msr_bitmap_wish(w, i, MSR_ACCESS_BOTH);
	for (u32 i = MSR_IA32_RTIT_OUTPUT_BASE; i <= MSR_IA32_RTIT_ADDR3_B; i++)
		ok = ok && msr_bitmap_wish(w, i, MSR_ACCESS_BOTH);
	bug_if(!ok);
	/* Each MSR of the hypapp may need two words more. */
	bug_if(w->count + 2 * INTERCEPTS_MSRS > MSR_BITMAP_WISH_WORDS);
}

void nested_init(void)
{
	nested_caps_offer(&machine.caps, &machine.vmxcap, &nested_shared.caps12);
	controls_policy(&machine.caps, &nested_shared.policy);
	nested_shared.ibpb_at_exit = nested_caps_needs_ibpb(cpuid(7, 0).edx);
	memset(nested_shared.places, 0xff, sizeof(nested_shared.places));
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		sort_field((enum vmcs_index)i);
	add_msr_wishes();
	bug_if(!page_pool_alloc(&machine.pool, &nested_shared.ones));
	bug_if(!page_pool_alloc(&machine.pool, &nested_shared.scratch));
	memset(hpa_to_pointer(nested_shared.ones), 0xff, PAGE_SIZE);
	shadow_init();
	log_line("nested: %llu KiB for each CPU: %u VMCSs of L1, %u EPT02s in %u pages; MSR lists "
		 "up to 512 entries",
		 nested_cpu_memory() / KIB, NESTED_SLOTS, EPT02_CONTEXTS, EPT02_PAGES);
}

static hpa_t vmcs_region(u64 address, u32 flags)
{
	*(u32 *)hpa_to_pointer(hpa(address)) =
		(u32)field_get(machine.caps.basic, VMX_BASIC_REVISION) | flags;
	return hpa(address);
}

static void create_slot(struct vmcs12_slot *slot, hpa_t pages)
{
	slot->address = NO_VMCS;
	slot->vmcs02 = vmcs_region(pages.v, 0);
	slot->shadow = vmcs_region(pages.v + PAGE_SIZE, VMCS_SHADOW_INDICATOR);
	slot->msr_bitmap_address = hpa(pages.v + 2 * PAGE_SIZE);
	slot->msr_bitmap = hpa_to_pointer(slot->msr_bitmap_address);
	slot->io_bitmap_address = hpa(pages.v + 3 * PAGE_SIZE);
}

void nested_create(struct vcpu *vcpu, hpa_t memory)
{
	struct nested *nested = hpa_to_pointer(memory);
	u64 next = memory.v + state_pages() * PAGE_SIZE;
	struct ept02_config config = {
		.memory_pages = EPT02_PAGES,
		.shown = &nested_shared.caps12,
		.hardware_ept_vpid = machine.caps.ept_vpid,
		.prefetch = true,
	};

	for (unsigned int i = 0; i < NESTED_SLOTS; i++, next += SLOT_PAGES * PAGE_SIZE)
		create_slot(&nested->slots[i], hpa(next));
	config.memory = hpa_to_pointer(hpa(next));
	config.memory_address = hpa(next);
	bug_if(!ept02_init(&nested->ept02, &config));
	nested->l1_pat = ~0ULL; /* no PAT: the first exit loads one */
	vcpu->nested = nested;
}

bool nested_read_capability_msr(u32 index, u64 *value)
{
	return machine.vmx_for_l1 && nested_caps_read_msr(&nested_shared.caps12, index, value);
}

bool nested_in_vmx_operation(const struct vcpu *vcpu)
{
	return vcpu->nested && vcpu->nested->mode != NESTED_OFF;
}
