/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMREAD and VMWRITE in parts: of L1, which act on the current VMCS12, and of L2, which act on
 * the shadow VMCS12 where VMCS12's bitmaps let them.
 */
#pragma once

#include "nested/insn/insn_state.h"

/** A VMREAD or VMWRITE, decoded. */
struct insn_field_access {
	struct insn_memory_operand memory;
	bool is_64bit;
	u64 encoding;
};

/** Decodes the instruction that exited. */
void insn_decode_field_access(struct vcpu *vcpu, struct insn_field_access *a);

/** The field that @encoding names; VMCS_FIELD_COUNT if L1 has none such. */
enum vmcs_index insn_find_field(u64 encoding);

/** Claim: VMWRITE to the field of @encoding fails. */
bool insn_field_is_read_only(u64 encoding);

/** VMREAD's destination.  False: it takes @fault, and nothing was written. */
bool insn_write_destination(struct vcpu *vcpu, const struct insn_field_access *a, u64 value,
			    struct l1_fault *fault);

/** VMWRITE's source.  False: it takes @fault. */
bool insn_read_source(const struct insn_field_access *a, u64 *value, struct l1_fault *fault);

/** What a field of value @old becomes when @value is written: all of it, or a half. */
u64 insn_merge_field(const struct insn_field_access *a, u64 old, u64 value);
