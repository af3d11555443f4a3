/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions that L0 raises in L2, in place of the processor. */
#pragma once

#include "nested/state.h"

/**
 * L2's instruction or access faults with @vector: an exit to L1 if VMCS12's exception bitmap says
 * so, else L2 gets the exception at the next entry.  @error_code counts for vectors that have one,
 * @cr2 for page faults.  VMCS02 is current; it no longer is if the exception exits.
 */
void exception_of_l2(struct vcpu *vcpu, u8 vector, u32 error_code, u64 cr2);
