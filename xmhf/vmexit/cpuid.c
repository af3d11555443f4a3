/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUID tells L1.  Pure. */
#include "xmhf/vmexit/cpuid.h"

#define CPUID_7_EBX_INTEL_PT BIT32(25)

static void set_if(u32 *word, u32 bit, bool set)
{
	*word = set ? *word | bit : *word & ~bit;
}

static void features(const struct cpuid_policy *policy, u64 cr4, struct cpuid_result *r)
{
	if (!policy->vmx)
		r->ecx &= ~CPUID_1_ECX_VMX;
	r->ecx &= ~CPUID_1_ECX_SMX; /* L0 does not let L1 have GETSEC */
	/* Nor the debug store: its records could be due in L0, at L1's addresses. */
	r->ecx &= ~(CPUID_1_ECX_DTES64 | CPUID_1_ECX_DS_CPL);
	r->edx &= ~CPUID_1_EDX_DS;
	set_if(&r->ecx, CPUID_1_ECX_OSXSAVE, cr4 & CR4_OSXSAVE);
}

static void structured_features(u32 subleaf, u64 cr4, struct cpuid_result *r)
{
	if (subleaf != 0)
		return;
	r->ebx &= ~CPUID_7_EBX_INTEL_PT; /* would write to memory past EPT */
	set_if(&r->ecx, CPUID_7_ECX_OSPKE, cr4 & CR4_PKE);
}

/* SYSCALL is told of in 64-bit mode only, which is L0's. */
static void extended_features(bool code_64, struct cpuid_result *r)
{
	if (!code_64)
		r->edx &= ~CPUID_80000001_EDX_SYSCALL;
}

void cpuid_for_l1(const struct cpuid_policy *policy, u32 leaf, u32 subleaf,
		  const struct cpuid_asker *asker, struct cpuid_result *result)
{
	switch (leaf) {
	case 1:
		features(policy, asker->cr4, result);
		break;
	case 7:
		structured_features(subleaf, asker->cr4, result);
		break;
	case CPUID_LEAF_EXTENDED:
		extended_features(asker->code_64, result);
		break;
	case CPUID_LEAF_PT:
		*result = (struct cpuid_result){ 0 };
		break;
	case CPUID_HYPERVISOR_FIRST:
		*result = (struct cpuid_result){ CPUID_HYPERVISOR_LAST, CPUID_SIGNATURE_EBX,
						 CPUID_SIGNATURE_ECX, CPUID_SIGNATURE_EDX };
		break;
	case CPUID_HYPERVISOR_LAST:
		*result = (struct cpuid_result){ policy->version, policy->nesting_depth, 0, 0 };
		break;
	}
}
