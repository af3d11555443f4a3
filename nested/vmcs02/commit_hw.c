/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing VMCS02. */
#include "nested/vmcs02/commit.h"

#include "nested/vmcs02/io_bitmap.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vpid.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

void vmcs02_make_current(struct vcpu *vcpu, struct vmcs12_slot *slot)
{
	if (!slot->vmcs02_ready) {
		vmcs_clear(slot->vmcs02);
		vmcs_load(slot->vmcs02);
		vmcs01_write_host_state(vcpu);
		vmcs_write(VMCS_vmcs_link_pointer, ~0ULL);
		vmcs_write(VMCS_msr_bitmap_address, slot->msr_bitmap_address.v);
		vmcs_write(VMCS_exit_msr_store_count, 0);
		vmcs_write(VMCS_exit_msr_load_count, 0);
		vmcs_write(VMCS_entry_msr_load_count, 0);
		if (field_set_has(&nested_shared.in_hardware, VMCS_INDEX_vm_function_controls))
			vmcs_write(VMCS_vm_function_controls, 0);
		slot->vmcs02_ready = true;
		slot->vmcs02_launched = false;
		return;
	}
	vmcs_load(slot->vmcs02);
}

static void copy_dirty(struct vmcs12_slot *slot)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(slot->dirty.bits); i++) {
		u64 set = slot->dirty.bits[i] & nested_shared.copied.bits[i];

		for (; set; set &= set - 1) {
			unsigned int field = i * 64 + (unsigned int)__builtin_ctzll(set);

			vmcs_write((enum vmcs_encoding)vmcs_fields[field].encoding,
				   vmcs12_get(&slot->vmcs12, (enum vmcs_index)field));
		}
	}
}

static bool owned_is_dirty(const struct vmcs12_slot *slot)
{
	u64 any = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(slot->dirty.bits); i++)
		any |= slot->dirty.bits[i] & nested_shared.owned.bits[i];
	return any;
}

/* A page of L1's that the processor will use: itself, or a page of ones where it is not L1's. */
static u64 page_of_l1(u64 address)
{
	return l1_memory_view(l1pa(address), PAGE_SIZE) ? address : nested_shared.ones.v;
}

/* As page_of_l1(), for what the processor writes to. */
static u64 writable_page_of_l1(u64 address)
{
	return l1_memory_view_for_writing(l1pa(address), PAGE_SIZE) ? address
								    : nested_shared.scratch.v;
}

static void write_addresses(const struct vmcs12_slot *slot, const struct control_words *w)
{
	const struct vmcs12 *v = &slot->vmcs12;

	if (hypapp_intercepts) {
		vmcs_write(VMCS_io_bitmap_a_address, slot->io_bitmap_address.v);
		vmcs_write(VMCS_io_bitmap_b_address, slot->io_bitmap_address.v + PAGE_SIZE);
	} else if (w->proc1 & PROC1_USE_IO_BITMAPS) {
		vmcs_write(VMCS_io_bitmap_a_address, page_of_l1(v->io_bitmap_a_address));
		vmcs_write(VMCS_io_bitmap_b_address, page_of_l1(v->io_bitmap_b_address));
	}
	if (w->proc1 & PROC1_USE_TPR_SHADOW)
		vmcs_write(VMCS_virtual_apic_address, writable_page_of_l1(v->virtual_apic_address));
	if (w->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES)
		vmcs_write(VMCS_apic_access_address, page_of_l1(v->apic_access_address));
	if (w->pin & PIN_PROCESS_POSTED_INTERRUPTS)
		vmcs_write(VMCS_posted_interrupt_descriptor_address,
			   writable_page_of_l1(
				   align_down(v->posted_interrupt_descriptor_address, PAGE_SIZE)) |
				   (v->posted_interrupt_descriptor_address & (PAGE_SIZE - 1)));
}

static void write_controls(struct vmcs12_slot *slot)
{
	const struct vmcs12 *v = &slot->vmcs12;
	struct control_words own = { .proc1 = hypapp_intercepts ? PROC1_USE_IO_BITMAPS : 0 }, w;
	struct tsc_view one = { TSC_MULTIPLIER_ONE, 0 }, tsc;

	controls_of_vmcs12(v, &slot->words12);
	controls_merge(&nested_shared.policy, &slot->words12, &own, &w);
	vmcs_write(VMCS_pin_based_controls, w.pin);
	vmcs_write(VMCS_processor_based_controls, w.proc1);
	vmcs_write(VMCS_secondary_processor_based_controls, w.proc2);
	vmcs_write(VMCS_exit_controls, w.exit);
	slot->entry02 = w.entry;
	write_addresses(slot, &w);
	tsc = controls_compose_tsc(one, controls_tsc_of_vmcs12(v));
	vmcs_write(VMCS_tsc_offset, tsc.offset);
	if (w.proc2 & PROC2_USE_TSC_SCALING)
		vmcs_write(VMCS_tsc_multiplier, tsc.multiplier);
}

static void write_mmu(struct nested *nested, struct vmcs12_slot *slot, bool all)
{
	u16 vpid02 = vpid02_for(nested, slot);
	u64 eptp02;

	if (slot->words12.proc2 & PROC2_ENABLE_EPT) {
		nested->context = ept02_context(&nested->ept02, slot->vmcs12.eptp);
		eptp02 = nested->context->eptp02;
	} else {
		nested->context = NULL;
		eptp02 = ept01_pointer(&machine.ept);
	}
	if (all || eptp02 != slot->eptp02)
		vmcs_write(VMCS_eptp, eptp02);
	if (all || vpid02 != slot->vpid02)
		vmcs_write(VMCS_vpid, vpid02);
	slot->eptp02 = eptp02;
	slot->vpid02 = vpid02;
}

bool vmcs12_uses_pdptes(const struct vmcs12 *v)
{
	return (v->guest_cr0 & CR0_PG) && (v->guest_cr4 & CR4_PAE) &&
	       !(v->entry_controls & ENTRY_IA32E_MODE_GUEST);
}

static void pull_pdptes(struct vmcs12_slot *slot)
{
	lazy_pull(slot, VMCS_INDEX_guest_pdpte0);
	lazy_pull(slot, VMCS_INDEX_guest_pdpte1);
	lazy_pull(slot, VMCS_INDEX_guest_pdpte2);
	lazy_pull(slot, VMCS_INDEX_guest_pdpte3);
}

/* With EPT12 the PDPTEs are fields of VMCS12, which VMCS02 follows while L2 runs. */
static void write_pdptes(struct vmcs12_slot *slot, const u64 pdptes[4], bool all)
{
	const struct vmcs12 *v = &slot->vmcs12;
	bool from_fields = slot->words12.proc2 & PROC2_ENABLE_EPT;

	if (from_fields && !all)
		return;
	lazy_pull(slot, VMCS_INDEX_entry_controls);
	lazy_pull(slot, VMCS_INDEX_guest_cr0);
	lazy_pull(slot, VMCS_INDEX_guest_cr4);
	if (!vmcs12_uses_pdptes(v))
		return;
	pull_pdptes(slot);
	vmcs_write(VMCS_guest_pdpte0, from_fields ? v->guest_pdpte0 : pdptes[0]);
	vmcs_write(VMCS_guest_pdpte1, from_fields ? v->guest_pdpte1 : pdptes[1]);
	vmcs_write(VMCS_guest_pdpte2, from_fields ? v->guest_pdpte2 : pdptes[2]);
	vmcs_write(VMCS_guest_pdpte3, from_fields ? v->guest_pdpte3 : pdptes[3]);
}

u64 vmcs12_guest_efer(const struct vmcs12 *v, u64 l1_efer)
{
	bool ia32e = v->entry_controls & ENTRY_IA32E_MODE_GUEST;

	if (v->entry_controls & ENTRY_LOAD_IA32_EFER)
		return v->guest_ia32_efer;
	if (v->guest_cr0 & CR0_PG)
		l1_efer = ia32e ? l1_efer | EFER_LME : l1_efer & ~EFER_LME;
	return ia32e ? l1_efer | EFER_LMA : l1_efer & ~EFER_LMA;
}

static bool loads(const struct vmcs12 *v, u32 control)
{
	return v->entry_controls & control;
}

static bool saves(const struct vmcs12 *v, u32 control)
{
	return v->exit_controls & control;
}

/*
 * What an exit of L2 changes besides the fields that every exit saves, and what has to be written
 * at every VM entry: where VMCS12 both loads and saves a register, VMCS02's field simply stays.
 */
static void plan_loaded_state(struct vmcs12_slot *slot)
{
	const struct vmcs12 *v = &slot->vmcs12;
	bool timer = slot->words12.pin & PIN_ACTIVATE_PREEMPTION_TIMER;

	slot->stay = nested_shared.saved;
	if (saves(v, EXIT_SAVE_IA32_EFER))
		field_set_add(&slot->stay, VMCS_INDEX_guest_ia32_efer);
	if (saves(v, EXIT_SAVE_IA32_PAT))
		field_set_add(&slot->stay, VMCS_INDEX_guest_ia32_pat);
	if (saves(v, EXIT_SAVE_DEBUG_CONTROLS)) {
		field_set_add(&slot->stay, VMCS_INDEX_guest_dr7);
		field_set_add(&slot->stay, VMCS_INDEX_guest_ia32_debugctl);
	}
	slot->saves_timer = timer && saves(v, EXIT_SAVE_PREEMPTION_TIMER);
	if (slot->saves_timer &&
	    !field_set_has(&nested_shared.shadowed, VMCS_INDEX_preemption_timer_value))
		field_set_add(&slot->stay, VMCS_INDEX_preemption_timer_value);
	slot->rewrite_efer = !loads(v, ENTRY_LOAD_IA32_EFER) || !saves(v, EXIT_SAVE_IA32_EFER);
	slot->rewrite_pat = !loads(v, ENTRY_LOAD_IA32_PAT) || !saves(v, EXIT_SAVE_IA32_PAT);
	slot->rewrite_debug =
		!loads(v, ENTRY_LOAD_DEBUG_CONTROLS) || !saves(v, EXIT_SAVE_DEBUG_CONTROLS);
	slot->rewrite_timer = timer && !slot->saves_timer;
}

static void write_efer(struct vmcs12_slot *slot, u64 l1_efer)
{
	lazy_pull(slot, VMCS_INDEX_entry_controls);
	lazy_pull(slot, VMCS_INDEX_guest_cr0);
	lazy_pull(slot, VMCS_INDEX_guest_ia32_efer);
	vmcs_write(VMCS_guest_ia32_efer, vmcs12_guest_efer(&slot->vmcs12, l1_efer));
}

static void write_pat(struct vmcs12_slot *slot, u64 l1_pat)
{
	lazy_pull(slot, VMCS_INDEX_guest_ia32_pat);
	vmcs_write(VMCS_guest_ia32_pat, loads(&slot->vmcs12, ENTRY_LOAD_IA32_PAT)
						? slot->vmcs12.guest_ia32_pat
						: l1_pat);
}

static void write_debug(struct vmcs12_slot *slot, const struct l1_inherited *l1)
{
	const struct vmcs12 *v = &slot->vmcs12;
	bool load = loads(v, ENTRY_LOAD_DEBUG_CONTROLS);

	lazy_pull(slot, VMCS_INDEX_guest_dr7);
	lazy_pull(slot, VMCS_INDEX_guest_ia32_debugctl);
	vmcs_write(VMCS_guest_dr7, load ? v->guest_dr7 : l1->dr7);
	vmcs_write(VMCS_guest_ia32_debugctl, load ? v->guest_ia32_debugctl : l1->debugctl);
}

static void write_timer(struct vmcs12_slot *slot)
{
	lazy_pull(slot, VMCS_INDEX_preemption_timer_value);
	vmcs_write(VMCS_preemption_timer_value, slot->vmcs12.preemption_timer_value);
}

static void write_entry_controls(struct vmcs12_slot *slot)
{
	lazy_pull(slot, VMCS_INDEX_entry_controls);
	vmcs_write(VMCS_entry_controls,
		   (slot->entry02 & ~(u32)ENTRY_IA32E_MODE_GUEST) |
			   (slot->vmcs12.entry_controls & ENTRY_IA32E_MODE_GUEST));
}

/* Guest state that a control of VMCS12 decides about; @all: VMCS12's fields or controls changed. */
static void write_loaded_state(struct vmcs12_slot *slot, const struct l1_inherited *l1, bool all)
{
	if (all)
		write_entry_controls(slot);
	if (all || slot->rewrite_efer)
		write_efer(slot, l1->efer);
	if (all || slot->rewrite_pat)
		write_pat(slot, l1->pat);
	if (all || slot->rewrite_debug)
		write_debug(slot, l1);
	if (slot->rewrite_timer ||
	    ((all || field_set_has(&slot->dirty, VMCS_INDEX_preemption_timer_value)) &&
	     (slot->words12.pin & PIN_ACTIVATE_PREEMPTION_TIMER)))
		write_timer(slot);
}

static void write_event(const struct vmcs12 *v)
{
	if (!(v->entry_interruption_information & INTR_INFO_VALID))
		return;
	vmcs_write(VMCS_entry_interruption_information, v->entry_interruption_information);
	vmcs_write(VMCS_entry_exception_error_code, v->entry_exception_error_code);
	vmcs_write(VMCS_entry_instruction_length, v->entry_instruction_length);
}

/* The hypapp's MSRs.  nested_init() saw that there is room for them. */
static void add_wishes(struct msr_bitmap_wishes *wishes)
{
	for (u32 i = 0; i < intercepts.msr_count; i++)
		msr_bitmap_wish(wishes, intercepts.msr[i].index,
				(enum msr_access)(intercepts.msr[i].read * MSR_ACCESS_READ |
						  intercepts.msr[i].write * MSR_ACCESS_WRITE));
}

static void merge_msr_bitmap(struct vmcs12_slot *slot, l1pa_t address)
{
	const struct msr_bitmap_wishes *wishes = &nested_shared.wishes;
	struct msr_bitmap_wishes more;
	const u64 *page;

	tracker_begin_copy(&slot->msr_bitmap_source, address);
	page = l1_memory_view(address, PAGE_SIZE);
	if (!page)
		page = hpa_to_pointer(nested_shared.ones);
	if (hypapp_intercepts) {
		more = *wishes;
		add_wishes(&more);
		wishes = &more;
	}
	msr_bitmap_merge(page, wishes, &slot->words12, slot->msr_bitmap);
	slot->msr_bitmap_controls = slot->words12.proc2;
}

/* L1 may edit its bitmap without any VM instruction: the write tracker tells. */
static void write_msr_bitmap(struct vmcs12_slot *slot)
{
	l1pa_t address = l1pa(slot->vmcs12.msr_bitmap_address);

	if ((slot->words12.proc1 & PROC1_USE_MSR_BITMAPS) &&
	    (!tracker_is_current(&slot->msr_bitmap_source, address) ||
	     slot->msr_bitmap_controls != slot->words12.proc2))
		merge_msr_bitmap(slot, address);
}

static const u64 *ones_or(const u64 *page)
{
	return page ? page : hpa_to_pointer(nested_shared.ones);
}

/* VMCS02's I/O bitmaps: the hypapp's, with VMCS12's if it uses some. */
static void write_io_bitmaps(struct vmcs12_slot *slot)
{
	const struct vmcs12 *v = &slot->vmcs12;
	l1pa_t a = l1pa(v->io_bitmap_a_address), b = l1pa(v->io_bitmap_b_address);
	struct tracked_copy *source = slot->io_bitmap_source;
	u64 *out = hpa_to_pointer(slot->io_bitmap_address);
	bool both = slot->words12.proc1 & PROC1_USE_IO_BITMAPS;

	if (both ? slot->io_bitmap_made == IO_BITMAP_OF_BOTH && tracker_is_current(&source[0], a) &&
			    tracker_is_current(&source[1], b)
		 : slot->io_bitmap_made == IO_BITMAP_OF_L0)
		return;
	if (both) {
		tracker_begin_copy(&source[0], a);
		tracker_begin_copy(&source[1], b);
	}
	io_bitmap_merge(both ? ones_or(l1_memory_view(a, PAGE_SIZE)) : NULL, intercepts.ports_a,
			out);
	io_bitmap_merge(both ? ones_or(l1_memory_view(b, PAGE_SIZE)) : NULL, intercepts.ports_b,
			out + IO_BITMAP_WORDS);
	slot->io_bitmap_made = both ? IO_BITMAP_OF_BOTH : IO_BITMAP_OF_L0;
}

void vmcs02_intercepts_changed(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	struct vmcs12_slot *current = nested->current;

	for (unsigned int i = 0; i < NESTED_SLOTS; i++) {
		struct vmcs12_slot *slot = &nested->slots[i];

		slot->io_bitmap_made = IO_BITMAP_NONE;
		slot->msr_bitmap_source.valid = false;
		if (slot != current)
			field_set_add(&slot->dirty, VMCS_INDEX_processor_based_controls);
	}
	/* Steps have changed controls that are now written anew. */
	if (vcpu->step.active)
		guest_end_step(vcpu);
	vcpu->port_step.active = false;
	write_controls(current);
	write_msr_bitmap(current);
	write_io_bitmaps(current);
}

void vmcs02_commit(struct nested *nested, struct vmcs12_slot *slot, const struct l1_inherited *l1,
		   const u64 pdptes[4])
{
	bool all = owned_is_dirty(slot);

	if (all) {
		write_controls(slot);
		plan_loaded_state(slot);
	}
	copy_dirty(slot);
	write_mmu(nested, slot, all);
	write_pdptes(slot, pdptes, all);
	write_loaded_state(slot, l1, all);
	write_event(&slot->vmcs12);
	write_msr_bitmap(slot);
	if (hypapp_intercepts)
		write_io_bitmaps(slot);
	slot->dirty = (struct field_set){ 0 };
}
