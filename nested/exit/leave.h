/* SPDX-License-Identifier: BSD-2-Clause */
/* From L2 to L1: saving what VMCS12 keeps, loading L1's state.  SDM "VM Exits". */
#pragma once

#include "nested/state.h"

/**
 * Reflects the exit that is in VMCS02, which is current, to L1.  Afterwards VMCS01 is current;
 * the caller may override exit information with lazy_override().
 */
void leave_l2(struct vcpu *vcpu, struct vmcs12_slot *slot);

/**
 * An INIT came while L1 was in VMX root operation, which holds it: the entry that just succeeded
 * exits for it, before L2 runs.
 */
void leave_by_held_init(struct vcpu *vcpu, struct vmcs12_slot *slot);

/**
 * Ends a VM entry that failed after the controls and host state were accepted: L1 sees @reason with
 * bit 31 and @qualification.  @state_loaded: the failure came after guest state was loaded, in
 * VMCS02.  VMCS02 is current.  SDM "VM-Entry Failures During or After Loading Guest State".
 */
void leave_failed_entry(struct vcpu *vcpu, struct vmcs12_slot *slot, enum exit_reason reason,
			u64 qualification, bool state_loaded);
