/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which entries of L1's MSR lists a processor refuses.  Pure.
 * SDM "Loading MSRs" (of "VM Entries"), "Saving MSRs" and "Loading MSRs" (of "VM Exits").
 */
#pragma once

#include "xmhf/lib/check.h"
#include "xmhf/memory/mtrr.h"
#include "xmhf/vmx/caps.h"

/** What is known of one entry of a list without asking the processor. */
enum entry_msr_verdict {
	ENTRY_MSR_REFUSED,  /* the list fails here: the SDM says so, or WRMSR/RDMSR would #GP */
	ENTRY_MSR_ACCEPTED, /* the MSR exists and takes this value */
	ENTRY_MSR_UNKNOWN,  /* whoever owns the MSR decides, in the end a WRMSR or RDMSR that
			       survives #GP */
};

/** What the value rules depend on: the state that the entry or exit has established. */
struct entry_msr_state {
	const struct vmx_caps *caps;
	const struct mtrr_state *mtrrs; /* L1's; which of them exist and what they accept */
	u64 cr0;
	u64 efer;
};

/**
 * The verdict on @entry of a VM-entry or VM-exit MSR-load list, after everything before it
 * was loaded.  @why names the rule if it is refused.
 */
enum entry_msr_verdict entry_msr_load_verdict(const struct vmx_msr_entry *entry,
					      const struct entry_msr_state *state,
					      struct check_failure *why);

/** What the MSR holds after @entry was loaded.  @pre the verdict was not ENTRY_MSR_REFUSED. */
u64 entry_msr_loaded_value(const struct vmx_msr_entry *entry, const struct entry_msr_state *state);

/** The verdict on @entry of a VM-exit MSR-store list. */
enum entry_msr_verdict entry_msr_store_verdict(const struct vmx_msr_entry *entry,
					       const struct entry_msr_state *state,
					       struct check_failure *why);
