/* SPDX-License-Identifier: BSD-2-Clause */
/* All of L1's state that a VM exit loads or must leave alone, to be compared. */
#pragma once

#include "xmhf/lib/types.h"

/** Reads registers, selectors with their hidden parts, tables, MSRs into @state. */
#define HOST_STATE_ITEMS 64
struct host_state {
	u64 value[HOST_STATE_ITEMS];
};
void host_state_read(struct host_state *state);

/** The name of item @i; NULL at the end. */
const char *host_state_name(unsigned int i);
