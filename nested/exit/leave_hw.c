/* SPDX-License-Identifier: BSD-2-Clause */
/* From L2 to L1. */
#include "nested/exit/leave.h"

#include "nested/exit/host_state.h"
#include "nested/msr_lists.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vmcs12/shadow.h"
#include "nested/vmcs12/slots.h"
#include "xmhf/device/log.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

#define WRITE_USABLE_SEGMENT(name, s)                                              \
	do {                                                                       \
		vmcs_write(VMCS_guest_##name##_selector, (s)->selector);           \
		vmcs_write(VMCS_guest_##name##_access_rights, (s)->access_rights); \
		vmcs_write(VMCS_guest_##name##_limit, (s)->limit);                 \
		vmcs_write(VMCS_guest_##name##_base, (s)->base);                   \
	} while (0)

/* Base and limit of an unusable segment are undefined, but for the base of FS and GS. */
#define WRITE_SEGMENT(name, s, has_base)                                           \
	do {                                                                       \
		if (!((s)->access_rights & ACCESS_RIGHTS_UNUSABLE)) {              \
			WRITE_USABLE_SEGMENT(name, s);                             \
			break;                                                     \
		}                                                                  \
		vmcs_write(VMCS_guest_##name##_selector, (s)->selector);           \
		vmcs_write(VMCS_guest_##name##_access_rights, (s)->access_rights); \
		if (has_base)                                                      \
			vmcs_write(VMCS_guest_##name##_base, (s)->base);           \
	} while (0)

static void write_descriptor_tables(const struct host_state *h)
{
	WRITE_SEGMENT(es, &h->segments[SEGMENT_ES], false);
	WRITE_USABLE_SEGMENT(cs, &h->segments[SEGMENT_CS]);
	WRITE_SEGMENT(ss, &h->segments[SEGMENT_SS], false);
	WRITE_SEGMENT(ds, &h->segments[SEGMENT_DS], false);
	WRITE_SEGMENT(fs, &h->segments[SEGMENT_FS], true);
	WRITE_SEGMENT(gs, &h->segments[SEGMENT_GS], true);
	WRITE_USABLE_SEGMENT(tr, &h->tr);
	vmcs_write(VMCS_guest_ldtr_selector, 0);
	vmcs_write(VMCS_guest_ldtr_access_rights, ACCESS_RIGHTS_UNUSABLE);
	vmcs_write(VMCS_guest_gdtr_base, h->gdtr_base);
	vmcs_write(VMCS_guest_gdtr_limit, h->gdtr_limit);
	vmcs_write(VMCS_guest_idtr_base, h->idtr_base);
	vmcs_write(VMCS_guest_idtr_limit, h->idtr_limit);
}

static void write_msrs(const struct host_state *h)
{
	vmcs_write(VMCS_guest_ia32_debugctl, h->debugctl);
	vmcs_write(VMCS_guest_ia32_efer, h->efer);
}

/*
 * What VMCS01 holds already is not written: L1 was active when it executed VMLAUNCH or VMRESUME,
 * had no debug exception pending, and was in the mode that "host address-space size" returns to
 * ("Checks Related to Address-Space Size").
 */
static void write_host_state(struct nested *nested, const struct host_state *h)
{
	vmcs_write(VMCS_guest_cr0, h->cr0);
	vmcs_write(VMCS_guest_cr3, h->cr3);
	vmcs_write(VMCS_guest_cr4, h->cr4);
	vmcs_write(VMCS_guest_dr7, h->dr7);
	vmcs_write(VMCS_guest_rip, h->rip);
	vmcs_write(VMCS_guest_rsp, h->rsp);
	vmcs_write(VMCS_guest_rflags, h->rflags);
	if (h->interruptibility_state != nested->l1_interruptibility)
		vmcs_write(VMCS_guest_interruptibility_state, h->interruptibility_state);
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
	vmcs_write(VMCS_guest_activity_state, machine.caps.misc & VMX_MISC_ACTIVITY_SHUTDOWN
						      ? ACTIVITY_SHUTDOWN
						      : ACTIVITY_WAIT_FOR_SIPI);
}

/* How far a VM entry came before L1 goes on. */
enum stay {
	NOTHING_LOADED, /* a check of guest state failed: the processor's state is L1's */
	STATE_LOADED,	/* the entry failed with L2's state loaded */
	L2_RAN,
};

/* The current VMCS has the state that the processor is in. */
static void read_before(struct vmcs12_slot *slot, u32 reason, enum stay stay,
			u32 l1_interruptibility, struct host_state_before *before)
{
	u64 nmi = INTR_INFO_VALID | field_make(INTR_INFO_TYPE, INTR_TYPE_NMI);

	before->cr0 = vmcs_read(VMCS_guest_cr0);
	before->efer = 0;
	if (!(slot->vmcs12.exit_controls & EXIT_LOAD_IA32_EFER))
		before->efer = vmcs_read(VMCS_guest_ia32_efer);
	/* Blocking by NMI is what it was before an entry that fails. */
	before->blocking_is_l1s = stay != L2_RAN;
	before->interruptibility_state = 0;
	if (stay != L2_RAN) {
		before->interruptibility_state = l1_interruptibility;
	} else if (!(slot->vmcs12.pin_based_controls & PIN_VIRTUAL_NMIS)) {
		lazy_pull(slot, VMCS_INDEX_guest_interruptibility_state);
		before->interruptibility_state = slot->vmcs12.guest_interruptibility_state;
	}
	before->exit_is_nmi = (reason & 0xffff) == EXIT_REASON_EXCEPTION_OR_NMI &&
			      (vmcs_read(VMCS_exit_interruption_information) &
			       (INTR_INFO_VALID | INTR_INFO_TYPE)) == nmi;
}

/* VMCS01 has them already if L1 wrote none since an exit loaded the same ones. */
static void load_rarely_written(struct vcpu *vcpu, const struct vmcs12_slot *slot, bool same_host,
				u64 pat)
{
	struct nested *nested = vcpu->nested;
	bool written = vcpu->loaded_msr_written;

	if (written || nested->l1_pat != pat) {
		vmcs_write(VMCS_guest_ia32_pat, pat);
		nested->l1_pat = pat;
	}
	if (same_host && nested->sysenter_of == slot && !written)
		return;
	vmcs_write(VMCS_guest_ia32_sysenter_cs, slot->host.sysenter_cs);
	vmcs_write(VMCS_guest_ia32_sysenter_esp, slot->host.sysenter_esp);
	vmcs_write(VMCS_guest_ia32_sysenter_eip, slot->host.sysenter_eip);
	nested->sysenter_of = slot;
	vcpu->loaded_msr_written = false;
}

static void compute(struct vmcs12_slot *slot, const struct host_state_before *before)
{
	if (slot->host_is_current) {
		host_state_update(&slot->vmcs12, &nested_shared.caps12, before, &slot->host);
		return;
	}
	host_state_compute(&slot->vmcs12, &nested_shared.caps12, before, &slot->host);
	slot->host_is_current = true;
}

/* VMCS02 is current; VMCS01 is afterwards, with L1's state after the exit. */
static void load_l1(struct vcpu *vcpu, struct vmcs12_slot *slot, u32 reason, enum stay stay)
{
	bool loads_pat = slot->vmcs12.exit_controls & EXIT_LOAD_IA32_PAT;
	struct shadow_changes changes;
	struct host_state_before before;
	bool same_host;
	u64 pat;

	if (stay == L2_RAN)
		shadow_fetch_exit(slot, reason, &changes);
	else if (stay == NOTHING_LOADED)
		vmcs_load(vcpu->vmcs01);
	read_before(slot, reason, stay, (u32)vcpu->nested->l1_interruptibility, &before);
	/* Where nothing loads it, L1 goes on with what the processor has. */
	pat = loads_pat ? slot->vmcs12.host_ia32_pat : vmcs_read(VMCS_guest_ia32_pat);
	if (stay == L2_RAN)
		shadow_write_exit(slot, &changes);
	vmcs_load(vcpu->vmcs01);
	vcpu->in_l2 = false;
	vcpu->nested->mode = NESTED_ROOT;
	same_host = slot->host_is_current;
	compute(slot, &before);
	load_rarely_written(vcpu, slot, same_host, pat);
	write_host_state(vcpu->nested, &slot->host);
	if (!load_pdptes(&slot->host)) {
		vmx_abort(vcpu, slot, VMX_ABORT_HOST_PDPTE);
		return;
	}
	if (slot->vmcs12.exit_msr_load_count && !msr_list_exit_load(vcpu, slot))
		vmx_abort(vcpu, slot, VMX_ABORT_LOAD_HOST_MSRS);
}

void leave_l2(struct vcpu *vcpu, struct vmcs12_slot *slot)
{
	bool stored = true;

	vcpu->nested->statistics.reflected++;
	if (nested_shared.ibpb_at_exit)
		wrmsr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	if (vcpu->step.active)
		guest_end_step(vcpu);
	lazy_mark_stay(slot);
	if (slot->vmcs12.exit_msr_store_count)
		stored = msr_list_exit_store(vcpu, slot);
	load_l1(vcpu, slot, vcpu->exit_reason, L2_RAN);
	if (!stored)
		vmx_abort(vcpu, slot, VMX_ABORT_SAVE_GUEST_MSRS);
}

void leave_by_held_init(struct vcpu *vcpu, struct vmcs12_slot *slot)
{
	/* An injected event comes first: the INIT is held for the entry after this one. */
	if (slot->vmcs12.entry_interruption_information & INTR_INFO_VALID)
		return;
	vcpu->nested->init_pending = false;
	leave_l2(vcpu, slot);
	lazy_override(slot, VMCS_INDEX_exit_reason, EXIT_REASON_INIT_SIGNAL);
	lazy_override(slot, VMCS_INDEX_exit_qualification, 0);
	lazy_override(slot, VMCS_INDEX_exit_interruption_information, 0);
	lazy_override(slot, VMCS_INDEX_idt_vectoring_information, 0);
}

void leave_failed_entry(struct vcpu *vcpu, struct vmcs12_slot *slot, enum exit_reason reason,
			u64 qualification, bool state_loaded)
{
	/* The event is VMCS12's still, and not VMCS02's: the next entry may have none. */
	vmcs_write(VMCS_entry_interruption_information, 0);
	load_l1(vcpu, slot, reason, state_loaded ? STATE_LOADED : NOTHING_LOADED);
	lazy_override(slot, VMCS_INDEX_exit_reason, reason | EXIT_REASON_ENTRY_FAILURE);
	lazy_override(slot, VMCS_INDEX_exit_qualification, qualification);
}
