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

/** L1 has read CR0, CR3 or CR4 of L2, for the first time after an exit, by a VMREAD that exited.
 * VMCS01 is current, before and after. */
void shadow_count_cr_read(struct nested *nested);

/** What an exit changed in the fields of shadow.def. */
struct shadow_changes {
	unsigned int count;
	struct {
		u32 encoding;
		u64 value;
	} entry[20];
};

/**
 * After an exit to L1 with @exit_reason, VMCS02 being current: fetches the fields of shadow.def
 * into VMCS12.  Without shadowing it does nothing, and they are fetched when L1 reads them.
 */
void shadow_fetch_exit(struct vmcs12_slot *slot, u32 exit_reason, struct shadow_changes *changes);

/**
 * Then writes the changes to the shadow VMCS, which may be the current VMCS afterwards: the caller
 * loads the one it needs.
 */
void shadow_write_exit(struct vmcs12_slot *slot, const struct shadow_changes *changes);

/**
 * Brings what L1 wrote to the shadow VMCS into VMCS12: @all of it, or what a VM entry looks at.
 * Another VMCS is current afterwards.
 */
void shadow_fetch(struct vmcs12_slot *slot, bool all);

/**
 * L0 changed @field of VMCS12: the shadow VMCS follows.  VMCS01 is current, before and after.
 */
void shadow_follow(struct vmcs12_slot *slot, enum vmcs_index field);
