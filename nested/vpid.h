/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VPID02: the processor's VPIDs for the L2s of one CPU, distinct from L1's own (1).
 * SDM "Virtual-Processor Identifiers (VPIDs)".
 */
#pragma once

#include "nested/state.h"

#define NESTED_FIRST_VPID 2

/**
 * The VPID02 for @slot's VMCS12; taken from another VPID12 where none is free.  Without VPID in
 * VMCS12 it is one that vpid02_entering() flushes.
 */
u16 vpid02_for(struct nested *nested, const struct vmcs12_slot *slot);

/** To be called before a VM entry that L1 asked for: flushes what VMCS12 without VPID implies. */
void vpid02_entering(struct nested *nested, const struct vmcs12_slot *slot);

/** L1's INVVPID of @type; the descriptor was checked. */
void vpid02_invvpid(struct nested *nested, enum invvpid_type type, u16 vpid12, u64 address);
