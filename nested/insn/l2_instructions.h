/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX instructions of L2 that do not exit to L1.  VMCS02 is current. */
#pragma once

#include "nested/state.h"

/** VMREAD or VMWRITE (@write) of L2 on the shadow VMCS12.  False: it exits to L1. */
bool l2_field_instruction(struct vcpu *vcpu, bool write);

/** VMFUNC of L2.  False: it exits to L1. */
bool l2_vmfunc(struct vcpu *vcpu);
