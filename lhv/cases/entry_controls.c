/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Checks on VMX Controls": "VM-Execution Control Fields", "VM-Exit Control
 * Fields", "VM-Entry Control Fields".  One rule broken, VM-instruction error 7.
 */
#include "lhv/suite/rows.h"

#define INJECT(type, vector) ((u64)BIT32(31) | (u64)(type) << 8 | (vector))
#define WITH_ERROR_CODE	     BIT32(11)

// clang-format off
static const struct entry_row rows[] = {
	{ "cr3-target-count/4", ROW_ENTERS, 0, 0, { SET(cr3_target_count, 4) } },
	{ "cr3-target-count/5", ROW_FAILS_7, 0, 0, { SET(cr3_target_count, 5) } },
	{ "cr3-target-count/511", ROW_FAILS_7, 0, 0, { SET(cr3_target_count, 511) } },
	/* I/O bitmaps */
	{ "io-bitmap/good", ROW_ENTERS, 0, 0, { ON(PROC1, PROC1_USE_IO_BITMAPS), PAGE(io_bitmap_a_address, 0), PAGE(io_bitmap_b_address, 0) } },
	{ "io-bitmap/a-unaligned", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_IO_BITMAPS), PAGE(io_bitmap_b_address, 0), SET(io_bitmap_a_address, 0x800) } },
	{ "io-bitmap/b-unaligned", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_IO_BITMAPS), PAGE(io_bitmap_a_address, 0), SET(io_bitmap_b_address, 1) } },
	{ "io-bitmap/a-beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_IO_BITMAPS), PAGE(io_bitmap_b_address, 0), BEYOND(io_bitmap_a_address, 0) } },
	{ "io-bitmap/b-beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_IO_BITMAPS), PAGE(io_bitmap_a_address, 0), BEYOND(io_bitmap_b_address, 0) } },
	{ "io-bitmap/off-junk", ROW_ENTERS, 0, 0, { OFF(PROC1, PROC1_USE_IO_BITMAPS), SET(io_bitmap_a_address, ~0ULL), SET(io_bitmap_b_address, ~0ULL) } },
	/* MSR bitmap */
	{ "msr-bitmap/unaligned", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_MSR_BITMAPS), OR(msr_bitmap_address, 0x10) } },
	{ "msr-bitmap/beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_MSR_BITMAPS), BEYOND(msr_bitmap_address, 0) } },
	{ "msr-bitmap/off-junk", ROW_ENTERS, 0, 0, { OFF(PROC1, PROC1_USE_MSR_BITMAPS), SET(msr_bitmap_address, ~0ULL) } },
	/* TPR shadow */
	{ "tpr-shadow/good", ROW_ENTERS, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0) } },
	{ "tpr-shadow/unaligned", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 8) } },
	{ "tpr-shadow/beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), BEYOND(virtual_apic_address, 0) } },
	{ "tpr-shadow/threshold-above-vtpr", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), SET(tpr_threshold, 1) } },
	{ "tpr-shadow/threshold-reserved", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), SET(tpr_threshold, 0x10) } },
	{ "tpr-shadow/threshold-bit-31", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), SET(tpr_threshold, BIT32(31)) } },
	{ "tpr-shadow/off-junk", ROW_ENTERS, 0, 0, { OFF(PROC1, PROC1_USE_TPR_SHADOW), SET(virtual_apic_address, ~0ULL), SET(tpr_threshold, 0xffffffff) } },
	/* NMIs */
	{ "nmi/virtual-without-exiting", ROW_FAILS_7, 0, 0, { ON(PIN, PIN_VIRTUAL_NMIS), OFF(PIN, PIN_NMI_EXITING) } },
	{ "nmi/window-without-virtual", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_NMI_WINDOW_EXITING), OFF(PIN, PIN_VIRTUAL_NMIS) } },
	{ "nmi/both-off", ROW_ENTERS, 0, 0, { OFF(PIN, PIN_VIRTUAL_NMIS | PIN_NMI_EXITING) } },
	{ "nmi/virtual", ROW_ENTERS, 0, 0, { ON(PIN, PIN_VIRTUAL_NMIS | PIN_NMI_EXITING) } },
	/* APIC virtualization */
	{ "apic-access/good", ROW_ENTERS, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES), PAGE(apic_access_address, 0) } },
	{ "apic-access/unaligned", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES), PAGE(apic_access_address, 0x20) } },
	{ "apic-access/beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES), BEYOND(apic_access_address, 0) } },
	{ "apic-access/off-junk", ROW_ENTERS, 0, 0, { OFF(PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES), SET(apic_access_address, ~0ULL) } },
	{ "x2apic/without-tpr-shadow", ROW_FAILS_7, 0, 0, { OFF(PROC1, PROC1_USE_TPR_SHADOW), ON(PROC2, PROC2_VIRTUALIZE_X2APIC_MODE) } },
	{ "x2apic/with-apic-accesses", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUALIZE_X2APIC_MODE | PROC2_VIRTUALIZE_APIC_ACCESSES), PAGE(apic_access_address, 0) } },
	{ "x2apic/good", ROW_ENTERS, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUALIZE_X2APIC_MODE) } },
	{ "apic-registers/without-tpr-shadow", ROW_FAILS_7, 0, 0, { OFF(PROC1, PROC1_USE_TPR_SHADOW), ON(PROC2, PROC2_APIC_REGISTER_VIRTUALIZATION) } },
	{ "virtual-delivery/without-tpr-shadow", ROW_FAILS_7, 0, 0, { OFF(PROC1, PROC1_USE_TPR_SHADOW), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY) } },
	{ "virtual-delivery/good", ROW_ENTERS, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY) } },
	{ "virtual-delivery/without-external-exiting", ROW_FAILS_7, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY), OFF(PIN, PIN_EXTERNAL_INTERRUPT_EXITING) } },
	{ "virtual-delivery/threshold-ignored", ROW_ENTERS, 0, 0, { ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY), SET(tpr_threshold, 0xff) } },
	{ "posted/without-virtual-delivery", ROW_FAILS_7, 0, 0, { ON(PIN, PIN_PROCESS_POSTED_INTERRUPTS), ON(EXIT, EXIT_ACKNOWLEDGE_INTERRUPT), PAGE(posted_interrupt_descriptor_address, 0) } },
	{ "posted/without-acknowledge", ROW_FAILS_7, 0, 0, { ON(PIN, PIN_PROCESS_POSTED_INTERRUPTS), ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY), PAGE(posted_interrupt_descriptor_address, 0) } },
	{ "posted/good", ROW_ENTERS, 0, 0, { ON(PIN, PIN_PROCESS_POSTED_INTERRUPTS), ON(EXIT, EXIT_ACKNOWLEDGE_INTERRUPT), ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY), PAGE(posted_interrupt_descriptor_address, 0) } },
	{ "posted/aligned-64", ROW_ENTERS, 0, 0, { ON(PIN, PIN_PROCESS_POSTED_INTERRUPTS), ON(EXIT, EXIT_ACKNOWLEDGE_INTERRUPT), ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY), PAGE(posted_interrupt_descriptor_address, 0x40) } },
	{ "posted/unaligned", ROW_FAILS_7, 0, 0, { ON(PIN, PIN_PROCESS_POSTED_INTERRUPTS), ON(EXIT, EXIT_ACKNOWLEDGE_INTERRUPT), ON(PROC1, PROC1_USE_TPR_SHADOW), PAGE(virtual_apic_address, 0), ON(PROC2, PROC2_VIRTUAL_INTERRUPT_DELIVERY), PAGE(posted_interrupt_descriptor_address, 0x20) } },
	/* VPID */
	{ "vpid/zero", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_VPID), SET(vpid, 0) } },
	{ "vpid/one", ROW_ENTERS, 0, 0, { ON(PROC2, PROC2_ENABLE_VPID), SET(vpid, 1) } },
	{ "vpid/ffff", ROW_ENTERS, 0, 0, { ON(PROC2, PROC2_ENABLE_VPID), SET(vpid, 0xffff) } },
	/* EPT */
	{ "ept/memory-type-2", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), CLEAR(eptp, 7), OR(eptp, 2) } },
	{ "ept/memory-type-wt", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), CLEAR(eptp, 7), OR(eptp, MEMORY_TYPE_WT) } },
	{ "ept/memory-type-7", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), OR(eptp, 7) } },
	{ "ept/walk-3", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), CLEAR(eptp, EPTP_WALK_LENGTH), OR(eptp, 2 << 3) } },
	{ "ept/walk-1", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), CLEAR(eptp, EPTP_WALK_LENGTH) } },
	{ "ept/walk-8", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), OR(eptp, EPTP_WALK_LENGTH) } },
	{ "ept/reserved-8", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), OR(eptp, BIT(8)) } },
	{ "ept/reserved-11", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), OR(eptp, BIT(11)) } },
	{ "ept/beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), BEYOND(eptp, 0) } },
	{ "ept/bit-63", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT), OR(eptp, BIT(63)) } },
	{ "ept/off-junk", ROW_ENTERS, 0, 0, { OFF(PROC2, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST), SET(eptp, ~0ULL) } },
	{ "unrestricted/without-ept", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_UNRESTRICTED_GUEST), OFF(PROC2, PROC2_ENABLE_EPT) } },
	{ "mode-based/without-ept", ROW_FAILS_7, 0, 0, { OFF(PROC2, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST), ON(PROC2, PROC2_MODE_BASED_EXECUTE_CONTROL) } },
	/* page-modification logging */
	{ "pml/good", ROW_ENTERS, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT | PROC2_ENABLE_PML), PAGE(pml_address, 0) } },
	{ "pml/without-ept", ROW_FAILS_7, 0, 0, { OFF(PROC2, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST), ON(PROC2, PROC2_ENABLE_PML), PAGE(pml_address, 0) } },
	{ "pml/unaligned", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT | PROC2_ENABLE_PML), PAGE(pml_address, 1) } },
	{ "pml/beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_EPT | PROC2_ENABLE_PML), BEYOND(pml_address, 0) } },
	/* VM functions */
	{ "vmfunc/none", ROW_ENTERS, 0, 0, { ON(PROC2, PROC2_ENABLE_VM_FUNCTIONS), SET(vm_function_controls, 0) } },
	{ "vmfunc/reserved", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_VM_FUNCTIONS), SET(vm_function_controls, BIT(62)) } },
	{ "vmfunc/eptp-list-unaligned", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_VM_FUNCTIONS), SET(vm_function_controls, 1), PAGE(eptp_list_address, 8) } },
	{ "vmfunc/eptp-list-beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_ENABLE_VM_FUNCTIONS), SET(vm_function_controls, 1), BEYOND(eptp_list_address, 0) } },
	{ "vmfunc/eptp-switching-without-ept", ROW_FAILS_7, 0, 0, { OFF(PROC2, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST), ON(PROC2, PROC2_ENABLE_VM_FUNCTIONS), SET(vm_function_controls, 1), PAGE(eptp_list_address, 0) } },
	/* VMCS shadowing */
	{ "shadowing/good", ROW_ENTERS, 0, 0, { ON(PROC2, PROC2_VMCS_SHADOWING), PAGE(vmread_bitmap_address, 0), PAGE(vmwrite_bitmap_address, 0) } },
	{ "shadowing/read-unaligned", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_VMCS_SHADOWING), PAGE(vmread_bitmap_address, 1), PAGE(vmwrite_bitmap_address, 0) } },
	{ "shadowing/write-unaligned", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_VMCS_SHADOWING), PAGE(vmread_bitmap_address, 0), PAGE(vmwrite_bitmap_address, 0x400) } },
	{ "shadowing/read-beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_VMCS_SHADOWING), BEYOND(vmread_bitmap_address, 0), PAGE(vmwrite_bitmap_address, 0) } },
	{ "shadowing/write-beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_VMCS_SHADOWING), PAGE(vmread_bitmap_address, 0), BEYOND(vmwrite_bitmap_address, 0) } },
	/* EPT-violation #VE */
	{ "ve/good", ROW_ENTERS, 0, 0, { ON(PROC2, PROC2_EPT_VIOLATION_VE), PAGE(virtualization_exception_information_address, 0) } },
	{ "ve/unaligned", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_EPT_VIOLATION_VE), PAGE(virtualization_exception_information_address, 0x10) } },
	{ "ve/beyond-width", ROW_FAILS_7, 0, 0, { ON(PROC2, PROC2_EPT_VIOLATION_VE), BEYOND(virtualization_exception_information_address, 0) } },
	/* secondary controls off: they read as zero, so junk in them is no matter */
	{ "secondary/off-junk", ROW_ENTERS, 0, 0, { OFF(PROC1, PROC1_ACTIVATE_SECONDARY_CONTROLS), SET(secondary_processor_based_controls, 0xffffffff) } },
	/* VM-exit controls */
	{ "exit/save-timer-without-timer", ROW_FAILS_7, 0, 0, { ON(EXIT, EXIT_SAVE_PREEMPTION_TIMER), OFF(PIN, PIN_ACTIVATE_PREEMPTION_TIMER) } },
	{ "exit/store-unaligned", ROW_FAILS_7, 0, 0, { SET(exit_msr_store_count, 1), PAGE(exit_msr_store_address, 8) } },
	{ "exit/store-beyond-width", ROW_FAILS_7, 0, 0, { SET(exit_msr_store_count, 1), BEYOND(exit_msr_store_address, 0) } },
	{ "exit/store-end-beyond-width", ROW_FAILS_7, 0, 0, { SET(exit_msr_store_count, 2), BEYOND(exit_msr_store_address, -16ULL) } },
	{ "exit/store-none-junk", ROW_ENTERS, 0, 0, { SET(exit_msr_store_count, 0), SET(exit_msr_store_address, ~0ULL) } },
	{ "exit/load-unaligned", ROW_FAILS_7, 0, 0, { SET(exit_msr_load_count, 1), PAGE(exit_msr_load_address, 4) } },
	{ "exit/load-beyond-width", ROW_FAILS_7, 0, 0, { SET(exit_msr_load_count, 1), BEYOND(exit_msr_load_address, 0) } },
	{ "exit/load-end-beyond-width", ROW_FAILS_7, 0, 0, { SET(exit_msr_load_count, 2), BEYOND(exit_msr_load_address, -16ULL) } },
	{ "exit/load-none-junk", ROW_ENTERS, 0, 0, { SET(exit_msr_load_count, 0), SET(exit_msr_load_address, ~0ULL) } },
	/* VM-entry controls */
	{ "entry/load-unaligned", ROW_FAILS_7, 0, 0, { SET(entry_msr_load_count, 1), PAGE(entry_msr_load_address, 1) } },
	{ "entry/load-beyond-width", ROW_FAILS_7, 0, 0, { SET(entry_msr_load_count, 1), BEYOND(entry_msr_load_address, 0) } },
	{ "entry/load-end-beyond-width", ROW_FAILS_7, 0, 0, { SET(entry_msr_load_count, 2), BEYOND(entry_msr_load_address, -16ULL) } },
	{ "entry/load-none-junk", ROW_ENTERS, 0, 0, { SET(entry_msr_load_count, 0), SET(entry_msr_load_address, ~0ULL) } },
	{ "entry/to-smm", ROW_FAILS_7, 0, 0, { FORCE(ENTRY, ENTRY_ENTRY_TO_SMM) } },
	{ "entry/deactivate-dual-monitor", ROW_FAILS_7, 0, 0, { FORCE(ENTRY, ENTRY_DEACTIVATE_DUAL_MONITOR) } },
	/* event injection */
	{ "inject/invalid-junk", ROW_ENTERS, 0, 0, { SET(entry_interruption_information, 0x7fffffff), SET(entry_exception_error_code, ~0U), SET(entry_instruction_length, ~0U) } },
	{ "inject/type-1", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(1, 32)) } },
	{ "inject/type-7-vector-1", ROW_FAILS_7, 0, 0, { HAS(PROC1, PROC1_MONITOR_TRAP_FLAG), SET(entry_interruption_information, INJECT(7, 1)) } },
	{ "inject/nmi-vector-3", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(2, 3)) } },
	{ "inject/exception-vector-32", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(3, 32)) } },
	{ "inject/exception-vector-255", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(3, 255)) } },
	{ "inject/external-with-error-code", ROW_FAILS_7, 0, 0, { OR(guest_rflags, RFLAGS_IF), SET(entry_interruption_information, INJECT(0, 32) | WITH_ERROR_CODE) } },
	{ "inject/nmi-with-error-code", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(2, 2) | WITH_ERROR_CODE) } },
	{ "inject/software-with-error-code", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(4, 0x80) | WITH_ERROR_CODE), SET(entry_instruction_length, 2) } },
	{ "inject/gp-error-code-bit-16", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(3, VECTOR_GP) | WITH_ERROR_CODE), SET(entry_exception_error_code, BIT32(16)) } },
	{ "inject/gp-error-code-bit-31", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(3, VECTOR_GP) | WITH_ERROR_CODE), SET(entry_exception_error_code, BIT32(31)) } },
	{ "inject/gp-error-code-in-real-mode", ROW_FAILS_7, 0, L2_REAL, { SET(entry_interruption_information, INJECT(3, VECTOR_GP) | WITH_ERROR_CODE) } },
	{ "inject/reserved-12", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(2, 2) | BIT32(12)) } },
	{ "inject/reserved-13", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(2, 2) | BIT32(13)) } },
	{ "inject/reserved-30", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(2, 2) | BIT32(30)) } },
	{ "inject/software-length-16", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(4, 0x80)), SET(entry_instruction_length, 16) } },
	{ "inject/privileged-length-16", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(5, 1)), SET(entry_instruction_length, 16) } },
	{ "inject/software-exception-length-16", ROW_FAILS_7, 0, 0, { SET(entry_interruption_information, INJECT(6, 3)), SET(entry_instruction_length, 16) } },
	{ "inject/software-length-0", ROW_FAILS_7, 0, 0, { NO_MISC(VMX_MISC_INJECT_LENGTH_ZERO), SET(entry_interruption_information, INJECT(4, 0x80)), SET(entry_instruction_length, 0) } },
};
// clang-format on

static void run_row(unsigned int row)
{
	entry_row_run(&rows[row]);
}

static const char *row_name(unsigned int row)
{
	return rows[row].name;
}

/* A bit that the capability MSRs do not let be 1, or do not let be 0, fails: each alone. */
static void reserved_bits_of(enum vmx_control_word word)
{
	u64 golden = vm_get(vm_control_encoding(word));

	for (unsigned int bit = 0; bit < 32; bit++) {
		u32 b = BIT32(bit);
		bool must = facts.word[word].must & b, may = facts.word[word].may & b;

		if (must == may && !must) {
			case_step("bit %u set", bit);
			vm_set(vm_control_encoding(word), golden | b);
		} else if (must) {
			case_step("bit %u clear", bit);
			vm_set(vm_control_encoding(word), golden & ~(u64)b);
		} else {
			continue;
		}
		check_vmfail(vm_enter(), VMFAIL_ENTRY_INVALID_CONTROL, "error 7");
	}
	case_step("golden");
	vm_set(vm_control_encoding(word), golden);
}

static const enum vmx_control_word words[] = { VMX_WORD_PIN, VMX_WORD_PROC1, VMX_WORD_PROC2,
					       VMX_WORD_EXIT, VMX_WORD_ENTRY };
static const char *const word_names[] = { "pin", "primary", "secondary", "exit", "entry" };

static void reserved_bits(unsigned int row)
{
	if (!case_requires(facts.word[words[row]].may, "no such control word"))
		return;
	reserved_bits_of(words[row]);
	check_eq(VMX_SUCCEED, vm_enter().result, "golden enters");
}

static const char *word_name(unsigned int row)
{
	return word_names[row];
}

/* The same injection, over every type and vector: which combinations may be asked for. */
static void injection_space(void)
{
	bool any_code = facts.basic & VMX_BASIC_ANY_ERROR_CODE;

	for (unsigned int vector = 0; vector < 32; vector++) {
		bool has_code = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;

		for (unsigned int code = 0; code < 2; code++) {
			vm_reset(L2_NATIVE);
			vm_set(VMCS_guest_activity_state, 9); /* fails later, if the check passes */
			vm_set(VMCS_entry_interruption_information,
			       INJECT(3, vector) | (code ? WITH_ERROR_CODE : 0));
			case_step("vector %u%s", vector, code ? " with error code" : "");
			if (any_code || has_code == (code == 1))
				check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, 0,
						    "controls accepted");
			else
				check_vmfail(vm_enter(), VMFAIL_ENTRY_INVALID_CONTROL, "error 7");
		}
	}
}

static const struct lhv_case cases[] = {
	{ .name = "reserved-bits",
	  .needs = NEEDS_VMX,
	  .run_row = reserved_bits,
	  .row_name = word_name,
	  .rows = ARRAY_SIZE(words) },
	{ .name = "control",
	  .needs = NEEDS_VMX,
	  .run_row = run_row,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "injection-space", .needs = NEEDS_VMX, .run = injection_space },
};
LHV_TOPIC("entry", cases);
