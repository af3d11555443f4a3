/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMX capabilities that L1 sees: what the processor has AND what nested/ implements
 * (implemented.def) AND what the user did not hide, without bits whose prerequisite is
 * missing.  Pure.  SDM Appendix "VMX Capability Reporting Facility".
 */
#pragma once

#include "xmhf/vmx/caps.h"
#include "xmhf/x86/vmcs.h"

/** VMCS revision identifier that L1 sees and writes: "NEST". */
#define NESTED_VMCS_REVISION 0x4e455354U
/** Size of the VMCS region that L1 sees. */
#define NESTED_VMCS_REGION_SIZE 4096U

/** Bits of capability words, by word. */
struct nested_caps_bits {
	u64 basic, misc, ept_vpid, vmfunc;
	u64 pin, proc1, proc2, proc3, exit, exit2, entry;
};

/** Everything that nested/ implements: implemented.def as words. */
extern const struct nested_caps_bits nested_caps_implemented;

/**
 * Computes what L1 sees from @hardware, less the bits set in @hidden (may be NULL).  Bits that
 * the processor forces to 1 stay.  Dependencies hold in @caps12: no bit without its prerequisite.
 */
void nested_caps_offer(const struct vmx_caps *hardware, const struct nested_caps_bits *hidden,
		       struct vmx_caps *caps12);

/**
 * Hides one bit by words: @word is "pin", "proc1", "proc2", "proc3", "exit", "exit2", "entry",
 * "ept", "misc", "basic" or "vmfunc" and @bit its number.  Returns false if there is no such word
 * or bit.
 */
bool nested_caps_hide(struct nested_caps_bits *hidden, const char *word, unsigned int bit);

/**
 * As nested_caps_hide() by the name of a control, as vmx_controls.def has it: word "proc2" and
 * name "ENABLE_EPT", in any case of letters.
 */
bool nested_caps_hide_name(struct nested_caps_bits *hidden, const char *word, const char *name);

/**
 * The value that L1 reads in the VMX capability MSR @index (0x480 to 0x493).  Returns false if
 * that MSR does not exist under @caps12: RDMSR gives #GP.
 */
bool nested_caps_read_msr(const struct vmx_caps *caps12, u32 index, u64 *value);

/** Claim: the field at table index @field exists under @caps, so VMREAD and VMWRITE know it. */
bool nested_caps_has_field(const struct vmx_caps *caps, enum vmcs_index field);
