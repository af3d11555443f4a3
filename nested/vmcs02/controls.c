/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Merge of control words, exception intercepts and TSC views.  Pure.
 * SDM "VM-Execution Control Fields", "Time-Stamp Counter Offset and Multiplier",
 * "Exception Bitmap".
 */
#include "nested/vmcs02/controls.h"

#include "xmhf/x86/cpu.h"

enum rule {
	RULE_L1,
	RULE_EITHER,
	RULE_ON,
	RULE_OFF,
	RULE_OWN,
	RULE_COUNT,
};

/* Every control has exactly one policy: this fails to compile otherwise. */
enum control_rule {
#define CONTROL_POLICY(word, name, rule) POLICY_##word##_##name = RULE_##rule,
#include "nested/vmcs02/controls.def"
#undef CONTROL_POLICY
};
#define VMX_CONTROL(word, bit, name) \
	_Static_assert((int)POLICY_##word##_##name < (int)RULE_COUNT, #name);
#include "xmhf/x86/vmx_controls.def"
#undef VMX_CONTROL

static const struct {
	u8 word; /* enum vmx_control_word */
	u8 rule;
	u32 mask;
} policy_rows[] = {
#define CONTROL_POLICY(word_, name_, rule_) \
	{ .word = VMX_WORD_##word_, .rule = RULE_##rule_, .mask = word_##_##name_ },
#include "nested/vmcs02/controls.def"
#undef CONTROL_POLICY
};

/* Sets @mask in the control word @word. */
static void add_to_word(struct control_words *words, u8 word, u32 mask)
{
	switch (word) {
	case VMX_WORD_PIN:
		words->pin |= mask;
		break;
	case VMX_WORD_PROC1:
		words->proc1 |= mask;
		break;
	case VMX_WORD_PROC2:
		words->proc2 |= mask;
		break;
	case VMX_WORD_PROC3:
		words->proc3 |= mask;
		break;
	case VMX_WORD_EXIT:
		words->exit |= mask;
		break;
	case VMX_WORD_EXIT2:
		words->exit2 |= mask;
		break;
	default:
		words->entry |= mask;
		break;
	}
}

static void add_hardware(const struct vmx_caps *hardware, struct control_policy *out)
{
	out->may = (struct control_words){
		.pin = hardware->pin.may_be_1,
		.proc1 = hardware->proc1.may_be_1,
		.proc2 = hardware->proc2.may_be_1,
		.exit = hardware->exit.may_be_1,
		.entry = hardware->entry.may_be_1,
		.proc3 = hardware->proc3,
		.exit2 = hardware->exit2,
	};
	out->must.pin |= hardware->pin.must_be_1;
	out->must.proc1 |= hardware->proc1.must_be_1;
	out->must.proc2 |= hardware->proc2.must_be_1;
	out->must.exit |= hardware->exit.must_be_1;
	out->must.entry |= hardware->entry.must_be_1;
}

void controls_policy(const struct vmx_caps *hardware, struct control_policy *out)
{
	*out = (struct control_policy){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(policy_rows); i++) {
		u8 word = policy_rows[i].word;
		u32 mask = policy_rows[i].mask;

		if (policy_rows[i].rule == RULE_L1)
			add_to_word(&out->l1, word, mask);
		if (policy_rows[i].rule == RULE_EITHER)
			add_to_word(&out->either, word, mask);
		if (policy_rows[i].rule == RULE_ON)
			add_to_word(&out->must, word, mask);
	}
	add_hardware(hardware, out);
}

void controls_of_vmcs12(const struct vmcs12 *vmcs12, struct control_words *out)
{
	u32 proc1 = vmcs12->processor_based_controls;

	*out = (struct control_words){
		.pin = vmcs12->pin_based_controls,
		.proc1 = proc1,
		.exit = vmcs12->exit_controls,
		.entry = vmcs12->entry_controls,
	};
	if (proc1 & PROC1_ACTIVATE_SECONDARY_CONTROLS)
		out->proc2 = vmcs12->secondary_processor_based_controls;
	if (proc1 & PROC1_ACTIVATE_TERTIARY_CONTROLS)
		out->proc3 = vmcs12->tertiary_processor_based_controls;
	if (vmcs12->exit_controls & EXIT_ACTIVATE_SECONDARY_CONTROLS)
		out->exit2 = vmcs12->secondary_exit_controls;
}

/* One word under the plain rules. */
static u64 merge_word(u64 l1, u64 either, u64 vmcs12, u64 l0)
{
	return (vmcs12 & l1) | ((vmcs12 | l0) & either);
}

/*
 * The processor ignores "unconditional I/O exiting" when I/O bitmaps are used.  So bitmaps are
 * used only where nobody wants every access; else L1's wish for all of them would be lost.
 */
static u32 merge_io(u32 vmcs12, u32 l0)
{
	const u32 both = PROC1_USE_IO_BITMAPS | PROC1_UNCONDITIONAL_IO_EXITING;

	if ((vmcs12 & both) == PROC1_UNCONDITIONAL_IO_EXITING ||
	    (l0 & both) == PROC1_UNCONDITIONAL_IO_EXITING)
		return PROC1_UNCONDITIONAL_IO_EXITING;
	return (vmcs12 | l0) & PROC1_USE_IO_BITMAPS;
}

void controls_merge(const struct control_policy *policy, const struct control_words *vmcs12,
		    const struct control_words *l0, struct control_words *out)
{
	const struct control_words *l1 = &policy->l1, *either = &policy->either;
	const struct control_words *must = &policy->must, *may = &policy->may;

	out->pin = (u32)merge_word(l1->pin, either->pin, vmcs12->pin, l0->pin);
	out->proc1 = (u32)merge_word(l1->proc1, either->proc1, vmcs12->proc1, l0->proc1);
	out->proc2 = (u32)merge_word(l1->proc2, either->proc2, vmcs12->proc2, l0->proc2);
	out->proc3 = merge_word(l1->proc3, either->proc3, vmcs12->proc3, l0->proc3);
	out->exit = (u32)merge_word(l1->exit, either->exit, vmcs12->exit, l0->exit);
	out->exit2 = merge_word(l1->exit2, either->exit2, vmcs12->exit2, l0->exit2);
	out->entry = (u32)merge_word(l1->entry, either->entry, vmcs12->entry, l0->entry);

	out->proc1 |= merge_io(vmcs12->proc1, l0->proc1);
	if (out->pin & PIN_ACTIVATE_PREEMPTION_TIMER)
		out->exit |= EXIT_SAVE_PREEMPTION_TIMER;

	out->pin = (out->pin | must->pin) & may->pin;
	out->proc1 = (out->proc1 | must->proc1) & may->proc1;
	out->proc2 = (out->proc2 | must->proc2) & may->proc2;
	out->proc3 = (out->proc3 | must->proc3) & may->proc3;
	out->exit = (out->exit | must->exit) & may->exit;
	out->exit2 = (out->exit2 | must->exit2) & may->exit2;
	out->entry = (out->entry | must->entry) & may->entry;
}

struct exception_intercepts controls_merge_exceptions(struct exception_intercepts vmcs12,
						      u32 l0_bitmap)
{
	struct exception_intercepts merged = vmcs12;

	merged.bitmap |= l0_bitmap;
	if (l0_bitmap & BIT32(VECTOR_PF)) {
		/* Mask and match 0 are equal for every error code: all page faults exit. */
		merged.page_fault_mask = 0;
		merged.page_fault_match = 0;
	}
	return merged;
}

struct tsc_view controls_tsc_of_vmcs12(const struct vmcs12 *vmcs12)
{
	struct control_words words;
	struct tsc_view view = { .multiplier = TSC_MULTIPLIER_ONE, .offset = 0 };

	controls_of_vmcs12(vmcs12, &words);
	if (!(words.proc1 & PROC1_USE_TSC_OFFSETTING))
		return view;
	view.offset = vmcs12->tsc_offset;
	if (words.proc2 & PROC2_USE_TSC_SCALING)
		view.multiplier = vmcs12->tsc_multiplier;
	return view;
}

/* Bits 111:48 of the product of an unsigned multiplier and an unsigned value. */
static u64 scale(u64 value, u64 multiplier)
{
	return (u64)(((unsigned __int128)value * multiplier) >> 48);
}

/* The same for an offset, which may be negative: rounds towards minus infinity. */
static u64 scale_offset(u64 offset, u64 multiplier)
{
	__int128 product = (__int128)(s64)offset * (__int128)multiplier;

	return (u64)(product >> 48);
}

struct tsc_view controls_compose_tsc(struct tsc_view l1, struct tsc_view l2)
{
	return (struct tsc_view){
		.multiplier = scale(l1.multiplier, l2.multiplier),
		.offset = scale_offset(l1.offset, l2.multiplier) + l2.offset,
	};
}

u64 controls_apply_tsc(struct tsc_view view, u64 tsc)
{
	return scale(tsc, view.multiplier) + view.offset;
}
