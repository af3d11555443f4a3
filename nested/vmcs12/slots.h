/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMCS12s that L0 holds copies of.  L1 may have any number of VMCSs: a slot is made
 * free by writing what it holds back to the region in L1's memory, as a processor may.
 * SDM "Software Use of Virtual-Machine Control Structures".
 *
 * The region: revision identifier, abort indicator, launch state, then struct vmcs12.
 */
#pragma once

#include "nested/state.h"

/** Layout of a VMCS region of L1's, as L0 uses it. */
struct vmcs12_region {
	u32 revision;
	u32 abort_indicator;
	u32 launched;
	u32 reserved;
	struct vmcs12 vmcs12;
};

/** The slot that holds the VMCS at @address, or NULL. */
struct vmcs12_slot *slots_find(struct nested *nested, u64 address);

/**
 * VMPTRLD: the slot for the VMCS at @address, filled from L1's memory unless it is active already.
 * A slot that still holds exactly what the region says keeps its VMCS02.
 */
struct vmcs12_slot *slots_load(struct nested *nested, u64 address);

/** VMCLEAR: the copy goes to L1's memory with launch state clear; the slot stays as a memory of it.
 */
void slots_clear(struct nested *nested, u64 address);

/** Brings all of @slot's VMCS12 up to date from its VMCS02, then writes it to L1's memory. */
void slots_write_back(struct nested *nested, struct vmcs12_slot *slot);
