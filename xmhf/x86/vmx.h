/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX facts of the SDM: control bits, exit reasons, error numbers, interruption
 * information, interruptibility, activity, access rights, capability MSR layouts.
 * SDM "Virtual-Machine Control Structures" and Appendix "VMX Capability Reporting
 * Facility".  No state, no code beyond accessors.
 */
#pragma once

#include "xmhf/lib/bits.h"

/* The control words that vmx_controls.def and vmcs_fields.def speak of. */
enum vmx_control_word {
	VMX_WORD_NONE,
	VMX_WORD_PIN,
	VMX_WORD_PROC1,
	VMX_WORD_PROC2,
	VMX_WORD_PROC3,
	VMX_WORD_EXIT,
	VMX_WORD_EXIT2,
	VMX_WORD_ENTRY,
	VMX_WORD_VMFUNC,
	VMX_WORD_COUNT,
};

/* PIN_NMI_EXITING and so on: one bit each of its control word.  Bit 31 makes them all unsigned. */
enum vmx_control_bit {
#define VMX_CONTROL(word, bit, name) word##_##name = BIT32(bit),
#include "xmhf/x86/vmx_controls.def"
#undef VMX_CONTROL
};

#define VMFUNC_EPTP_SWITCHING BIT32(0)

enum exit_reason {
#define EXIT_REASON(number, name, text) EXIT_REASON_##name = (number),
#include "xmhf/x86/exit_reasons.def"
#undef EXIT_REASON
	EXIT_REASON_COUNT = 80,
};

/* The exit-reason field: SDM "Basic VM-Exit Information". */
#define EXIT_REASON_BASIC	  FIELD(15, 0)
#define EXIT_REASON_ENTRY_FAILURE BIT32(31)

/** 0 is success; the others are the SDM's VM-instruction error numbers. */
enum vm_instruction_error {
	VMFAIL_NONE = 0,
#define VM_INSTRUCTION_ERROR(number, name, text) VMFAIL_##name = (number),
#include "xmhf/x86/vm_instruction_errors.def"
#undef VM_INSTRUCTION_ERROR
};

/* Exit qualification of a failed VM entry, reason 33: SDM "VM-Entry Failures During or After
 * Loading Guest State". */
enum entry_failure_qualification {
	ENTRY_FAILURE_DEFAULT = 0,
	ENTRY_FAILURE_PDPTE = 2,
	ENTRY_FAILURE_NMI = 3,
	ENTRY_FAILURE_LINK_POINTER = 4,
};

/* Interruption information, the same layout in the VM-entry, VM-exit and IDT-vectoring fields. */
#define INTR_INFO_VECTOR	FIELD(7, 0)
#define INTR_INFO_TYPE		FIELD(10, 8)
#define INTR_INFO_ERROR_CODE	BIT32(11)
#define INTR_INFO_NMI_UNBLOCKED BIT32(12)
#define INTR_INFO_VALID		BIT32(31)

enum interruption_type {
	INTR_TYPE_EXTERNAL = 0,
	INTR_TYPE_RESERVED = 1,
	INTR_TYPE_NMI = 2,
	INTR_TYPE_HARDWARE_EXCEPTION = 3,
	INTR_TYPE_SOFTWARE_INTERRUPT = 4,
	INTR_TYPE_PRIVILEGED_SOFTWARE = 5,
	INTR_TYPE_SOFTWARE_EXCEPTION = 6,
	INTR_TYPE_OTHER_EVENT = 7,
};

/* Guest interruptibility state: SDM "Guest Non-Register State". */
#define BLOCKING_BY_STI	     BIT32(0)
#define BLOCKING_BY_MOV_SS   BIT32(1)
#define BLOCKING_BY_SMI	     BIT32(2)
#define BLOCKING_BY_NMI	     BIT32(3)
#define ENCLAVE_INTERRUPTION BIT32(4)

enum activity_state {
	ACTIVITY_ACTIVE = 0,
	ACTIVITY_HLT = 1,
	ACTIVITY_SHUTDOWN = 2,
	ACTIVITY_WAIT_FOR_SIPI = 3,
};

/* Pending debug exceptions. */
#define PENDING_DEBUG_B0_B3    FIELD(3, 0)
#define PENDING_DEBUG_BUS_LOCK BIT(11)
#define PENDING_DEBUG_ENABLED  BIT(12)
#define PENDING_DEBUG_BS       BIT(14)
#define PENDING_DEBUG_RTM      BIT(16)

/* Segment access rights: SDM "Guest Register State". */
#define ACCESS_RIGHTS_TYPE     FIELD(3, 0)
#define ACCESS_RIGHTS_S	       BIT32(4)
#define ACCESS_RIGHTS_DPL      FIELD(6, 5)
#define ACCESS_RIGHTS_P	       BIT32(7)
#define ACCESS_RIGHTS_AVL      BIT32(12)
#define ACCESS_RIGHTS_L	       BIT32(13)
#define ACCESS_RIGHTS_DB       BIT32(14)
#define ACCESS_RIGHTS_G	       BIT32(15)
#define ACCESS_RIGHTS_UNUSABLE BIT32(16)

/* IA32_VMX_BASIC */
#define VMX_BASIC_REVISION	  FIELD(30, 0)
#define VMX_BASIC_REGION_SIZE	  FIELD(44, 32)
#define VMX_BASIC_32BIT_ADDRESSES BIT(48)
#define VMX_BASIC_DUAL_MONITOR	  BIT(49)
#define VMX_BASIC_MEMORY_TYPE	  FIELD(53, 50)
#define VMX_BASIC_INS_OUTS	  BIT(54)
#define VMX_BASIC_TRUE_CONTROLS	  BIT(55)
#define VMX_BASIC_ANY_ERROR_CODE  BIT(56)

/* IA32_VMX_MISC */
#define VMX_MISC_TIMER_RATE	    FIELD(4, 0)
#define VMX_MISC_STORE_LMA	    BIT(5)
#define VMX_MISC_ACTIVITY_HLT	    BIT(6)
#define VMX_MISC_ACTIVITY_SHUTDOWN  BIT(7)
#define VMX_MISC_ACTIVITY_SIPI	    BIT(8)
#define VMX_MISC_PT_IN_VMX	    BIT(14)
#define VMX_MISC_SMBASE_READ	    BIT(15)
#define VMX_MISC_CR3_TARGETS	    FIELD(24, 16)
#define VMX_MISC_MSR_LIST_MAX	    FIELD(27, 25)
#define VMX_MISC_SMM_MONITOR_CTL    BIT(28)
#define VMX_MISC_VMWRITE_ANY	    BIT(29)
#define VMX_MISC_INJECT_LENGTH_ZERO BIT(30)

/* IA32_VMX_EPT_VPID_CAP */
#define EPT_CAP_EXECUTE_ONLY		 BIT(0)
#define EPT_CAP_WALK_4			 BIT(6)
#define EPT_CAP_WALK_5			 BIT(7)
#define EPT_CAP_UC			 BIT(8)
#define EPT_CAP_WB			 BIT(14)
#define EPT_CAP_2M			 BIT(16)
#define EPT_CAP_1G			 BIT(17)
#define EPT_CAP_INVEPT			 BIT(20)
#define EPT_CAP_AD			 BIT(21)
#define EPT_CAP_ADVANCED_EXIT_INFO	 BIT(22)
#define EPT_CAP_SHADOW_STACK		 BIT(23)
#define EPT_CAP_INVEPT_SINGLE		 BIT(25)
#define EPT_CAP_INVEPT_ALL		 BIT(26)
#define EPT_CAP_INVVPID			 BIT(32)
#define EPT_CAP_INVVPID_ADDRESS		 BIT(40)
#define EPT_CAP_INVVPID_SINGLE		 BIT(41)
#define EPT_CAP_INVVPID_ALL		 BIT(42)
#define EPT_CAP_INVVPID_SINGLE_NONGLOBAL BIT(43)

/* EPT pointer: SDM "Extended-Page-Table Pointer (EPTP)". */
#define EPTP_MEMORY_TYPE  FIELD(2, 0)
#define EPTP_WALK_LENGTH  FIELD(5, 3) /* number of levels minus 1 */
#define EPTP_AD		  BIT(6)
#define EPTP_SHADOW_STACK BIT(7)
#define EPTP_ADDRESS	  FIELD(51, 12)

/* EPT entries: SDM "The EPT Translation Mechanism". */
#define EPT_READ	 BIT(0)
#define EPT_WRITE	 BIT(1)
#define EPT_EXECUTE	 BIT(2)
#define EPT_RWX		 (EPT_READ | EPT_WRITE | EPT_EXECUTE)
#define EPT_MEMORY_TYPE	 FIELD(5, 3)
#define EPT_IGNORE_PAT	 BIT(6)
#define EPT_LEAF	 BIT(7) /* maps a page, in a PDPTE or PDE */
#define EPT_ACCESSED	 BIT(8)
#define EPT_DIRTY	 BIT(9)
#define EPT_USER_EXECUTE BIT(10)
#define EPT_ADDRESS	 FIELD(51, 12)
#define EPT_SUPPRESS_VE	 BIT(63)

/* Exit qualification of EPT violations: SDM "Exit Qualification for EPT Violations". */
#define EPT_VIOLATION_READ	    BIT(0)
#define EPT_VIOLATION_WRITE	    BIT(1)
#define EPT_VIOLATION_FETCH	    BIT(2)
#define EPT_VIOLATION_ENTRY_RWX	    FIELD(5, 3)
#define EPT_VIOLATION_ENTRY_USER_X  BIT(6)
#define EPT_VIOLATION_LINEAR_VALID  BIT(7)
#define EPT_VIOLATION_FINAL	    BIT(8) /* the access to the page, not to a paging structure */
#define EPT_VIOLATION_NMI_UNBLOCKED BIT(12)

enum invept_type {
	INVEPT_SINGLE_CONTEXT = 1,
	INVEPT_ALL_CONTEXT = 2,
};

enum invvpid_type {
	INVVPID_INDIVIDUAL_ADDRESS = 0,
	INVVPID_SINGLE_CONTEXT = 1,
	INVVPID_ALL_CONTEXT = 2,
	INVVPID_SINGLE_CONTEXT_RETAINING_GLOBALS = 3,
};

/** Descriptor operand of INVEPT. */
struct invept_descriptor {
	u64 eptp;
	u64 reserved;
};

/** Descriptor operand of INVVPID: bits 15:0 of the first word are the VPID, the rest reserved. */
struct invvpid_descriptor {
	u64 vpid;
	u64 linear_address;
};

/** An entry of a VM-entry or VM-exit MSR area: SDM "VM-Exit Controls for MSRs". */
struct vmx_msr_entry {
	u32 index;
	u32 reserved;
	u64 value;
};

/* VMX abort indicators: SDM "VMX Aborts". */
enum vmx_abort {
	VMX_ABORT_SAVE_GUEST_MSRS = 1,
	VMX_ABORT_HOST_PDPTE = 2,
	VMX_ABORT_CORRUPT_VMCS = 3,
	VMX_ABORT_LOAD_HOST_MSRS = 4,
	VMX_ABORT_MACHINE_CHECK = 5,
	VMX_ABORT_IA32E_MISMATCH = 6,
};
