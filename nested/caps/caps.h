/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMX capabilities that L1 sees: what the processor has AND what nested/ implements
 * (implemented.def) AND what the user did not hide, without bits whose prerequisite is
 * missing.  Pure.  SDM Appendix "VMX Capability Reporting Facility".
 */
#pragma once

#include "xmhf/vmx/caps.h"
#include "xmhf/vmx/vmxcap.h"
#include "xmhf/x86/vmcs.h"

/** VMCS revision identifier that L1 sees and writes: "NEST". */
#define NESTED_VMCS_REVISION 0x4e455354U
/** Size of the VMCS region that L1 sees. */
#define NESTED_VMCS_REGION_SIZE 4096U

/** A set of capability bits, by enum vmxcap_word. */
struct nested_caps_bits {
	u64 word[VMXCAP_WORD_COUNT];
};

/** Everything that nested/ implements: implemented.def as words. */
void nested_caps_implemented(struct nested_caps_bits *out);

/** Claim: every bit of @bits has its prerequisites (requires.def). */
bool nested_caps_is_consistent(const struct nested_caps_bits *bits);

/**
 * Computes what L1 sees from @hardware, less the bits that the user hides by @mask (may be NULL).
 * Bits that the processor forces to 1 stay.  Dependencies hold in @caps12: no bit without its
 * prerequisite.
 */
void nested_caps_offer(const struct vmx_caps *hardware, const struct vmxcap_mask *mask,
		       struct vmx_caps *caps12);

/**
 * The value that L1 reads in the VMX capability MSR @index (0x480 to 0x493).  Returns false if
 * that MSR does not exist under @caps12: RDMSR gives #GP.
 */
bool nested_caps_read_msr(const struct vmx_caps *caps12, u32 index, u64 *value);

/** Claim: the field at table index @field exists under @caps, so VMREAD and VMWRITE know it. */
bool nested_caps_has_field(const struct vmx_caps *caps, enum vmcs_index field);

/**
 * Claim: a processor with @cpuid_7_edx tells L1 that it has IBRS and IBPB (SDM "Indirect Branch
 * Restricted Speculation"), so that an exit of L2 needs a barrier: decision 0011.
 */
bool nested_caps_needs_ibpb(u32 cpuid_7_edx);
