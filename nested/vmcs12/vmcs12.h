/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS12: the VMCS that L1 wrote for L2, as a C struct made from vmcs_fields.def.
 * Natural-width fields are 64 bits wide.  Pure.
 * SDM "Virtual-Machine Control Structures".
 */
#pragma once

#include "xmhf/x86/vmcs.h"

#define VMCS12_TYPE_16 u16
#define VMCS12_TYPE_32 u32
#define VMCS12_TYPE_64 u64
#define VMCS12_TYPE_NW u64

struct vmcs12 {
#define VMCS_FIELD(width, name, encoding, exists_if) VMCS12_TYPE_##width name;
#include "xmhf/x86/vmcs_fields.def"
#undef VMCS_FIELD
};

/** The value of the field at table index @field, zero-extended; @field < VMCS_FIELD_COUNT. */
u64 vmcs12_get(const struct vmcs12 *vmcs12, enum vmcs_index field);

/** Sets the field at table index @field to @value, cut to the field's width. */
void vmcs12_set(struct vmcs12 *vmcs12, enum vmcs_index field, u64 value);
