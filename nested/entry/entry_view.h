/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the section files of the VM-entry checks share: VMCS12 with its controls "in
 * effect", and the list of sections.  Pure.
 *
 * A control word whose activating control is 0 counts as zero, so that the fields
 * which only that control gives a meaning are never looked at.
 */
#pragma once

#include "nested/entry/entry.h"
#include "nested/entry/entry_values.h"

/** VMCS12 as the checks see it. */
struct entry_view {
	const struct entry_inputs *in;
	const struct vmcs12 *v;
	const struct vmx_caps *caps;
	u32 pin, proc1, proc2, exit, entry; /* controls in effect */
	u64 proc3, exit2, vmfunc;
	u32 injection; /* the VM-entry interruption information; 0 if it is not valid */
};

/** The view of @in; it points into @in. */
struct entry_view entry_view_of(const struct entry_inputs *in);

/** The type of the injected event; the caller knows that there is one. */
static inline enum interruption_type entry_injected_type(const struct entry_view *e)
{
	return (enum interruption_type)field_get(e->injection, INTR_INFO_TYPE);
}

/** Claim: an event of @type is injected. */
static inline bool entry_injects(const struct entry_view *e, enum interruption_type type)
{
	return e->injection && entry_injected_type(e) == type;
}

/** Claim: the VM entry is to 64-bit mode. */
static inline bool entry_is_to_64_bit(const struct entry_view *e)
{
	return (e->entry & ENTRY_IA32E_MODE_GUEST) &&
	       (e->v->guest_cs_access_rights & ACCESS_RIGHTS_L);
}

/**
 * Claim: @address is a multiple of @alignment and within the width that the processor
 * allows for the addresses of VMX structures.
 */
bool entry_is_structure_address(const struct entry_view *e, u64 address, u64 alignment);

/* Each returns true if all its rules hold; else @why names the first that does not. */

/** SDM "VM-Execution Control Fields", of the checks on VMX controls. */
bool entry_check_execution_controls(const struct entry_view *e, struct check_failure *why);
/** SDM "VM-Exit Control Fields", of the checks on VMX controls. */
bool entry_check_exit_controls(const struct entry_view *e, struct check_failure *why);
/** SDM "VM-Entry Control Fields", of the checks on VMX controls. */
bool entry_check_entry_controls(const struct entry_view *e, struct check_failure *why);

/** SDM "Checks on Host Control Registers, MSRs, and SSP". */
bool entry_check_host_registers(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Host Segment and Descriptor-Table Registers". */
bool entry_check_host_segments(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks Related to Address-Space Size". */
bool entry_check_address_space_size(const struct entry_view *e, struct check_failure *why);

/** SDM "Checks on Guest Control Registers, Debug Registers, and MSRs". */
bool entry_check_guest_registers(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Segment Registers". */
bool entry_check_guest_segments(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Descriptor-Table Registers". */
bool entry_check_guest_descriptor_tables(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest RIP, RFLAGS, and SSP". */
bool entry_check_guest_rip_rflags(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Non-Register State": activity state. */
bool entry_check_guest_activity(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Non-Register State": interruptibility state. */
bool entry_check_guest_interruptibility(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Non-Register State": NMI injection under blocking by STI. */
bool entry_check_guest_nmi_injection(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Non-Register State": pending debug exceptions. */
bool entry_check_guest_pending_debug(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Non-Register State": VMCS link pointer. */
bool entry_check_guest_link_pointer(const struct entry_view *e, struct check_failure *why);
/** SDM "Checks on Guest Page-Directory-Pointer-Table Entries". */
bool entry_check_guest_pdptes(const struct entry_view *e, struct check_failure *why);
