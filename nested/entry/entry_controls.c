/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the VM-entry control fields of VMCS12, event injection included.  Pure.
 * SDM "Checks on VMX Controls": "VM-Entry Control Fields".
 */
#include "nested/entry/entry_view.h"

#define INTR_INFO_RESERVED     FIELD(30, 12)
#define ERROR_CODE_RESERVED    FIELD(31, 16)
#define INSTRUCTION_LENGTH_MAX 15
#define LAST_EXCEPTION_VECTOR  31

/* Reserved bits have their required values.  L1 is never in SMM, so neither SMM control
 * may be set (which also rules out both together).  A processor that traces now cannot
 * load the trace control. */
static bool entry_control_bits(const struct entry_view *e, struct check_failure *why)
{
	return MUST(control_allowed(e->entry, &e->caps->entry)) &&
	       MUST(!(e->entry & ENTRY_ENTRY_TO_SMM)) &&
	       MUST(!(e->entry & ENTRY_DEACTIVATE_DUAL_MONITOR)) &&
	       MUST(IMPLIES(e->entry & ENTRY_LOAD_IA32_RTIT_CTL, !e->in->l1_traces));
}

/*
 * Exceptions that push an error code.  Unsure: #CP (21) pushes one, but the SDM counts 21
 * among the vectors that do not when the processor lacks the relaxed rule of
 * IA32_VMX_BASIC[56]; processors with CET have that rule, so the case does not arise.
 */
static bool pushes_error_code(u64 vector)
{
	switch (vector) {
	case VECTOR_DF:
	case VECTOR_TS:
	case VECTOR_NP:
	case VECTOR_SS:
	case VECTOR_GP:
	case VECTOR_PF:
	case VECTOR_AC:
		return true;
	default:
		return false;
	}
}

/*
 * Claim: error codes exist in the guest's mode.  In real-address mode they do not; the
 * SDM looks at CR0.PE only where unrestricted guest allows it to be 0 (otherwise the
 * clear bit is a guest-state failure, later).
 */
static bool mode_has_error_codes(const struct entry_view *e)
{
	return !(e->proc2 & PROC2_UNRESTRICTED_GUEST) || (e->v->guest_cr0 & CR0_PE);
}

/* The interruption type exists and the vector is one of that type. */
static bool injected_type_and_vector(const struct entry_view *e, struct check_failure *why)
{
	enum interruption_type type = entry_injected_type(e);
	u64 vector = field_get(e->injection, INTR_INFO_VECTOR);
	bool has_mtf = e->caps->proc1.may_be_1 & PROC1_MONITOR_TRAP_FLAG;

	return MUST(type != INTR_TYPE_RESERVED) &&
	       MUST(IMPLIES(type == INTR_TYPE_OTHER_EVENT, has_mtf)) &&
	       MUST(IMPLIES(type == INTR_TYPE_NMI, vector == VECTOR_NMI)) &&
	       MUST(IMPLIES(type == INTR_TYPE_HARDWARE_EXCEPTION,
			    vector <= LAST_EXCEPTION_VECTOR)) &&
	       MUST(IMPLIES(type == INTR_TYPE_OTHER_EVENT, vector == 0));
}

/*
 * An error code is delivered with the hardware exceptions that push one, in modes that
 * have them; with IA32_VMX_BASIC[56] any hardware exception may go with or without one.
 * The code is 16 bits.  Unsure: older manuals also reserve bit 15, which SGX page faults
 * use now.
 */
static bool injected_error_code(const struct entry_view *e, struct check_failure *why)
{
	bool delivers = e->injection & INTR_INFO_ERROR_CODE;
	bool possible =
		entry_injected_type(e) == INTR_TYPE_HARDWARE_EXCEPTION && mode_has_error_codes(e);
	bool usual = pushes_error_code(field_get(e->injection, INTR_INFO_VECTOR));
	bool free_choice = e->caps->basic & VMX_BASIC_ANY_ERROR_CODE;

	return MUST(IMPLIES(delivers, possible && (usual || free_choice))) &&
	       MUST(IMPLIES(possible && usual && !free_choice, delivers)) &&
	       MUST(!(e->injection & INTR_INFO_RESERVED)) &&
	       MUST(IMPLIES(delivers, !(e->v->entry_exception_error_code & ERROR_CODE_RESERVED)));
}

/* Events of instructions have the length of an instruction; zero where the processor
 * says that it accepts zero. */
static bool injected_instruction_length(const struct entry_view *e, struct check_failure *why)
{
	enum interruption_type type = entry_injected_type(e);
	u32 length = e->v->entry_instruction_length;
	bool software = type == INTR_TYPE_SOFTWARE_INTERRUPT ||
			type == INTR_TYPE_PRIVILEGED_SOFTWARE ||
			type == INTR_TYPE_SOFTWARE_EXCEPTION;
	bool zero_allowed = e->caps->misc & VMX_MISC_INJECT_LENGTH_ZERO;

	return MUST(IMPLIES(software, length <= INSTRUCTION_LENGTH_MAX)) &&
	       MUST(IMPLIES(software && !zero_allowed, length != 0));
}

/* As for the lists of VM exit. */
static bool entry_msr_list(const struct entry_view *e, struct check_failure *why)
{
	const u64 size = sizeof(struct vmx_msr_entry);
	u32 loads = e->v->entry_msr_load_count;
	u64 load = e->v->entry_msr_load_address;
	u64 last_load = load + (loads - 1ULL) * size;

	return MUST(IMPLIES(loads, entry_is_structure_address(e, load, size))) &&
	       MUST(IMPLIES(loads, entry_is_structure_address(e, last_load, size)));
}

bool entry_check_entry_controls(const struct entry_view *e, struct check_failure *why)
{
	if (!entry_control_bits(e, why))
		return false;
	if (e->injection && !(injected_type_and_vector(e, why) && injected_error_code(e, why) &&
			      injected_instruction_length(e, why)))
		return false;
	return entry_msr_list(e, why);
}
