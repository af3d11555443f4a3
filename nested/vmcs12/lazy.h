/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS12 is brought up to date from VMCS02 only where somebody looks: a stay of L2
 * marks fields stale, and these functions fetch them.
 */
#pragma once

#include "nested/state.h"

/** The value of @field of VMCS12, up to date.  VMCS01 is current, before and after. */
u64 lazy_read(struct nested *nested, struct vmcs12_slot *slot, enum vmcs_index field);

/** L1 writes @value to @field of VMCS12; a shadow VMCS is left to shadow_follow(). */
void lazy_write(struct vmcs12_slot *slot, enum vmcs_index field, u64 value);

/** Brings @field up to date.  VMCS02 of @slot is current. */
void lazy_pull(struct vmcs12_slot *slot, enum vmcs_index field);

/** Brings every field up to date, with VMCS02 of @slot current. */
void lazy_pull_stale(struct vmcs12_slot *slot);

/** As lazy_pull_stale(), from VMCS01 or any other VMCS, which is current again afterwards. */
void lazy_pull_all(struct nested *nested, struct vmcs12_slot *slot);

/** L2 stayed in VMCS02 and exited to L1: marks what the processor may have changed. */
void lazy_mark_stay(struct vmcs12_slot *slot);

/** Sets a field of VMCS12 that L0 itself determines, whatever VMCS02 holds.  VMCS01 is current. */
void lazy_override(struct vmcs12_slot *slot, enum vmcs_index field, u64 value);
