/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX for L1: what the rest of the hypervisor calls.  Everything between VMCS12 and
 * VMCS02 lies below this header.  nested/README.md is the guide.
 */
#pragma once

#include "xmhf/vmx/vcpu.h"

struct machine;

/** Bytes of L0's memory, page-aligned and physically contiguous, that nested takes for each CPU. */
u64 nested_cpu_memory(void);

/**
 * Prepares what the CPUs share: the capabilities shown to L1.  Called once, with machine.caps and
 * machine.vmxcap set.
 */
void nested_init(void);

/** Gives @vcpu its nested state in the nested_cpu_memory() zeroed bytes at host-physical @memory.
 */
void nested_create(struct vcpu *vcpu, hpa_t memory);

/** The value of VMX capability MSR @index for L1; false: RDMSR gives #GP. */
bool nested_read_capability_msr(u32 index, u64 *value);

/** Claim: L1 is in VMX operation, root or non-root. */
bool nested_in_vmx_operation(const struct vcpu *vcpu);

/** Claim: L2 runs on @vcpu; VMCS02 is current. */
static inline bool nested_in_l2(const struct vcpu *vcpu)
{
	return vcpu->in_l2;
}

/** L1 executed the VMX instruction that exits with @reason; VMCS01 is current. */
void nested_vmx_instruction(struct vcpu *vcpu, u32 reason);

/** What is to be done after nested_l2_exit(). */
enum nested_exit {
	NESTED_DONE,   /* reflected to L1, or handled */
	NESTED_L0,     /* L0's own: the handlers for L1's exits work on VMCS02 too */
	NESTED_HIDDEN, /* L2 touches memory that L1 does not have, or not with this right */
};

/** An access of L2 to memory. */
struct nested_access {
	u64 address; /* in L2's own terms */
	l1pa_t page; /* L1's, to which it leads */
	u64 rights;  /* that EPT12 gives */
};

/** L2 exited with @reason; VMCS02 is current.  NESTED_HIDDEN sets *@access. */
enum nested_exit nested_l2_exit(struct vcpu *vcpu, u32 reason, struct nested_access *access);

/** The basic exit reason, and in *@qualification the exit qualification, of the exit that L1 just
 * got. */
u32 nested_exit_of_l1(struct vcpu *vcpu, u64 *qualification);

/** L0 handled RDMSR or WRMSR of L2 and may have raised #GP, which VMCS12 may want as an exit. */
void nested_check_exception(struct vcpu *vcpu);

/** L0 raises #GP(0), or #PF with @error_code at @cr2, in L2. */
void nested_raise_gp(struct vcpu *vcpu);
void nested_raise_pf(struct vcpu *vcpu, u32 error_code, u64 cr2);

/**
 * Writes VMCS01 and, where L1 has a current VMCS, VMCS12 and VMCS02 to the log, tagged @tag with
 * 01, 12, 02: docs/logs.md.
 */
void nested_dump(struct vcpu *vcpu, const char *tag);

/** An INIT arrived for L1.  Returns true if VMX operation holds it back, or L2 exited for it. */
bool nested_init_signal(struct vcpu *vcpu);

/** An INIT was held back and L1 has left VMX operation: returns true once, and forgets it. */
bool nested_take_pending_init(struct vcpu *vcpu);

/** VMLAUNCH or VMRESUME of VMCS02 failed on the processor: L1 gets the error. */
void nested_entry_refused(struct vcpu *vcpu);

/** Three of the counters of @vcpu, by @group (docs/hypercalls.md); false: there are no more. */
bool nested_read_counters(const struct vcpu *vcpu, u64 group, u64 result[3]);

/** Called before each VM entry of L2: flushes that are due.  Returns 1 if VMCS02 must be launched.
 */
u32 nested_before_l2_entry(struct vcpu *vcpu);
