/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities offered to L1: the AND of processor, implementation and the user's wish,
 * closed under prerequisites.  Pure.  Reading them as MSRs is msrs.c.
 */
#include "nested/caps/caps.h"

#include "xmhf/lib/bits.h"
#include "xmhf/x86/cpu.h"
#include "nested/caps/default1.h"

/* One row of implemented.def. */
struct implemented_row {
	enum vmxcap_word word;
	u64 mask;
};

static const struct implemented_row implemented_rows[] = {
#define IMPLEMENTED(word, name)	 { VMXCAP_##word, word##_##name },
#define IMPLEMENTED_EPT(mask)	 { VMXCAP_EPT, mask },
#define IMPLEMENTED_MISC(mask)	 { VMXCAP_MISC, mask },
#define IMPLEMENTED_BASIC(mask)	 { VMXCAP_BASIC, mask },
#define IMPLEMENTED_VMFUNC(mask) { VMXCAP_VMFUNC, mask },
#include "nested/caps/implemented.def"
#undef IMPLEMENTED
#undef IMPLEMENTED_EPT
#undef IMPLEMENTED_MISC
#undef IMPLEMENTED_BASIC
#undef IMPLEMENTED_VMFUNC
};

struct requires_row {
	enum vmxcap_word word, needed_word;
	u64 mask, needed_mask;
};

static const struct requires_row requires_rows[] = {
#define REQUIRES(word_, mask_, needed_word_, needed_mask_) \
	{ .word = VMXCAP_##word_,                          \
	  .needed_word = VMXCAP_##needed_word_,            \
	  .mask = (mask_),                                 \
	  .needed_mask = (needed_mask_) },
#include "nested/caps/requires.def"
#undef REQUIRES
};

void nested_caps_implemented(struct nested_caps_bits *out)
{
	*out = (struct nested_caps_bits){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(implemented_rows); i++)
		out->word[implemented_rows[i].word] |= implemented_rows[i].mask;
}

static bool is_missing(const struct nested_caps_bits *bits, const struct requires_row *row)
{
	return (bits->word[row->word] & row->mask) &&
	       (bits->word[row->needed_word] & row->needed_mask) != row->needed_mask;
}

bool nested_caps_is_consistent(const struct nested_caps_bits *bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(requires_rows); i++)
		if (is_missing(bits, &requires_rows[i]))
			return false;
	return true;
}

/* Drops bits until none lacks a prerequisite; every round drops one at least. */
static void drop_inconsistent(struct nested_caps_bits *bits)
{
	while (!nested_caps_is_consistent(bits))
		for (size_t i = 0; i < ARRAY_SIZE(requires_rows); i++)
			if (is_missing(bits, &requires_rows[i]))
				bits->word[requires_rows[i].word] &= ~requires_rows[i].mask;
}

/* The bits that a processor allows to be 1. */
static void bits_of(const struct vmx_caps *caps, struct nested_caps_bits *out)
{
	out->word[VMXCAP_PIN] = caps->pin.may_be_1;
	out->word[VMXCAP_PROC1] = caps->proc1.may_be_1;
	out->word[VMXCAP_PROC2] = caps->proc2.may_be_1;
	out->word[VMXCAP_PROC3] = caps->proc3;
	out->word[VMXCAP_EXIT] = caps->exit.may_be_1;
	out->word[VMXCAP_EXIT2] = caps->exit2;
	out->word[VMXCAP_ENTRY] = caps->entry.may_be_1;
	out->word[VMXCAP_EPT] = caps->ept_vpid;
	out->word[VMXCAP_MISC] = caps->misc;
	out->word[VMXCAP_BASIC] = caps->basic;
	out->word[VMXCAP_VMFUNC] = caps->vmfunc;
}

/* A control word for L1: what the processor forces to 1 cannot be hidden. */
static struct vmx_control_caps control_caps(const struct vmx_control_caps *hardware, u64 bits,
					    u32 default1)
{
	u32 must = hardware->must_be_1 | default1;

	return (struct vmx_control_caps){ .must_be_1 = must, .may_be_1 = (u32)bits | must };
}

/* Without "true" controls every default1 bit is forced. */
static void set_controls(const struct vmx_caps *hardware, const struct nested_caps_bits *bits,
			 struct vmx_caps *out)
{
	bool is_true = bits->word[VMXCAP_BASIC] & VMX_BASIC_TRUE_CONTROLS;

	out->pin = control_caps(&hardware->pin, bits->word[VMXCAP_PIN], is_true ? 0 : PIN_DEFAULT1);
	out->proc1 = control_caps(&hardware->proc1, bits->word[VMXCAP_PROC1],
				  is_true ? 0 : PROC1_DEFAULT1);
	out->proc2 = control_caps(&hardware->proc2, bits->word[VMXCAP_PROC2], 0);
	out->exit =
		control_caps(&hardware->exit, bits->word[VMXCAP_EXIT], is_true ? 0 : EXIT_DEFAULT1);
	out->entry = control_caps(&hardware->entry, bits->word[VMXCAP_ENTRY],
				  is_true ? 0 : ENTRY_DEFAULT1);
	out->proc3 = bits->word[VMXCAP_PROC3];
	out->exit2 = bits->word[VMXCAP_EXIT2];
}

/* IA32_VMX_VMCS_ENUM: the highest index of any field that L1 can use. */
static u64 highest_field_index(const struct vmx_caps *caps)
{
	u64 highest = 0;

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (nested_caps_has_field(caps, (enum vmcs_index)i))
			highest = max_u64(highest,
					  field_get(vmcs_fields[i].encoding, VMCS_ENCODING_INDEX));
	return field_make(VMCS_ENCODING_INDEX, highest);
}

void nested_caps_offer(const struct vmx_caps *hardware, const struct vmxcap_mask *mask,
		       struct vmx_caps *caps12)
{
	struct nested_caps_bits bits, implemented;

	bits_of(hardware, &bits);
	nested_caps_implemented(&implemented);
	for (unsigned int i = 0; i < VMXCAP_WORD_COUNT; i++) {
		bits.word[i] &= implemented.word[i];
		if (mask)
			bits.word[i] &= ~mask->hidden[i];
	}
	drop_inconsistent(&bits);

	*caps12 = *hardware; /* CR0, CR4, address widths and MSR bits are the processor's */
	set_controls(hardware, &bits, caps12);
	caps12->ept_vpid = bits.word[VMXCAP_EPT];
	caps12->misc = bits.word[VMXCAP_MISC];
	caps12->vmfunc = bits.word[VMXCAP_VMFUNC];
	caps12->basic = bits.word[VMXCAP_BASIC] |
			field_make(VMX_BASIC_REVISION, NESTED_VMCS_REVISION) |
			field_make(VMX_BASIC_REGION_SIZE, NESTED_VMCS_REGION_SIZE) |
			field_make(VMX_BASIC_MEMORY_TYPE, 6 /* write back */);
	caps12->vmcs_enum = highest_field_index(caps12);
}

/* The bits of the control word of a condition that may be 1. */
static u64 allowed_word(const struct vmx_caps *caps, u8 word)
{
	switch (word) {
	case VMX_WORD_PIN:
		return caps->pin.may_be_1;
	case VMX_WORD_PROC1:
		return caps->proc1.may_be_1;
	case VMX_WORD_PROC2:
		return caps->proc2.may_be_1;
	case VMX_WORD_PROC3:
		return caps->proc3;
	case VMX_WORD_EXIT:
		return caps->exit.may_be_1;
	case VMX_WORD_EXIT2:
		return caps->exit2;
	case VMX_WORD_ENTRY:
		return caps->entry.may_be_1;
	case VMX_WORD_VMFUNC:
		return caps->vmfunc;
	default:
		return 1; /* VMX_WORD_NONE: the mask itself says always or never */
	}
}

bool nested_caps_has_field(const struct vmx_caps *caps, enum vmcs_index field)
{
	const struct vmcs_condition *conditions = vmcs_fields[field].exists_if;

	return (allowed_word(caps, conditions[0].word) & conditions[0].mask) ||
	       (allowed_word(caps, conditions[1].word) & conditions[1].mask);
}

bool nested_caps_needs_ibpb(u32 cpuid_7_edx)
{
	return cpuid_7_edx & CPUID_7_EDX_IBRS_IBPB;
}
