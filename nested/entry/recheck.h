/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM-entry checks of what changed since they last passed: @groups are CHECK_* of state.h, those of
 * check_group_of() for each field that changed.  Pure.
 */
#pragma once

#include "nested/entry/entry.h"

/** As entry_check_controls_and_host(). */
enum vm_instruction_error entry_recheck_controls(const struct entry_inputs *in, u32 groups,
						 struct check_failure *why);

/** As entry_check_guest(). */
bool entry_recheck_guest(const struct entry_inputs *in, u32 groups,
			 enum entry_failure_qualification *qualification,
			 struct check_failure *why);
