/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT12 under an operand of L2.  EPT02 does the work: it sets flags, logs, and knows refusals. */
#include "nested/insn/operand_space.h"

#include "nested/exit/ept_exit.h"
#include "xmhf/x86/cpu.h"

static bool refuse(enum ept02_result result, const struct ept_access *access,
		   const struct ept02_outcome *outcome, struct l1_fault *fault)
{
	*fault = (struct l1_fault){ 0 };
	fault->ept.refused = (u8)result;
	fault->ept.may_be_ve = outcome->may_be_ve;
	fault->ept.qualification = outcome->qualification;
	fault->ept.physical = access->address.v;
	fault->ept.linear = access->linear;
	return false;
}

bool operand_space_translate(u64 physical, u64 linear, enum l1_access access, bool is_final,
			     l1pa_t *out, struct l1_fault *fault)
{
	struct vcpu *vcpu = vcpu_of_cpu(this_cpu());
	struct nested *nested = vcpu->nested;
	struct ept02_outcome outcome = { 0 };
	struct ept12_translation translation;
	struct ept_access a = {
		.address = l2pa(physical),
		.linear = linear,
		.qualification =
			EPT_VIOLATION_LINEAR_VALID | (is_final ? EPT_VIOLATION_FINAL : 0) |
			(access == L1_ACCESS_WRITE ? EPT_VIOLATION_WRITE : EPT_VIOLATION_READ),
	};
	enum ept02_result result;

	*out = l1pa(physical);
	if (!nested->context)
		return true;
	result = ept_exit_ask(vcpu, &a, &outcome);
	*out = outcome.l1_address;
	if (result == EPT02_L0_OWNED)
		return true;
	if (result != EPT02_FIXED)
		return refuse(result, &a, &outcome, fault);
	if (ept12_walk(&nested->ept02.rules, nested->context->eptp12, a.address, 0, &translation) !=
	    EPT12_OK)
		return refuse(EPT02_REFLECT_VIOLATION, &a, &outcome, fault);
	*out = translation.address;
	return true;
}
