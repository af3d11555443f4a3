/* SPDX-License-Identifier: BSD-2-Clause */
/* L2's time-stamp counter, for every VMCS12 and every value of the counter. */
/* sources: nested/vmcs02/controls.c */
#include "nested/test/prove.h"

#include "nested/vmcs02/controls.h"

/* SDM "Time-Stamp Counter Offsetting and Scaling": the product's bits 111:48, then the offset. */
static u64 seen(u64 tsc, u64 multiplier, u64 offset)
{
	return (u64)((unsigned __int128)tsc * multiplier >> 48) + offset;
}

/* Without scaling the multiplier that stands for it changes nothing: two products less for z3. */
void prove_one(void)
{
	u64 tsc = any_u64("TSC"), offset = any_u64("offset");

	must(seen(tsc, 1ULL << 48, offset) == tsc + offset, "2^48 is one");
}

void prove_reading(void)
{
	struct tsc_view view = { any_u64("multiplier"), any_u64("offset") };
	u64 tsc = any_u64("TSC");

	must(controls_apply_tsc(view, tsc) == seen(tsc, view.multiplier, view.offset),
	     "controls_apply_tsc() is the SDM's");
}

/*
 * What VMCS02 scales by and adds is, bit for bit, what VMCS12 does, where L1 has the processor's
 * counter, as L0 leaves it: L2 reads the same to the tick, nothing is rounded twice.  An offset of
 * L1's own adds up where VMCS12 does not scale.
 */
void prove_vmcs02(void)
{
	struct vmx_caps caps;
	struct control_policy policy;
	struct control_words words, none = { 0 }, m;
	struct vmcs12 v;
	struct tsc_view l1 = { 1ULL << 48, any_u64("offset of L1") }, l2;
	bool offsetting, scaling;
	u64 multiplier, offset;

	any_memory(&caps, sizeof(caps), "processor");
	any_memory(&v, sizeof(v), "VMCS12");
	given((caps.proc1.may_be_1 >> 3 & 1) && !(caps.proc1.must_be_1 >> 3 & 1));
	given((caps.proc1.may_be_1 >> 31) && !(caps.proc2.must_be_1 >> 25 & 1));
	offsetting = v.processor_based_controls >> 3 & 1;
	scaling =
		v.processor_based_controls >> 31 && v.secondary_processor_based_controls >> 25 & 1;
	/* The entry checks have been here. */
	given(!scaling || (caps.proc2.may_be_1 >> 25 & 1));
	scaling = scaling && offsetting;
	given(!l1.offset || !scaling);
	controls_policy(&caps, &policy);
	controls_of_vmcs12(&v, &words);
	controls_merge(&policy, &words, &none, &m);
	l2 = controls_compose_tsc(l1, controls_tsc_of_vmcs12(&v));
	/* What the processor does with VMCS02. */
	multiplier = m.proc1 >> 31 && m.proc2 >> 25 & 1 ? l2.multiplier : 1ULL << 48;
	offset = l2.offset;
	if (!(m.proc1 >> 3 & 1)) {
		must(!offsetting, "off only if VMCS12 has it off");
		return;
	}
	must(offsetting, "on only if VMCS12 has it on");
	must(multiplier == (scaling ? v.tsc_multiplier : 1ULL << 48), "VMCS12's multiplier");
	must(offset == v.tsc_offset + l1.offset, "VMCS12's offset and L1's");
}
