/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMLAUNCH and VMRESUME of L1: checks of what changed since the last entry, VMCS02, MSR list.
 */
#include "nested/entry/enter.h"

#include "nested/entry/recheck.h"
#include "nested/exit/leave.h"
#include "nested/msr_lists.h"
#include "nested/vmcs02/commit.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vmcs12/shadow.h"
#include "nested/vpid.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"

#define VIRTUAL_TPR 0x80 /* offset in the virtual-APIC page */

/* What the quick checks of RIP and flags look at, and those of events and interruptibility. */
static void pull_checked_fields(struct vmcs12_slot *slot, u32 groups)
{
	lazy_pull(slot, VMCS_INDEX_guest_rip);
	lazy_pull(slot, VMCS_INDEX_guest_rflags);
	lazy_pull(slot, VMCS_INDEX_guest_cr0);
	lazy_pull(slot, VMCS_INDEX_guest_cs_access_rights);
	lazy_pull(slot, VMCS_INDEX_entry_controls);
	if (!(groups & (CHECK_EVENT | CHECK_INTERRUPTIBILITY)))
		return;
	lazy_pull(slot, VMCS_INDEX_guest_ss_access_rights);
	lazy_pull(slot, VMCS_INDEX_guest_interruptibility_state);
	lazy_pull(slot, VMCS_INDEX_guest_activity_state);
	lazy_pull(slot, VMCS_INDEX_guest_pending_debug_exceptions);
	lazy_pull(slot, VMCS_INDEX_guest_ia32_debugctl);
}

static bool uses_ept(const struct vmcs12 *v)
{
	return (v->processor_based_controls & PROC1_ACTIVATE_SECONDARY_CONTROLS) &&
	       (v->secondary_processor_based_controls & PROC2_ENABLE_EPT);
}

/* PAE paging of L2 without EPT12: the entry loads PDPTEs from memory. */
static bool loads_pdptes(struct vmcs12_slot *slot)
{
	if (uses_ept(&slot->vmcs12))
		return false;
	lazy_pull(slot, VMCS_INDEX_entry_controls);
	if (slot->vmcs12.entry_controls & ENTRY_IA32E_MODE_GUEST)
		return false;
	lazy_pull(slot, VMCS_INDEX_guest_cr0);
	lazy_pull(slot, VMCS_INDEX_guest_cr3);
	lazy_pull(slot, VMCS_INDEX_guest_cr4);
	return vmcs12_uses_pdptes(&slot->vmcs12);
}

/* Copies from L1's memory what the checks need of it. */
static void gather(struct vmcs12_slot *slot, struct entry_inputs *in)
{
	const struct vmcs12 *v = &slot->vmcs12;

	in->vmcs12 = v;
	in->caps = &nested_shared.caps12;
	in->current_vmcs = l1pa(slot->address);
	if ((v->processor_based_controls & PROC1_USE_TPR_SHADOW) && v->tpr_threshold) {
		l1_memory_read(l1pa(v->virtual_apic_address + VIRTUAL_TPR), &in->virtual_tpr, 1);
		slot->unchecked |= CHECK_EXECUTION;
	}
	if (v->vmcs_link_pointer != ~0ULL) {
		l1_memory_read(l1pa(v->vmcs_link_pointer), &in->link_revision,
			       sizeof(in->link_revision));
		slot->unchecked |= CHECK_GUEST;
	}
	if (loads_pdptes(slot)) {
		l1_memory_read(l1pa(v->guest_cr3 & FIELD(31, 5)), in->pdptes, sizeof(in->pdptes));
		slot->unchecked |= CHECK_GUEST;
	}
}

static enum vm_instruction_error check_controls(struct vmcs12_slot *slot,
						const struct entry_inputs *in,
						struct check_failure *why)
{
	if (slot->unchecked & (CHECK_CONTROLS | CHECK_HOST | CHECK_EVENT))
		lazy_pull(slot, VMCS_INDEX_entry_controls);
	return entry_recheck_controls(in, slot->unchecked, why);
}

static bool check_guest(struct vmcs12_slot *slot, const struct entry_inputs *in,
			enum entry_failure_qualification *qualification, struct check_failure *why)
{
	u32 groups = slot->unchecked;

	if (!(groups & ~(u32)CHECK_EXECUTION))
		return true;
	if (groups & (CHECK_GUEST | CHECK_CONTROLS))
		lazy_pull_stale(slot);
	else
		pull_checked_fields(slot, groups);
	return entry_recheck_guest(in, groups, qualification, why);
}

static void read_inherited(const struct vmcs12 *v, struct l1_inherited *l1)
{
	if (!(v->entry_controls & ENTRY_LOAD_IA32_EFER))
		l1->efer = vmcs_read(VMCS_guest_ia32_efer);
	if (!(v->entry_controls & ENTRY_LOAD_IA32_PAT))
		l1->pat = vmcs_read(VMCS_guest_ia32_pat);
	if (!(v->entry_controls & ENTRY_LOAD_DEBUG_CONTROLS)) {
		l1->debugctl = vmcs_read(VMCS_guest_ia32_debugctl);
		l1->dr7 = vmcs_read(VMCS_guest_dr7);
	}
}

/* The state in which VMLAUNCH and VMRESUME fail before any check. */
static enum vm_instruction_error check_state(struct nested *nested, const struct vmcs12_slot *slot,
					     bool launch)
{
	nested->l1_interruptibility = vmcs_read(VMCS_guest_interruptibility_state);
	if (nested->l1_interruptibility & BLOCKING_BY_MOV_SS)
		return VMFAIL_ENTRY_BLOCKED_BY_MOV_SS;
	if (launch && slot->launched)
		return VMFAIL_VMLAUNCH_NONCLEAR;
	if (!launch && !slot->launched)
		return VMFAIL_VMRESUME_NONLAUNCHED;
	return VMFAIL_NONE;
}

enum enter_result enter_l2(struct vcpu *vcpu, struct vmcs12_slot *slot, bool launch,
			   enum vm_instruction_error *error)
{
	struct nested *nested = vcpu->nested;
	struct entry_inputs in = { 0 };
	struct l1_inherited l1 = { 0 };
	struct check_failure why = { 0 };
	enum entry_failure_qualification qualification;
	u32 failed_msr;

	*error = check_state(nested, slot, launch);
	if (*error)
		return ENTER_FAIL;
	in.l1_in_ia32e_mode = nested->l1_in_ia32e_mode;
	if (in.l1_in_ia32e_mode != slot->checked_in_ia32e)
		slot->unchecked |= CHECK_HOST;
	/* Another CPU of L1 made an instruction that L0 stepped over into this one. */
	if (vcpu->step.active)
		guest_end_step(vcpu);
	read_inherited(&slot->vmcs12, &l1);
	shadow_fetch(slot, false);
	vmcs02_make_current(vcpu, slot);
	gather(slot, &in);
	*error = check_controls(slot, &in, &why);
	if (*error) {
		vmcs_load(vcpu->vmcs01);
		return ENTER_FAIL;
	}
	if (!check_guest(slot, &in, &qualification, &why)) {
		leave_failed_entry(vcpu, slot, EXIT_REASON_ENTRY_FAILURE_GUEST, qualification,
				   false);
		return ENTER_DONE;
	}
	slot->unchecked = 0;
	slot->checked_in_ia32e = in.l1_in_ia32e_mode;
	if (field_set_has(&slot->dirty, VMCS_INDEX_guest_activity_state))
		slot->waits_for_sipi = true; /* perhaps */
	vmcs02_commit(nested, slot, &l1, in.pdptes);
	failed_msr = slot->vmcs12.entry_msr_load_count ? msr_list_entry_load(vcpu, slot) : 0;
	if (failed_msr) {
		leave_failed_entry(vcpu, slot, EXIT_REASON_ENTRY_FAILURE_MSR, failed_msr, true);
		return ENTER_DONE;
	}
	vpid02_entering(nested, slot);
	slot->was_launched = slot->launched;
	slot->launched = true;
	nested->mode = NESTED_NON_ROOT;
	nested->statistics.entries++;
	vcpu->in_l2 = true;
	if (slot->waits_for_sipi)
		slot->waits_for_sipi =
			vmcs_read(VMCS_guest_activity_state) == ACTIVITY_WAIT_FOR_SIPI;
	/* INITs are blocked there, L0's own too: other CPUs must not wait for an answer. */
	if (slot->waits_for_sipi)
		__atomic_store_n(&vcpu->waits_for_sipi, true, __ATOMIC_SEQ_CST);
	else if (nested->init_pending)
		leave_by_held_init(vcpu, slot);
	return ENTER_DONE;
}
