/* SPDX-License-Identifier: BSD-2-Clause */
/* The personas and what each refuses to start without. */
#include "lhv/persona/persona.h"

#define PIN_MINIMUM (PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING)
#define PROC1_MINIMUM                                                                            \
	(PROC1_HLT_EXITING | PROC1_MWAIT_EXITING | PROC1_MONITOR_EXITING | PROC1_RDPMC_EXITING | \
	 PROC1_INVLPG_EXITING | PROC1_CR3_LOAD_EXITING | PROC1_CR3_STORE_EXITING |               \
	 PROC1_MOV_DR_EXITING | PROC1_USE_TSC_OFFSETTING | PROC1_UNCONDITIONAL_IO_EXITING)
#define REGION_MOST 4096
#define EFER_PAT_EXIT \
	(EXIT_LOAD_IA32_EFER | EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_PAT)

static const char *kvm_refuses(void)
{
	if (!vm_allows(VMX_WORD_PIN, PIN_MINIMUM))
		return "external-interrupt or NMI exiting";
	if (!vm_allows(VMX_WORD_PROC1, PROC1_MINIMUM))
		return "a primary control of its minimum";
	if (!vm_allows(VMX_WORD_EXIT, EXIT_ACKNOWLEDGE_INTERRUPT | EXIT_SAVE_DEBUG_CONTROLS))
		return "acknowledge interrupt on exit";
	if (!vm_allows(VMX_WORD_ENTRY, ENTRY_LOAD_DEBUG_CONTROLS))
		return "load debug controls";
	if (field_get(facts.basic, VMX_BASIC_REGION_SIZE) > REGION_MOST)
		return "a VMCS region of at most 4096 bytes";
	if (field_get(facts.basic, VMX_BASIC_MEMORY_TYPE) != MEMORY_TYPE_WB)
		return "write-back VMCS access";
	return NULL;
}

static const char *virtualbox_refuses(void)
{
	if (!vm_allows(VMX_WORD_PIN, PIN_MINIMUM))
		return "external-interrupt or NMI exiting";
	if (!vm_allows(VMX_WORD_PROC1, PROC1_MINIMUM & ~PROC1_MWAIT_EXITING))
		return "a primary control of its minimum";
	if (!vm_allows_0(VMX_WORD_PROC1, PROC1_CR3_LOAD_EXITING | PROC1_CR3_STORE_EXITING))
		return "CR3 exiting that can be off";
	if (!vm_allows(VMX_WORD_EXIT, EXIT_SAVE_DEBUG_CONTROLS))
		return "save debug controls";
	return NULL;
}

static const char *vmware_refuses(void)
{
	if (!vm_allows(VMX_WORD_ENTRY, ENTRY_LOAD_IA32_EFER | ENTRY_LOAD_IA32_PAT))
		return "load IA32_EFER and IA32_PAT on entry";
	if (!vm_allows(VMX_WORD_EXIT, EFER_PAT_EXIT))
		return "load and save IA32_EFER and IA32_PAT on exit";
	if (!(facts.ept_vpid & EPT_CAP_2M))
		return "EPT 2 MiB pages";
	return NULL;
}

static const char *hyperv_refuses(void)
{
	if (!vm_allows(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS))
		return "MSR bitmaps";
	if (!vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_EPT))
		return "EPT";
	return NULL;
}

static const char *xen_refuses(void)
{
	if (!(facts.ept_vpid & EPT_CAP_INVEPT_ALL))
		return "INVEPT all-context, without which it uses no EPT";
	if (!(facts.ept_vpid & EPT_CAP_INVVPID_ALL))
		return "INVVPID all-context, without which it uses no VPID";
	return NULL;
}

const struct persona personas[] = {
	{ .name = "kvm",
	  .pin = 0x3f,
	  .primary = 0xb5a06dfa,
	  .secondary = 0xe3,
	  .exit = 0x3efff,
	  .entry = 0x13ff,
	  .exception_bitmap = 0x60042,
	  .habits = HABIT_EFER_LISTS | HABIT_MIGRATES | HABIT_HOT_FIELDS | HABIT_XSETBV |
		    HABIT_MMIO_MARKER,
	  .refuses = kvm_refuses },
	{ .name = "virtualbox",
	  .pin = 0x7f,
	  .primary = 0xb5a06dfa,
	  .secondary = 0xeb,
	  .exit = 0x436fff,
	  .entry = 0x13ff,
	  .exception_bitmap = 0x22002,
	  .habits = HABIT_EFER_LISTS | HABIT_TIMER | HABIT_PAGING_LATER | HABIT_STAR_HOLES,
	  .refuses = virtualbox_refuses },
	{ .name = "vmware",
	  .pin = 0x3f,
	  .primary = 0xa5a07dfa,
	  .secondary = 0xaa,
	  .exit = 0x36fff | EFER_PAT_EXIT,
	  .entry = 0x13ff | ENTRY_LOAD_IA32_EFER | ENTRY_LOAD_IA32_PAT,
	  .exception_bitmap = 0x60042,
	  .habits = HABIT_WORLD_SWITCH | HABIT_JUNK,
	  .refuses = vmware_refuses },
	{ .name = "hyperv",
	  .pin = 0x3f,
	  .primary = 0xb6a06dfa,
	  .secondary = 0x001810ab, /* 0x001810af, descriptor-table exiting taken off */
	  .exit = 0x103efff,
	  .entry = 0x213ff,
	  .exception_bitmap = 0x60002,
	  .habits = HABIT_CAPABILITIES | HABIT_RETRY | HABIT_1G | HABIT_FS_GS | HABIT_SELF_NMI |
		    HABIT_EFER_LISTS,
	  .refuses = hyperv_refuses },
	{ .name = "xen",
	  .pin = 0x3f,
	  .primary = 0xb7a07dfa,
	  .secondary = 0x4ee, /* descriptor-table exiting, pause-loop exiting */
	  .exit = 0x3efff,
	  .entry = 0x13ff,
	  .exception_bitmap = 0x60042,
	  .habits = HABIT_EFER_LISTS | HABIT_HOT_FIELDS,
	  .refuses = xen_refuses },
};
const unsigned int persona_count = ARRAY_SIZE(personas);
