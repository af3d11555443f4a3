/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the VMX instructions share: the guest's state from the current VMCS, be it L1's or
 * L2's, and the ways an instruction ends.
 */
#pragma once

#include "nested/insn/decode.h"
#include "nested/state.h"

/** A memory operand with the state that its address and its rights depend on. */
struct insn_memory_operand {
	struct l1_cpu_state state;
	struct vmx_operand operand;
};

/** Ends the instruction with @flags of the arithmetic flags. */
void insn_end_with_flags(u64 flags);

/** VMsucceed. */
void insn_succeed(void);

/** VMfailInvalid. */
void insn_fail_invalid(void);

/** VMfailValid with @error if there is a current VMCS12, else VMfailInvalid. */
void insn_fail(struct vcpu *vcpu, enum vm_instruction_error error);

/** The guest gets @fault in place of the instruction's result. */
void insn_deliver(const struct l1_fault *fault);

/** The guest's CPL. */
u8 insn_privilege(void);

/** Claim: the guest is in IA-32e mode. */
bool insn_in_ia32e_mode(void);

/** Fills @state; of the segments only CS's access rights and @segment, the operand's. */
void insn_read_state(struct vcpu *vcpu, struct l1_cpu_state *state, unsigned int segment);

/** The operand of an instruction with one memory operand. */
void insn_decode_memory(struct vcpu *vcpu, struct insn_memory_operand *m);

/** VMREAD and VMWRITE of L1 in VMX root operation. */
void insn_vmread(struct vcpu *vcpu);
void insn_vmwrite(struct vcpu *vcpu);
