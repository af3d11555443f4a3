/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware VMCS shadowing: while a VMCS12 is current, VMREAD and VMWRITE of L1 to the fields
 * of shadow.def act on a shadow VMCS of the processor and do not exit.
 * SDM "VMCS Shadowing", "VMREAD", "VMWRITE".
 *
 * Rule: while slot->shadow_valid, the shadow VMCS has every field of shadow.def as
 * struct vmcs12 has it, but for what L1 wrote since; shadow_fetch() brings that back.
 */
#pragma once

#include "nested/state.h"

/** Prepares the two bitmaps; does nothing on a processor without VMCS shadowing. */
void shadow_init(void);

/** L1 enters VMX operation (@on) or leaves it; VMCS01 is current. */
void shadow_enable(bool on);

/** Makes @slot, or none, the current VMCS12 of L1.  VMCS01 is current, before and after. */
void shadow_select(struct nested *nested, struct vmcs12_slot *slot);

/**
 * After an exit to L1: fetches the fields of shadow.def from VMCS02, which is current, into VMCS12
 * and the shadow VMCS.  Without shadowing it does nothing.  Some VMCS of L0's is current
 * afterwards: the caller loads the one it needs.
 */
void shadow_after_exit(struct vmcs12_slot *slot);

/**
 * Brings what L1 wrote to the shadow VMCS into VMCS12: @all of it, or what a VM entry looks at.  As
 * shadow_after_exit() for the current VMCS.
 */
void shadow_fetch(struct vmcs12_slot *slot, bool all);

/**
 * L0 changed @field of VMCS12: the shadow VMCS follows.  VMCS01 is current, before and after.
 */
void shadow_follow(struct vmcs12_slot *slot, enum vmcs_index field);
