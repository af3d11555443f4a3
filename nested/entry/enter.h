/* SPDX-License-Identifier: BSD-2-Clause */
/* VMLAUNCH and VMRESUME of L1.  SDM "VM Entries". */
#pragma once

#include "nested/state.h"

/** How a VM entry that L1 asked for begins. */
enum enter_result {
	ENTER_DONE, /* L2 is next, or the entry failed as an exit that L1 sees */
	ENTER_FAIL, /* VMfail; the number is in *error, VMCS01 is current */
};

/**
 * L1 executed VMLAUNCH (@launch) or VMRESUME with the current VMCS @slot.  VMCS01 is current.
 * After ENTER_DONE vcpu->in_l2 tells which way it went.
 */
enum enter_result enter_l2(struct vcpu *vcpu, struct vmcs12_slot *slot, bool launch,
			   enum vm_instruction_error *error);
