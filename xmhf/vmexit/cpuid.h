/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUID tells L1.  SDM volume 2 "CPUID". */
#pragma once

#include "xmhf/x86/cpu.h"

/** The hypervisor leaves. */
#define CPUID_HYPERVISOR_FIRST 0x40000000U
#define CPUID_HYPERVISOR_LAST  0x40000001U
/** Processor trace. */
#define CPUID_LEAF_PT 0x14U
/** Extended features: SYSCALL, NX, .. */
#define CPUID_LEAF_EXTENDED 0x80000001U
/* "xmhf" "-nes" "t\0\0\0" */
#define CPUID_SIGNATURE_EBX 0x66686d78U
#define CPUID_SIGNATURE_ECX 0x73656e2dU
#define CPUID_SIGNATURE_EDX 0x00000074U

struct cpuid_policy {
	bool vmx;	   /* L1 may use VMX */
	u32 version;	   /* of this hypervisor */
	u32 nesting_depth; /* how many of it there are, this one included */
};

/** Fixes what vmexit_cpuid() tells L1; called once before L1 runs, with the machine known. */
void vmexit_prepare_cpuid(void);

/** What the answer depends on of L1's own state. */
struct cpuid_asker {
	u64 cr4;
	bool code_64; /* L1 runs 64-bit code; looked at for CPUID_LEAF_EXTENDED only */
};

/** Changes what the processor answered L0 for @leaf, @subleaf into what L1 sees.  Pure. */
void cpuid_for_l1(const struct cpuid_policy *policy, u32 leaf, u32 subleaf,
		  const struct cpuid_asker *asker, struct cpuid_result *result);

/** Claim: cpuid_for_l1() may change the answer for @leaf. */
static inline bool cpuid_is_changed(u32 leaf)
{
	return leaf == 1 || leaf == 7 || leaf == CPUID_LEAF_PT || leaf == CPUID_LEAF_EXTENDED ||
	       (leaf & ~1U) == CPUID_HYPERVISOR_FIRST;
}
