/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rules.def as data: how each field of VMCS02 gets its value and how VMCS12 learns of it.
 * Pure.
 */
#pragma once

#include "xmhf/x86/vmcs.h"

enum vmcs02_into {
	INTO_COPY,
	INTO_OWN,
	INTO_HOST,
	INTO_ZERO,
	INTO_ABSENT,
};

enum vmcs02_out {
	OUT_SAVE,
	OUT_RARE,
	OUT_OWN,
	OUT_KEEP,
};

struct vmcs02_rule {
	u8 into; /* enum vmcs02_into */
	u8 out;	 /* enum vmcs02_out */
};

/** The rule of every field, by table index. */
extern const struct vmcs02_rule vmcs02_rules[VMCS_FIELD_COUNT];
