/* SPDX-License-Identifier: BSD-2-Clause */
/* Hiding VMX capability bits by name. */
#include "xmhf/vmx/vmxcap.h"

#include "xmhf/lib/string.h"

const struct vmxcap_bit vmxcap_bits[] = {
#define VMX_CONTROL(word, bit, name) { VMXCAP_##word, bit, #word "_" #name },
#include "xmhf/x86/vmx_controls.def"
#undef VMX_CONTROL
#define VMX_CAPABILITY(word, bit, name) { VMXCAP_##word, bit, #word "_" #name },
#include "xmhf/x86/vmx_capability_bits.def"
#undef VMX_CAPABILITY
};
const unsigned int vmxcap_bit_count = ARRAY_SIZE(vmxcap_bits);

/*
 * The default1 class: controls that are 1 unless the true-controls MSRs say otherwise.
 * SDM Appendix "VMX Capability Reporting Facility", one section for each word.
 */
#define PIN_DEFAULT1   0x00000016U
#define PROC1_DEFAULT1 0x0401e172U
#define EXIT_DEFAULT1  0x00036dffU
#define ENTRY_DEFAULT1 0x000011ffU

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_name(const char *name, size_t length, const char *upper_name)
{
	if (strlen(upper_name) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (upper(name[i]) != upper_name[i])
			return false;
	return true;
}

const struct vmxcap_bit *vmxcap_find(const char *name, size_t length)
{
	for (unsigned int i = 0; i < vmxcap_bit_count; i++)
		if (is_name(name, length, vmxcap_bits[i].name))
			return &vmxcap_bits[i];
	return NULL;
}

/* Takes away the bits of @hidden that may be 0; returns the others. */
static u64 hide_controls(struct vmx_control_caps *caps, u64 hidden)
{
	caps->may_be_1 &= (u32)~hidden | caps->must_be_1;
	return hidden & caps->must_be_1;
}

static void make_default1_mandatory(struct vmx_caps *caps)
{
	caps->pin.must_be_1 |= PIN_DEFAULT1;
	caps->proc1.must_be_1 |= PROC1_DEFAULT1;
	caps->exit.must_be_1 |= EXIT_DEFAULT1;
	caps->entry.must_be_1 |= ENTRY_DEFAULT1;
}

static void hide_dependents(struct vmx_caps *caps)
{
	if (!(caps->proc1.may_be_1 & PROC1_ACTIVATE_SECONDARY_CONTROLS))
		caps->proc2 = (struct vmx_control_caps){ 0, 0 };
	if (!(caps->proc1.may_be_1 & PROC1_ACTIVATE_TERTIARY_CONTROLS))
		caps->proc3 = 0;
	if (!(caps->exit.may_be_1 & EXIT_ACTIVATE_SECONDARY_CONTROLS))
		caps->exit2 = 0;
	if (!(caps->proc2.may_be_1 & (PROC2_ENABLE_EPT | PROC2_ENABLE_VPID)))
		caps->ept_vpid = 0;
	if (!(caps->proc2.may_be_1 & PROC2_ENABLE_VM_FUNCTIONS))
		caps->vmfunc = 0;
}

bool vmxcap_apply(struct vmx_caps *caps, const struct vmxcap_mask *mask,
		  struct vmxcap_mask *refused)
{
	const u64 *hidden = mask->hidden;
	u64 any = 0;

	memset(refused, 0, sizeof(*refused));
	if (hidden[VMXCAP_BASIC] & VMX_BASIC_TRUE_CONTROLS)
		make_default1_mandatory(caps);
	refused->hidden[VMXCAP_PIN] = hide_controls(&caps->pin, hidden[VMXCAP_PIN]);
	refused->hidden[VMXCAP_PROC1] = hide_controls(&caps->proc1, hidden[VMXCAP_PROC1]);
	refused->hidden[VMXCAP_PROC2] = hide_controls(&caps->proc2, hidden[VMXCAP_PROC2]);
	refused->hidden[VMXCAP_EXIT] = hide_controls(&caps->exit, hidden[VMXCAP_EXIT]);
	refused->hidden[VMXCAP_ENTRY] = hide_controls(&caps->entry, hidden[VMXCAP_ENTRY]);
	caps->proc3 &= ~hidden[VMXCAP_PROC3];
	caps->exit2 &= ~hidden[VMXCAP_EXIT2];
	caps->basic &= ~hidden[VMXCAP_BASIC];
	caps->misc &= ~hidden[VMXCAP_MISC];
	caps->ept_vpid &= ~hidden[VMXCAP_EPT];
	caps->vmfunc &= ~hidden[VMXCAP_VMFUNC];
	hide_dependents(caps);
	for (unsigned int i = 0; i < VMXCAP_WORD_COUNT; i++)
		any |= refused->hidden[i];
	return !any;
}
