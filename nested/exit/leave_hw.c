/* SPDX-License-Identifier: BSD-2-Clause */
/* From L2 to L1. */
#include "nested/exit/leave.h"

#include "nested/exit/host_state.h"
#include "nested/msr_lists.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vmcs12/slots.h"
#include "xmhf/device/log.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"

static void write_segment(unsigned int number, const struct l1_segment *s)
{
	vmcs_write(VMCS_guest_es_selector + 2 * number, s->selector);
	vmcs_write(VMCS_guest_es_base + 2 * number, s->base);
	vmcs_write(VMCS_guest_es_limit + 2 * number, s->limit);
	vmcs_write(VMCS_guest_es_access_rights + 2 * number, s->access_rights);
}

static void write_descriptor_tables(const struct host_state *h)
{
	for (unsigned int i = 0; i < SEGMENT_COUNT; i++)
		write_segment(i, &h->segments[i]);
	write_segment(6, &h->ldtr);
	write_segment(7, &h->tr);
	vmcs_write(VMCS_guest_gdtr_base, h->gdtr_base);
	vmcs_write(VMCS_guest_gdtr_limit, h->gdtr_limit);
	vmcs_write(VMCS_guest_idtr_base, h->idtr_base);
	vmcs_write(VMCS_guest_idtr_limit, h->idtr_limit);
}

static void write_msrs(const struct host_state *h)
{
	vmcs_write(VMCS_guest_ia32_debugctl, h->debugctl);
	vmcs_write(VMCS_guest_ia32_sysenter_cs, h->sysenter_cs);
	vmcs_write(VMCS_guest_ia32_sysenter_esp, h->sysenter_esp);
	vmcs_write(VMCS_guest_ia32_sysenter_eip, h->sysenter_eip);
	vmcs_write(VMCS_guest_ia32_efer, h->efer);
	if (h->loads_pat)
		vmcs_write(VMCS_guest_ia32_pat, h->pat);
}

static void write_host_state(const struct host_state *h)
{
	u64 entry = vmcs_read(VMCS_entry_controls);

	vmcs_write(VMCS_entry_controls, h->efer & EFER_LMA ? entry | ENTRY_IA32E_MODE_GUEST
							   : entry & ~(u64)ENTRY_IA32E_MODE_GUEST);
	vmcs_write(VMCS_guest_cr0, h->cr0);
	vmcs_write(VMCS_guest_cr3, h->cr3);
	vmcs_write(VMCS_guest_cr4, h->cr4);
	vmcs_write(VMCS_guest_dr7, h->dr7);
	vmcs_write(VMCS_guest_rip, h->rip);
	vmcs_write(VMCS_guest_rsp, h->rsp);
	vmcs_write(VMCS_guest_rflags, h->rflags);
	vmcs_write(VMCS_guest_interruptibility_state, h->interruptibility_state);
	vmcs_write(VMCS_guest_pending_debug_exceptions, h->pending_debug_exceptions);
	vmcs_write(VMCS_guest_activity_state, h->activity_state);
	write_descriptor_tables(h);
	write_msrs(h);
}

/* L1's PAE paging: the PDPTEs at its CR3 are loaded, and checked. */
static bool load_pdptes(const struct host_state *h)
{
	u64 pdptes[4];

	if (!h->must_load_pdptes)
		return true;
	l1_memory_read(l1pa(h->cr3 & FIELD(31, 5)), pdptes, sizeof(pdptes));
	if (!host_state_pdptes_valid(pdptes, machine.caps.physical_address_width))
		return false;
	vmcs_write(VMCS_guest_pdpte0, pdptes[0]);
	vmcs_write(VMCS_guest_pdpte1, pdptes[1]);
	vmcs_write(VMCS_guest_pdpte2, pdptes[2]);
	vmcs_write(VMCS_guest_pdpte3, pdptes[3]);
	return true;
}

/* SDM "VMX Aborts": the indicator goes to VMCS12's region, the CPU to shutdown. */
static void vmx_abort(struct vcpu *vcpu, const struct vmcs12_slot *slot, enum vmx_abort cause)
{
	u32 indicator = cause;

	log_line("VMX abort %u of L1", indicator);
	vcpu->nested->statistics.aborts++;
	l1_memory_write(l1pa(slot->address + offsetof(struct vmcs12_region, abort_indicator)),
			&indicator, sizeof(indicator));
	vmcs_write(VMCS_guest_activity_state, ACTIVITY_SHUTDOWN);
}

/* VMCS02 is current; VMCS01 is afterwards, with L1's state after the exit. */
static void load_l1(struct vcpu *vcpu, struct vmcs12_slot *slot, u32 reason)
{
	u64 nmi = INTR_INFO_VALID | field_make(INTR_INFO_TYPE, INTR_TYPE_NMI);
	struct host_state_before before = {
		.cr0 = vmcs_read(VMCS_guest_cr0),
		.efer = vmcs_read(VMCS_guest_ia32_efer),
	};
	struct host_state h;
	u64 pat = 0;

	if (reason == EXIT_REASON_EXCEPTION_OR_NMI)
		before.exit_is_nmi = (vmcs_read(VMCS_exit_interruption_information) &
				      (INTR_INFO_VALID | INTR_INFO_TYPE)) == nmi;
	before.interruptibility_state = (u32)vmcs_read(VMCS_guest_interruptibility_state);
	if (!(slot->vmcs12.exit_controls & EXIT_LOAD_IA32_PAT))
		pat = vmcs_read(VMCS_guest_ia32_pat);
	vmcs_load(vcpu->vmcs01);
	vcpu->in_l2 = false;
	vcpu->nested->mode = NESTED_ROOT;
	host_state_compute(&slot->vmcs12, &nested_shared.caps12, &before, &h);
	if (!h.loads_pat) {
		/* Nothing loads it, so L1 goes on with what L2 had. */
		h.loads_pat = true;
		h.pat = pat;
	}
	write_host_state(&h);
	if (!load_pdptes(&h)) {
		vmx_abort(vcpu, slot, VMX_ABORT_HOST_PDPTE);
		return;
	}
	if (slot->vmcs12.exit_msr_load_count && !msr_list_exit_load(vcpu, slot))
		vmx_abort(vcpu, slot, VMX_ABORT_LOAD_HOST_MSRS);
}

void leave_l2(struct vcpu *vcpu, struct vmcs12_slot *slot)
{
	u32 reason = (u32)vmcs_read(VMCS_exit_reason);
	bool stored = true;

	vcpu->nested->statistics.reflected++;
	lazy_mark_stay(slot);
	if (slot->vmcs12.exit_msr_store_count)
		stored = msr_list_exit_store(vcpu, slot);
	load_l1(vcpu, slot, reason & 0xffff);
	if (!stored)
		vmx_abort(vcpu, slot, VMX_ABORT_SAVE_GUEST_MSRS);
}

void leave_failed_entry(struct vcpu *vcpu, struct vmcs12_slot *slot, enum exit_reason reason,
			u64 qualification)
{
	load_l1(vcpu, slot, reason);
	lazy_override(slot, VMCS_INDEX_exit_reason, reason | EXIT_REASON_ENTRY_FAILURE);
	lazy_override(slot, VMCS_INDEX_exit_qualification, qualification);
}
