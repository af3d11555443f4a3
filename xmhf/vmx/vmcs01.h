/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS01: how L0 runs L1.  Which controls, and what makes a processor fit.
 * SDM "VM-Execution Control Fields", "VM-Exit Control Fields", "VM-Entry Control Fields".
 */
#pragma once

#include "xmhf/vmx/machine.h"
#include "xmhf/x86/vmcs.h"

struct vmcs01_controls {
	u32 pin, proc1, proc2, exit, entry;
};

/**
 * Chooses the controls for L1 from what the processor can.  Pure.
 * Returns NULL, or what the processor lacks, in words for the user.
 */
const char *vmcs01_choose_controls(const struct vmx_caps *caps, struct vmcs01_controls *out);

/** Fills the L1 MSR bitmap: which MSRs L0 looks at.  Pure. */
void vmcs01_build_msr_bitmap(u8 *bitmap);

/** Makes @vcpu's VMCS01 current and sets every field; L1 is in the state after INIT. */
void vmcs01_setup(struct vcpu *vcpu);

/**
 * Sets the guest state of the current VMCS to what an INIT leaves, in activity state @activity.
 * SDM "Processor State After Reset", "IA-32 Processor States Following Power-up, Reset, or INIT".
 */
void vmcs01_set_init_state(struct vcpu *vcpu, enum activity_state activity);

/** Writes L0's own state into the host-state area of the current VMCS. */
void vmcs01_write_host_state(struct vcpu *vcpu);

/** Points L1 at real-mode @segment:@offset.  */
void vmcs01_set_real_mode_rip(u16 segment, u16 offset);

/** L1's IA32_EFER, while VMCS01 is current. */
u64 vmcs01_guest_efer(const struct vcpu *vcpu);

/** Writes the line of one field to the log, tagged @tag: docs/logs.md. */
void vmcs_dump_field(const char *tag, enum vmcs_index field, bool available, u64 value);

/** Writes one line per field of the current VMCS to the log, tagged @tag: docs/logs.md. */
void vmcs_dump(const char *tag);
