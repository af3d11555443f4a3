/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The three MSR lists of VMCS12, walked in software.
 * SDM "Loading MSRs" (VM entries), "Saving MSRs", "Loading MSRs" (VM exits).
 */
#pragma once

#include "nested/state.h"

/**
 * VM-entry MSR-load list; VMCS02 is current and holds L2's state.  Returns 0, or the number,
 * from 1 on, of the entry that cannot be loaded.
 */
u32 msr_list_entry_load(struct vcpu *vcpu, struct vmcs12_slot *slot);

/** The entry that loaded the list failed: VMCS02 gets VMCS12's values again at the next entry. */
void msr_list_entry_undo(struct vmcs12_slot *slot);

/** VM-exit MSR-store list; VMCS02 is current.  False: VMX abort. */
bool msr_list_exit_store(struct vcpu *vcpu, const struct vmcs12_slot *slot);

/** VM-exit MSR-load list; VMCS01 is current and holds L1's state after the exit.  False: VMX abort.
 */
bool msr_list_exit_load(struct vcpu *vcpu, const struct vmcs12_slot *slot);
