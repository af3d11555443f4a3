/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user's mask over the VMX capabilities that L1 sees: any single capability bit can
 * be hidden by name, "EXIT_LOAD_IA32_EFER" or "EPT_2M".  Names are those of
 * xmhf/x86/vmx_controls.def and vmx_capability_bits.def, spelled WORD_NAME, upper or
 * lower case.  Pure.
 */
#pragma once

#include "xmhf/vmx/caps.h"

enum vmxcap_word {
	VMXCAP_PIN,
	VMXCAP_PROC1,
	VMXCAP_PROC2,
	VMXCAP_PROC3,
	VMXCAP_EXIT,
	VMXCAP_EXIT2,
	VMXCAP_ENTRY,
	VMXCAP_BASIC,
	VMXCAP_MISC,
	VMXCAP_EPT, /* IA32_VMX_EPT_VPID_CAP */
	VMXCAP_VMFUNC,
	VMXCAP_WORD_COUNT,
};

/** Bits to hide, of each word. */
struct vmxcap_mask {
	u64 hidden[VMXCAP_WORD_COUNT];
};

/** One bit by its name. */
struct vmxcap_bit {
	enum vmxcap_word word;
	u8 bit;
	const char *name; /* "EXIT_LOAD_IA32_EFER" */
};

/** All of them. */
extern const struct vmxcap_bit vmxcap_bits[];
extern const unsigned int vmxcap_bit_count;

/** The bit named by the @length characters at @name, or NULL. */
const struct vmxcap_bit *vmxcap_find(const char *name, size_t length);

/**
 * Takes the bits of @mask away from @caps, and what cannot exist without them: the
 * secondary controls without their activation, IA32_VMX_EPT_VPID_CAP without EPT and VPID, the
 * VM functions.  Hiding BASIC_TRUE_CONTROLS makes the default1 controls mandatory.
 * A control that must be 1 cannot be hidden: it stays, and is a bit of @refused.
 * Returns true if nothing was refused.
 */
bool vmxcap_apply(struct vmx_caps *caps, const struct vmxcap_mask *mask,
		  struct vmxcap_mask *refused);
