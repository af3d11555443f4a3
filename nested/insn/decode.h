/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of the VMX instructions, from the VM-exit instruction information and the
 * exit qualification, and the linear address of a memory operand with the checks of
 * segmentation.  Pure.  SDM "VM-Exit Instruction Information", "Exit Qualification".
 */
#pragma once

#include "nested/insn/l1_cpu_state.h"

/** The operand that may be in memory, and the second register of instructions that have one. */
struct vmx_operand {
	bool is_register;
	u8 reg;		 /* the register, if is_register */
	u8 second;	 /* VMREAD, VMWRITE: holds the field encoding; INVEPT, INVVPID: the type */
	u8 segment;	 /* enum segment_register */
	u8 address_bits; /* 16, 32 or 64 */
	u8 scale;	 /* the index counts 1, 2, 4 or 8 times */
	bool has_base, has_index;
	u8 base, index; /* register numbers */
	u64 displacement;
};

/**
 * Operand of VMCLEAR, VMPTRLD, VMPTRST, VMXON, INVEPT and INVVPID: always memory.  @second is
 * meaningful for INVEPT and INVVPID only.
 */
void decode_memory_operand(u32 instruction_information, u64 exit_qualification,
			   struct vmx_operand *out);

/** Operands of VMREAD and VMWRITE: a register or memory, and the register of the encoding. */
void decode_vmread_vmwrite(u32 instruction_information, u64 exit_qualification,
			   struct vmx_operand *out);

/** Claim: L1 runs 64-bit code, so VMREAD and VMWRITE have 64-bit operands (else 32-bit). */
bool decode_is_64bit_code(const struct l1_cpu_state *state);

/** The value of a general register: all of it in 64-bit code, else its low 32 bits. */
u64 decode_register(const struct l1_cpu_state *state, unsigned int number);

/**
 * The linear address of the @size bytes of a memory operand.  Returns false with the #GP(0) or
 * #SS(0) in @fault where segmentation or the canonical form forbids the access.
 * @pre !operand->is_register, @size > 0
 */
bool decode_linear_address(const struct vmx_operand *operand, const struct l1_cpu_state *state,
			   enum l1_access access, u32 size, u64 *linear, struct l1_fault *fault);
