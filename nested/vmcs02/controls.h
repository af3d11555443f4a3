/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control words of VMCS02: what L1 wishes for L2, what L0 needs, what L0 emulates.
 * Per-bit policy is controls.def.  Pure.  SDM "VM-Execution Control Fields", "VM-Exit
 * Controls", "VM-Entry Controls".
 */
#pragma once

#include "nested/vmcs12/vmcs12.h"
#include "xmhf/vmx/caps.h"

/** All control words of one VMCS. */
struct control_words {
	u32 pin, proc1, proc2, exit, entry;
	u64 proc3, exit2;
};

/** The control words of VMCS12; a word that its activation bit switches off reads as 0. */
void controls_of_vmcs12(const struct vmcs12 *vmcs12, struct control_words *out);

/** controls.def as masks, with what the processor forces and allows.  Made once. */
struct control_policy {
	struct control_words l1;     /* bits that VMCS12 decides */
	struct control_words either; /* bits that VMCS12 or L0 can set */
	struct control_words must;   /* always set: by policy or by the processor */
	struct control_words may;    /* never set outside these */
};

/** Computes the policy on a processor with the capabilities @hardware. */
void controls_policy(const struct vmx_caps *hardware, struct control_policy *out);

/**
 * VMCS02's control words from L1's wish @vmcs12 and L0's @l0: what L0 itself wants while L2 runs
 * (intercepts, a window; 0 for nothing).  Cheap, no loops.
 * @pre entry_check_controls_and_host() accepted @vmcs12.
 */
void controls_merge(const struct control_policy *policy, const struct control_words *vmcs12,
		    const struct control_words *l0, struct control_words *out);

/** Which exceptions exit. */
struct exception_intercepts {
	u32 bitmap;
	u32 page_fault_mask, page_fault_match;
};

/**
 * Exceptions that exit for L1 or for L0.  Where L0 wants page faults all of them exit, and
 * exit/owner.h tells which are L1's.
 */
struct exception_intercepts controls_merge_exceptions(struct exception_intercepts vmcs12,
						      u32 l0_bitmap);

/** TSC as a VMCS presents it: tsc * multiplier / 2^48 + offset. */
struct tsc_view {
	u64 multiplier; /* TSC_MULTIPLIER_ONE where scaling is off */
	u64 offset;
};
#define TSC_MULTIPLIER_ONE BIT(48)

/** What VMCS12 asks for, relative to L1's TSC: identity without "use TSC offsetting". */
struct tsc_view controls_tsc_of_vmcs12(const struct vmcs12 *vmcs12);

/** L2's view relative to the processor's TSC: @l1 (VMCS01's) followed by @l2 (VMCS12's). */
struct tsc_view controls_compose_tsc(struct tsc_view l1, struct tsc_view l2);

/** The TSC that software sees through @view when the processor's is @tsc. */
u64 controls_apply_tsc(struct tsc_view view, u64 tsc);
