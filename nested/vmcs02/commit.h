/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing VMCS02.  VMCS12 was checked and everything in it is legal; what is written
 * here is translated, so that nothing of L1's choice reaches the processor as an address
 * of L0's or as a control that L0 does not know.
 */
#pragma once

#include "nested/state.h"

/** What VMCS02 takes from L1's own state where VMCS12's controls do not load it. */
struct l1_inherited {
	u64 efer, pat, debugctl, dr7;
};

/** Makes @slot's VMCS02 current, for the first time with L0's constant fields. */
void vmcs02_make_current(struct vcpu *vcpu, struct vmcs12_slot *slot);

/**
 * Brings the current VMCS02 up to date with @slot's VMCS12.  @pdptes are those at L2's CR3, for
 * PAE paging without EPT12.
 */
void vmcs02_commit(struct nested *nested, struct vmcs12_slot *slot, const struct l1_inherited *l1,
		   const u64 pdptes[4]);

/**
 * The hypapp's intercepts or rights changed: the current VMCS02 is brought up to date, those of
 * other slots at their next vmcs02_commit().
 */
void vmcs02_intercepts_changed(struct vcpu *vcpu);

/** Claim: L2 starts with PAE paging, so the processor takes PDPTEs from VMCS02. */
bool vmcs12_uses_pdptes(const struct vmcs12 *vmcs12);

/** L2's IA32_EFER after the VM entry, before MSR lists.  SDM "Loading Guest Control Registers,
 * Debug Registers, and MSRs". */
u64 vmcs12_guest_efer(const struct vmcs12 *vmcs12, u64 l1_efer);
