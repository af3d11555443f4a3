/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSRs as L1 sees them, without those that a VMCS holds: what RDMSR and WRMSR of L1 do.
 * Implemented in xmhf/vmexit/msr_hw.c.
 */
#pragma once

#include "xmhf/vmx/vcpu.h"

/** The value of MSR @index for L1; false: #GP. */
bool l1_msr_read(struct vcpu *vcpu, u32 index, u64 *value);

/** L1 writes MSR @index; false: #GP. */
bool l1_msr_write(struct vcpu *vcpu, u32 index, u64 value);
