/* SPDX-License-Identifier: BSD-2-Clause */
/* The controls of VMCS01 and L1's MSR bitmap.  Pure. */
#include "xmhf/vmx/vmcs01.h"

#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/string.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/x86/msr.h"

struct need {
	u32 bits;
	const char *lack;
};

#define NEED(word, name)                                                              \
	{                                                                             \
		word##_##name, "the processor lacks the VMX control " #word "_" #name \
	}

static const struct need proc1_needs[] = {
	NEED(PROC1, USE_MSR_BITMAPS),
	NEED(PROC1, MONITOR_TRAP_FLAG),
	{ PROC1_ACTIVATE_SECONDARY_CONTROLS, "the processor's VMX has no EPT" },
};
static const struct need proc2_needs[] = {
	{ PROC2_ENABLE_EPT, "the processor's VMX has no EPT" },
	{ PROC2_UNRESTRICTED_GUEST, "the processor's VMX has no unrestricted guest" },
};
static const struct need exit_needs[] = { NEED(EXIT, HOST_ADDRESS_SPACE_SIZE) };
static const struct need entry_needs[] = { NEED(ENTRY, IA32E_MODE_GUEST) };

/* Useful but not necessary: instructions of L1 that would take #UD without them, and speed. */
#define PROC2_WANTED                                                      \
	(PROC2_ENABLE_RDTSCP | PROC2_ENABLE_VPID | PROC2_ENABLE_INVPCID | \
	 PROC2_ENABLE_XSAVES_XRSTORS | PROC2_ENABLE_USER_WAIT_AND_PAUSE | PROC2_ENABLE_PCONFIG)
#define EXIT_WANTED                                                           \
	(EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_IA32_PAT | EXIT_LOAD_IA32_PAT | \
	 EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER)
#define ENTRY_WANTED (ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER)

static const char *choose(const struct vmx_control_caps *caps, u32 wanted, const struct need *needs,
			  unsigned int count, u32 *out)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!(caps->may_be_1 & needs[i].bits))
			return needs[i].lack;
		wanted |= needs[i].bits;
	}
	*out = (wanted & caps->may_be_1) | caps->must_be_1;
	return NULL;
}

static const char *lacking_feature(const struct vmx_caps *caps)
{
	/* Without them CR3 accesses must exit, which no handler expects. */
	if (!(caps->basic & VMX_BASIC_TRUE_CONTROLS))
		return "the processor's VMX has no \"true\" control MSRs";
	if (!(caps->ept_vpid & EPT_CAP_WALK_4) || !(caps->ept_vpid & EPT_CAP_WB))
		return "the processor's EPT has no 4-level write-back page walk";
	if (!(caps->ept_vpid & EPT_CAP_INVEPT) || !(caps->ept_vpid & EPT_CAP_INVEPT_SINGLE))
		return "the processor lacks INVEPT";
	if (!(caps->misc & VMX_MISC_ACTIVITY_SIPI))
		return "the processor's VMX has no wait-for-SIPI activity state";
	return NULL;
}

const char *vmcs01_choose_controls(const struct vmx_caps *caps, struct vmcs01_controls *out)
{
	const char *lack;

	*out = (struct vmcs01_controls){ .pin = caps->pin.must_be_1 };
	lack = choose(&caps->proc1, hypapp_intercepts ? PROC1_USE_IO_BITMAPS : 0, proc1_needs,
		      ARRAY_SIZE(proc1_needs), &out->proc1);
	if (!lack)
		lack = choose(&caps->proc2, PROC2_WANTED, proc2_needs, ARRAY_SIZE(proc2_needs),
			      &out->proc2);
	if (!lack)
		lack = choose(&caps->exit, EXIT_WANTED, exit_needs, ARRAY_SIZE(exit_needs),
			      &out->exit);
	if (!lack)
		lack = choose(&caps->entry, ENTRY_WANTED, entry_needs, ARRAY_SIZE(entry_needs),
			      &out->entry);
	if (!lack)
		lack = lacking_feature(caps);
	/* L1 starts in real mode; the processor keeps this control like IA32_EFER.LMA. */
	out->entry &= ~ENTRY_IA32E_MODE_GUEST;
	return lack;
}

static void intercept(u8 *bitmap, u32 first, u32 last, bool read, bool write)
{
	for (u32 index = first; index <= last; index++) {
		u32 bit = index % MSR_BITMAP_RANGE_COUNT;
		u32 base =
			index >= MSR_BITMAP_HIGH_FIRST ? MSR_BITMAP_READ_HIGH : MSR_BITMAP_READ_LOW;

		if (read)
			bitmap[base + bit / 8] |= (u8)BIT32(bit % 8);
		if (write)
			bitmap[base + MSR_BITMAP_WRITE_LOW + bit / 8] |= (u8)BIT32(bit % 8);
	}
}

static void intercept_for_hypapp(u8 *bitmap)
{
	for (u32 i = 0; i < intercepts.msr_count; i++) {
		u32 index = intercepts.msr[i].index;

		if (index < MSR_BITMAP_RANGE_COUNT ||
		    index - MSR_BITMAP_HIGH_FIRST < MSR_BITMAP_RANGE_COUNT)
			intercept(bitmap, index, index, intercepts.msr[i].read,
				  intercepts.msr[i].write);
	}
}

void vmcs01_build_msr_bitmap(u8 *bitmap)
{
	memset(bitmap, 0, PAGE_SIZE);
	intercept(bitmap, MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE, false, true);
	intercept(bitmap, MSR_IA32_FEATURE_CONTROL, MSR_IA32_FEATURE_CONTROL, true, true);
	intercept(bitmap, MSR_IA32_BIOS_UPDT_TRIG, MSR_IA32_BIOS_UPDT_TRIG, false, true);
	intercept(bitmap, MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, true, true);
	intercept(bitmap, MSR_IA32_PEBS_ENABLE, MSR_IA32_PEBS_ENABLE, false, true);
	/* Seen so that an exit of L2 need not write them again: vcpu->loaded_msr_written. */
	intercept(bitmap, MSR_IA32_PAT, MSR_IA32_PAT, false, true);
	intercept(bitmap, MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP, false, true);
	intercept(bitmap, MSR_IA32_MTRR_PHYSBASE0, MSR_IA32_MTRR_FIX64K_00000 - 1, false, true);
	for (unsigned int i = 0; i < MTRR_FIXED_COUNT; i++)
		intercept(bitmap, mtrr_fixed_msr(i), mtrr_fixed_msr(i), false, true);
	intercept(bitmap, MSR_IA32_MTRR_DEF_TYPE, MSR_IA32_MTRR_DEF_TYPE, false, true);
	intercept(bitmap, MSR_IA32_VMX_BASIC, MSR_IA32_VMX_EXIT_CTLS2, true, true);
	/* Processor trace would write where L1 says, also into L0's memory: hidden. */
	intercept(bitmap, MSR_IA32_RTIT_OUTPUT_BASE, MSR_IA32_RTIT_ADDR3_B, true, true);
	intercept_for_hypapp(bitmap);
}
