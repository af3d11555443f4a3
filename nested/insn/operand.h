/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads and writes of L1's memory by linear address, through L1's own paging, as the
 * processor would do them for an instruction of L1.  Reads L1's paging structures and
 * sets their accessed and dirty flags through l1_memory.  SDM "Paging".
 * By the SDM's operation sections VMREAD, VMWRITE (no current VMCS, unsupported or read-only
 * field), INVEPT and INVVPID (unsupported type) fail before they touch their memory operand.
 */
#pragma once

#include "nested/insn/decode.h"

/**
 * Translates one linear address.  Returns false with the #PF in @fault (error code and CR2) if
 * L1's paging forbids the access; accessed and dirty flags are set on success only.
 */
bool operand_translate(const struct l1_cpu_state *state, u64 linear, enum l1_access access,
		       l1pa_t *address, struct l1_fault *fault);

/**
 * Reads @size bytes, at most a page, from @linear.  All pages are translated first.
 * Returns false with a #PF in @fault; then @out is not written.
 */
bool operand_read_linear(const struct l1_cpu_state *state, u64 linear, void *out, u32 size,
			 struct l1_fault *fault);

/** As operand_read_linear(), writing; nothing is written when it faults. */
bool operand_write_linear(const struct l1_cpu_state *state, u64 linear, const void *in, u32 size,
			  struct l1_fault *fault);

/** Reads the @size bytes of a memory operand: segmentation, then paging.  False: L1 gets @fault. */
bool operand_read(const struct l1_cpu_state *state, const struct vmx_operand *operand, void *out,
		  u32 size, struct l1_fault *fault);

/** Writes the @size bytes of a memory operand: segmentation, then paging.  False: L1 gets @fault.
 */
bool operand_write(const struct l1_cpu_state *state, const struct vmx_operand *operand,
		   const void *in, u32 size, struct l1_fault *fault);
