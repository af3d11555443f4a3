/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of an access of L2 that EPT02 does not serve. */
#pragma once

#include "nested/state.h"

/** The access, in the terms of an EPT violation. */
struct ept_access {
	l2pa_t address;
	u64 linear;	   /* meaningful with EPT_VIOLATION_LINEAR_VALID */
	u64 qualification; /* the processor's, or made up for an access that L0 does for L2 */
};

/**
 * Asks EPT02 for @access, with L1's page-modification log behind it.
 * @pre vcpu->nested->context is L2's.
 */
enum ept02_result ept_exit_ask(struct vcpu *vcpu, const struct ept_access *access,
			       struct ept02_outcome *outcome);

/**
 * L1 or L2 learns of an access that EPT12 refuses: by an exit, or by #VE in L2.  @result is one
 * of the REFLECT ones or EPT02_LOG_FULL.  VMCS02 is current; it no longer is after an exit.
 */
void ept_exit_reflect(struct vcpu *vcpu, enum ept02_result result, const struct ept_access *access,
		      const struct ept02_outcome *outcome);

/** EPT02 has an entry that nothing explains: it is made anew. */
void ept_exit_start_over(struct vcpu *vcpu);
