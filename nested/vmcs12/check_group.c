/* SPDX-License-Identifier: BSD-2-Clause */
/* Which VM-entry checks a change of a field makes necessary.  Pure. */
#include "nested/vmcs12/check_group.h"

#include "nested/state.h"

/* Fields that no check looks at.  nested/test/test_check_group.c proves it for each. */
static bool is_unchecked(enum vmcs_index field)
{
	switch (field) {
	case VMCS_INDEX_exception_bitmap:
	case VMCS_INDEX_page_fault_error_code_mask:
	case VMCS_INDEX_page_fault_error_code_match:
	case VMCS_INDEX_cr0_guest_host_mask:
	case VMCS_INDEX_cr4_guest_host_mask:
	case VMCS_INDEX_cr0_read_shadow:
	case VMCS_INDEX_cr4_read_shadow:
	case VMCS_INDEX_cr3_target_value0:
	case VMCS_INDEX_cr3_target_value1:
	case VMCS_INDEX_cr3_target_value2:
	case VMCS_INDEX_cr3_target_value3:
	case VMCS_INDEX_tsc_offset:
	case VMCS_INDEX_eoi_exit_bitmap0:
	case VMCS_INDEX_eoi_exit_bitmap1:
	case VMCS_INDEX_eoi_exit_bitmap2:
	case VMCS_INDEX_eoi_exit_bitmap3:
	case VMCS_INDEX_guest_rsp:
	case VMCS_INDEX_host_rsp:
	case VMCS_INDEX_guest_interrupt_status:
	case VMCS_INDEX_preemption_timer_value:
		return true;
	default:
		return vmcs_encoding_type(vmcs_fields[field].encoding) == VMCS_TYPE_READ_ONLY;
	}
}

u32 check_group_of(enum vmcs_index field)
{
	if (is_unchecked(field))
		return 0;
	switch (field) {
	case VMCS_INDEX_tpr_threshold:
		return CHECK_EXECUTION;
	case VMCS_INDEX_guest_rip:
	case VMCS_INDEX_guest_rflags:
		return CHECK_RIP | CHECK_INTERRUPTIBILITY;
	case VMCS_INDEX_guest_interruptibility_state:
	case VMCS_INDEX_guest_activity_state:
	case VMCS_INDEX_guest_pending_debug_exceptions:
		return CHECK_INTERRUPTIBILITY;
	case VMCS_INDEX_entry_interruption_information:
	case VMCS_INDEX_entry_exception_error_code:
	case VMCS_INDEX_entry_instruction_length:
		return CHECK_EVENT;
	default:
		break;
	}
	switch (vmcs_encoding_type(vmcs_fields[field].encoding)) {
	case VMCS_TYPE_HOST:
		return CHECK_HOST;
	case VMCS_TYPE_GUEST:
		return CHECK_GUEST;
	default:
		/* Guest-state rules depend on controls, and some host-state rules do. */
		return CHECK_CONTROLS | CHECK_HOST | CHECK_GUEST;
	}
}
