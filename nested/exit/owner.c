/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owner of a VM exit.  Pure.  A table says for most exit reasons which control bit of
 * VMCS12 makes them L1's; the others have a function in owner_access.c.
 * SDM "Instructions That Cause VM Exits", "Other Causes of VM Exits".
 */
#include "nested/exit/owner.h"

#include "xmhf/x86/cpu.h"
#include "nested/exit/owner_access.h"

/* How the owner of an exit reason is found. */
enum rule {
	RULE_L0 = 0,   /* never VMCS12's doing (also reasons that do not exist) */
	RULE_L1,       /* in VMX non-root operation always */
	RULE_CONTROLS, /* L1's if one of the bits of the row is set */
	RULE_CODE,     /* owner_access.c */
};

struct row {
	u8 rule;
	u32 pin, proc1, proc2, proc3; /* RULE_CONTROLS: any of these */
};

#define ALWAYS_L1   .rule = RULE_L1
#define NEVER_L1    .rule = RULE_L0
#define BY_CONTROLS .rule = RULE_CONTROLS
#define BY_CODE	    .rule = RULE_CODE
#define ROW(name)   [EXIT_REASON_##name]

static const struct row rows[EXIT_REASON_COUNT] = {
	// clang-format off
	ROW(EXCEPTION_OR_NMI)     = { BY_CODE },
	ROW(EXTERNAL_INTERRUPT)   = { BY_CONTROLS, .pin = PIN_EXTERNAL_INTERRUPT_EXITING },
	ROW(TRIPLE_FAULT)         = { ALWAYS_L1 },
	ROW(INIT_SIGNAL)          = { BY_CODE },
	ROW(SIPI)                 = { ALWAYS_L1 },
	ROW(INTERRUPT_WINDOW)     = { BY_CONTROLS, .proc1 = PROC1_INTERRUPT_WINDOW_EXITING },
	ROW(NMI_WINDOW)           = { BY_CONTROLS, .proc1 = PROC1_NMI_WINDOW_EXITING },
	ROW(TASK_SWITCH)          = { ALWAYS_L1 },
	ROW(CPUID)                = { ALWAYS_L1 },
	ROW(GETSEC)               = { ALWAYS_L1 },
	ROW(HLT)                  = { BY_CONTROLS, .proc1 = PROC1_HLT_EXITING },
	ROW(INVD)                 = { ALWAYS_L1 },
	ROW(INVLPG)               = { BY_CONTROLS, .proc1 = PROC1_INVLPG_EXITING },
	ROW(RDPMC)                = { BY_CONTROLS, .proc1 = PROC1_RDPMC_EXITING },
	ROW(RDTSC)                = { BY_CONTROLS, .proc1 = PROC1_RDTSC_EXITING },
	ROW(VMCALL)               = { ALWAYS_L1 },
	ROW(VMCLEAR)              = { ALWAYS_L1 },
	ROW(VMLAUNCH)             = { ALWAYS_L1 },
	ROW(VMPTRLD)              = { ALWAYS_L1 },
	ROW(VMPTRST)              = { ALWAYS_L1 },
	ROW(VMREAD)               = { BY_CODE },
	ROW(VMRESUME)             = { ALWAYS_L1 },
	ROW(VMWRITE)              = { BY_CODE },
	ROW(VMXOFF)               = { ALWAYS_L1 },
	ROW(VMXON)                = { ALWAYS_L1 },
	ROW(CR_ACCESS)            = { BY_CODE },
	ROW(DR_ACCESS)            = { BY_CONTROLS, .proc1 = PROC1_MOV_DR_EXITING },
	ROW(IO_INSTRUCTION)       = { BY_CODE },
	ROW(RDMSR)                = { BY_CODE },
	ROW(WRMSR)                = { BY_CODE },
	ROW(MWAIT)                = { BY_CONTROLS, .proc1 = PROC1_MWAIT_EXITING },
	ROW(MONITOR_TRAP_FLAG)    = { BY_CODE },
	ROW(MONITOR)              = { BY_CONTROLS, .proc1 = PROC1_MONITOR_EXITING },
	ROW(PAUSE)                = { BY_CONTROLS, .proc1 = PROC1_PAUSE_EXITING,
				      .proc2 = PROC2_PAUSE_LOOP_EXITING },
	ROW(TPR_BELOW_THRESHOLD)  = { BY_CONTROLS, .proc1 = PROC1_USE_TPR_SHADOW },
	ROW(APIC_ACCESS)          = { BY_CONTROLS, .proc2 = PROC2_VIRTUALIZE_APIC_ACCESSES },
	ROW(VIRTUALIZED_EOI)      = { BY_CONTROLS, .proc2 = PROC2_VIRTUAL_INTERRUPT_DELIVERY },
	ROW(GDTR_IDTR_ACCESS)     = { BY_CONTROLS, .proc2 = PROC2_DESCRIPTOR_TABLE_EXITING },
	ROW(LDTR_TR_ACCESS)       = { BY_CONTROLS, .proc2 = PROC2_DESCRIPTOR_TABLE_EXITING },
	ROW(EPT_VIOLATION)        = { NEVER_L1 }, /* the walk of EPT12 decides */
	ROW(EPT_MISCONFIGURATION) = { NEVER_L1 }, /* likewise */
	ROW(INVEPT)               = { ALWAYS_L1 },
	ROW(RDTSCP)               = { BY_CONTROLS, .proc1 = PROC1_RDTSC_EXITING },
	ROW(PREEMPTION_TIMER)     = { BY_CONTROLS, .pin = PIN_ACTIVATE_PREEMPTION_TIMER },
	ROW(INVVPID)              = { ALWAYS_L1 },
	ROW(WBINVD)               = { BY_CONTROLS, .proc2 = PROC2_WBINVD_EXITING },
	ROW(XSETBV)               = { ALWAYS_L1 },
	ROW(APIC_WRITE)           = { BY_CONTROLS, .proc1 = PROC1_USE_TPR_SHADOW },
	ROW(RDRAND)               = { BY_CONTROLS, .proc2 = PROC2_RDRAND_EXITING },
	ROW(INVPCID)              = { BY_CONTROLS, .proc1 = PROC1_INVLPG_EXITING },
	ROW(VMFUNC)               = { BY_CODE },
	ROW(ENCLS)                = { BY_CODE },
	ROW(RDSEED)               = { BY_CONTROLS, .proc2 = PROC2_RDSEED_EXITING },
	ROW(PML_FULL)             = { BY_CONTROLS, .proc2 = PROC2_ENABLE_PML },
	ROW(XSAVES)               = { BY_CODE },
	ROW(XRSTORS)              = { BY_CODE },
	ROW(PCONFIG)              = { BY_CODE },
	ROW(SPP_EVENT)            = { BY_CONTROLS, .proc2 = PROC2_SUB_PAGE_WRITE_PERMISSIONS },
	ROW(UMWAIT)               = { BY_CONTROLS, .proc1 = PROC1_RDTSC_EXITING },
	ROW(TPAUSE)               = { BY_CONTROLS, .proc1 = PROC1_RDTSC_EXITING },
	ROW(LOADIWKEY)            = { BY_CONTROLS, .proc3 = PROC3_LOADIWKEY_EXITING },
	ROW(ENCLV)                = { BY_CODE },
	ROW(ENQCMD_PASID)         = { BY_CONTROLS, .proc2 = PROC2_PASID_TRANSLATION },
	ROW(ENQCMDS_PASID)        = { BY_CONTROLS, .proc2 = PROC2_PASID_TRANSLATION },
	ROW(BUS_LOCK)             = { BY_CONTROLS, .proc2 = PROC2_VMM_BUS_LOCK_DETECTION },
	ROW(INSTRUCTION_TIMEOUT)  = { BY_CONTROLS, .proc2 = PROC2_INSTRUCTION_TIMEOUT },
	// clang-format on
};

/*
 * SDM "Exceptions": an NMI by "NMI exiting"; an exception by its bit of the exception bitmap,
 * which for page faults counts only if the error code, masked, equals the match value, and the
 * opposite of the bit otherwise.
 */
static bool exception_exits(const struct vmcs12 *vmcs12, const struct owner_exit *exit)
{
	u64 info = exit->interruption_information;
	u32 vector = (u32)field_get(info, INTR_INFO_VECTOR);
	bool is_in_bitmap = vmcs12->exception_bitmap >> (vector & 31) & 1;
	bool is_match;

	if (field_get(info, INTR_INFO_TYPE) == INTR_TYPE_NMI)
		return vmcs12->pin_based_controls & PIN_NMI_EXITING;
	if (vector != VECTOR_PF)
		return is_in_bitmap;
	is_match = (exit->interruption_error_code & vmcs12->page_fault_error_code_mask) ==
		   vmcs12->page_fault_error_code_match;
	return is_match ? is_in_bitmap : !is_in_bitmap;
}

static bool code_says_l1(const struct vmcs12 *vmcs12, const struct control_words *words,
			 const struct owner_pages *pages, const struct owner_exit *exit, u32 reason)
{
	switch (reason) {
	case EXIT_REASON_EXCEPTION_OR_NMI:
		return exception_exits(vmcs12, exit);
	case EXIT_REASON_INIT_SIGNAL:
		return !exit->init_is_l0_kick;
	case EXIT_REASON_MONITOR_TRAP_FLAG:
		return (words->proc1 & PROC1_MONITOR_TRAP_FLAG) || exit->mtf_was_injected;
	case EXIT_REASON_CR_ACCESS:
		return owner_cr_access_exits(vmcs12, words, exit);
	case EXIT_REASON_IO_INSTRUCTION:
		return owner_io_exits(words, pages, exit);
	case EXIT_REASON_RDMSR:
	case EXIT_REASON_WRMSR:
		return owner_msr_exits(words, pages, exit, reason == EXIT_REASON_WRMSR);
	case EXIT_REASON_VMREAD:
		return owner_shadowed_access_exits(words, pages->vmread_bitmap, exit);
	case EXIT_REASON_VMWRITE:
		return owner_shadowed_access_exits(words, pages->vmwrite_bitmap, exit);
	case EXIT_REASON_XSAVES:
	case EXIT_REASON_XRSTORS:
		return owner_xsaves_exits(vmcs12, words, exit);
	case EXIT_REASON_VMFUNC:
		return owner_vmfunc_exits(vmcs12, words, exit);
	default:
		return owner_leaf_exits(vmcs12, words, exit, reason);
	}
}

enum exit_owner owner_of_exit(const struct vmcs12 *vmcs12, const struct owner_pages *pages,
			      const struct owner_exit *exit)
{
	u32 reason = exit->exit_reason & (u32)EXIT_REASON_BASIC;
	struct control_words words;
	const struct row *row;
	bool is_l1s;

	if (reason >= EXIT_REASON_COUNT || (exit->exit_reason & EXIT_REASON_ENTRY_FAILURE))
		return OWNER_L0;
	row = &rows[reason];
	if (row->rule == RULE_L0 || row->rule == RULE_L1)
		return row->rule == RULE_L1 ? OWNER_L1 : OWNER_L0;
	controls_of_vmcs12(vmcs12, &words);
	if (row->rule == RULE_CONTROLS)
		is_l1s = (words.pin & row->pin) || (words.proc1 & row->proc1) ||
			 (words.proc2 & row->proc2) || (words.proc3 & row->proc3);
	else
		is_l1s = code_says_l1(vmcs12, &words, pages, exit, reason);
	return is_l1s ? OWNER_L1 : OWNER_L0;
}
