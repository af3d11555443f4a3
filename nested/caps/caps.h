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

/** The words that hold capability bits. */
enum nested_caps_word {
	CAPS_PIN,
	CAPS_PROC1,
	CAPS_PROC2,
	CAPS_PROC3,
	CAPS_EXIT,
	CAPS_EXIT2,
	CAPS_ENTRY,
	CAPS_EPT, /* IA32_VMX_EPT_VPID_CAP */
	CAPS_MISC,
	CAPS_BASIC,
	CAPS_VMFUNC,
	CAPS_WORD_COUNT,
};

/** A set of capability bits. */
struct nested_caps_bits {
	u64 word[CAPS_WORD_COUNT];
};

/** Everything that nested/ implements: implemented.def as words. */
void nested_caps_implemented(struct nested_caps_bits *out);

/** Claim: every bit of @bits has its prerequisites (requires.def). */
bool nested_caps_is_consistent(const struct nested_caps_bits *bits);

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
 * name "ENABLE_EPT", in any case of letters.  Returns false if there is no such control.
 */
bool nested_caps_hide_name(struct nested_caps_bits *hidden, const char *word, const char *name);

/**
 * The value that L1 reads in the VMX capability MSR @index (0x480 to 0x493).  Returns false if
 * that MSR does not exist under @caps12: RDMSR gives #GP.
 */
bool nested_caps_read_msr(const struct vmx_caps *caps12, u32 index, u64 *value);

/** Claim: the field at table index @field exists under @caps, so VMREAD and VMWRITE know it. */
bool nested_caps_has_field(const struct vmx_caps *caps, enum vmcs_index field);
