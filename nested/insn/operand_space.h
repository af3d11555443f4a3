/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory of L2, for operands of L2's instructions.  Found at link time; host tests
 * link their own.
 */
#pragma once

#include "nested/insn/l1_cpu_state.h"

/**
 * Where L2-physical @physical is in L1's memory, after an access by an instruction for linear
 * address @linear; @is_final: to the page itself, not to a paging structure.  Sets EPT12's flags as
 * the processor would.  Returns false where EPT12 refuses, with fault->ept.
 */
bool operand_space_translate(u64 physical, u64 linear, enum l1_access access, bool is_final,
			     l1pa_t *out, struct l1_fault *fault);
