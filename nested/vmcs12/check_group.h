/* SPDX-License-Identifier: BSD-2-Clause */
/* Which VM-entry checks a change of a field makes necessary.  Pure. */
#pragma once

#include "xmhf/x86/vmcs.h"

/** The CHECK_* groups of state.h that look at @field; 0 if no check does. */
u32 check_group_of(enum vmcs_index field);
